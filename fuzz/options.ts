/**
 * Options of every table of the product, given what programs, files and command lines may say.
 *
 * What must hold: whatever is given is refused with a code, or the result has exactly the names of
 * its table, each with a value that the table takes; the result is frozen, is the same when it is
 * given again, and nothing gets into other objects.
 */

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { hasCode } from '../src/base/errors.js';
import { type OptionEntry, type OptionTable, resolveForeign } from '../src/base/options.js';
import type { Prng } from '../src/base/prng.js';
import { consumerOptionTable } from '../src/broker/consumer/consumer-options.js';
import { groupOptionTable } from '../src/broker/group/group-options.js';
import { processOptionTable } from '../src/broker/process/process-options.js';
import { retryOptionTable } from '../src/broker/process/retry-policy.js';
import { producerOptionTable } from '../src/broker/producer/producer-options.js';
import {
  queueOptionsOf,
  queueOptionTable,
  resolveQueueOptions,
} from '../src/broker/queue/queue-options.js';
import { shareOptionTable } from '../src/broker/share/share-consumer-options.js';
import {
  resolveTopicOptions,
  topicOptionsOf,
  topicOptionTable,
} from '../src/broker/topic/topic-options.js';
import { checkLogOptions } from '../src/storage/log-config.js';
import { logOptionTable } from '../src/storage/log-options.js';
import { anything, drawFrom, name } from './draw-values.js';
import type { FuzzEvent } from './event.js';
import { fuzzWith } from './fuzz-data.js';

interface Resolver {
  readonly name: string;
  readonly table: OptionTable;
  readonly resolve: (given: unknown) => object;
}

function ofTable(name: string, table: OptionTable): Resolver {
  return { name, table, resolve: (given) => resolveForeign(table, given, name) };
}

const resolvers: readonly Resolver[] = [
  { name: 'log', table: logOptionTable, resolve: (given) => checkLogOptions(Object(given), 'log') },
  {
    name: 'topic',
    table: topicOptionTable,
    resolve: (given) => resolveTopicOptions(topicOptionsOf(Object(given)), 'topic'),
  },
  {
    name: 'queue',
    table: queueOptionTable,
    resolve: (given) => resolveQueueOptions('queue', queueOptionsOf('queue', Object(given))),
  },
  ofTable('consumer', consumerOptionTable),
  ofTable('group', groupOptionTable),
  ofTable('process', processOptionTable),
  ofTable('producer', producerOptionTable),
  ofTable('retry', retryOptionTable),
  ofTable('share', shareOptionTable),
];

const CODES = ['OPTION_INVALID', 'OPTION_UNKNOWN', 'INVALID_TOPIC_NAME'] as const;

export function tryOptions(event: FuzzEvent): void {
  const { prng } = event;
  const resolver = prng.pick(resolvers);
  const given = drawGiven(prng, resolver.table);
  event.input(Buffer.from(shown(given)), `${resolver.name} options`);
  const resolved = coded(event, resolver, given);
  assert.deepEqual(Object.keys(Object.prototype), [], 'nothing gets into all objects');
  if (resolved === undefined) return;
  assert.ok(Object.isFrozen(resolved), 'nobody changes what was checked');
  assert.equal(Object.getPrototypeOf(resolved), Object.prototype);
  for (const [option, entry] of Object.entries(resolver.table)) {
    assert.ok(Object.hasOwn(resolved, option), `${option} has a value`);
    if (Object.hasOwn(Object(given), option)) continue;
    const value: unknown = Reflect.get(resolved, option);
    if ('default' in entry && typeof entry.default === 'number') assert.ok(value !== undefined);
  }
  assert.deepEqual(resolver.resolve(resolved), resolved, 'what was resolved is a way to say it');
}

export const fuzz = fuzzWith(tryOptions);

/** Some names of the table with values near its bounds, and sometimes what is no option at all. */
function drawGiven(prng: Prng, table: OptionTable): unknown {
  if (prng.boolean(0.05)) return drawFrom(prng, anything);
  const entries = Object.entries(table);
  const given: [string, unknown][] = [];
  for (let left = prng.integer(5); left > 0; left -= 1) {
    const [option, entry] = prng.pick(entries);
    given.push([option, prng.boolean(0.7) ? drawNear(prng, entry) : drawFrom(prng, anything)]);
  }
  if (prng.boolean(0.15)) given.push([drawFrom(prng, name), drawFrom(prng, anything)]);
  // Names like __proto__ become own properties.
  return Object.fromEntries(given);
}

function drawNear(prng: Prng, entry: OptionEntry): unknown {
  if ('values' in entry) return prng.pick<unknown>([...entry.values, 'nothing of these']);
  if ('min' in entry) {
    const { min, max } = entry;
    const middle = Math.floor(min + (max - min) * (prng.integer(1000) / 1000));
    return prng.pick<unknown>([
      min,
      max,
      min - 1,
      max + 1,
      middle,
      'unlimited',
      'auto',
      String(min),
    ]);
  }
  if ('namesMax' in entry) {
    return drawFrom(prng, fc.array(name, { maxLength: 5 }));
  }
  if ('bytesMax' in entry) return prng.boolean() ? drawFrom(prng, name) : 'a name';
  return prng.pick<unknown>([true, false, 0, 'true']);
}

function coded(event: FuzzEvent, { name, resolve }: Resolver, given: unknown): object | undefined {
  try {
    const resolved = resolve(given);
    event.met(`${name} accepted`);
    return resolved;
  } catch (error) {
    const code = CODES.find((known) => hasCode(error, known));
    if (code === undefined) throw error;
    event.met(`${name} ${code}`);
    return undefined;
  }
}

function shown(given: unknown): string {
  return (
    JSON.stringify(given, (_, value) => (typeof value === 'bigint' ? `${value}n` : value)) ?? ''
  );
}
