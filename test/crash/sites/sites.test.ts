/**
 * Each call site of the file system, with a few of the faults of each; `npm run crash -- --sites`
 * tries all.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MillraceError } from '../../../src/base/errors.js';
import { SimLog } from '../../support/log-fixture.js';
import { withSeed } from '../../support/seed.js';
import { SiteLedger } from './site-ledger.js';
import { listSites, SiteTracer } from './site-tracer.js';
import { sweepSites } from './sites.js';

test('call sites: each one fails at least once, and nothing promised is lost', async () => {
  await withSeed(async (_prng, seed) => {
    const { missed, violations, sites, hit, failed } = await sweepSites({ seed, share: 0 });
    assert.deepEqual(violations, []);
    assert.deepEqual(missed, []);
    assert.equal(hit, sites);
    assert(sites > 50 && failed > 0);
  });
});

test('call sites: who makes a call is found, and only that call fails', async () => {
  const sim = new SimLog();
  const tracer = new SiteTracer();
  sim.disk.onMade = tracer.onMade;
  await sim.open();
  const known = new Set(listSites());
  assert(tracer.hits.size > 5);
  for (const site of tracer.hits.keys()) assert(known.has(site), `${site} is not listed`);
  const [site = ''] = [...tracer.names].find(([, names]) => names.has('makeDirectory')) ?? [];
  const other = new SimLog();
  const failing = new SiteTracer({ site, fault: { errno: 'EIO' }, skip: 0, repeat: 'once' });
  other.disk.onMade = failing.onMade;
  await assert.rejects(other.open(), MillraceError);
  assert(failing.hasStruck);
  await other.open();
});

test('call sites: the ledger misses a promised record, and finds a strange one', async () => {
  const sim = new SimLog();
  const log = await sim.open();
  const ledger = new SiteLedger(false);
  await ledger.append(log, 'k');
  await ledger.check(log);
  const empty = await new SimLog().open();
  await assert.rejects(ledger.check(empty), { kind: 'lost' });
  await assert.rejects(new SiteLedger(false).check(log), { kind: 'phantom' });
});
