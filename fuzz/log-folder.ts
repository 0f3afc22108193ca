/**
 * Folders of valid logs with damage to up to three files, opened for reading and for writing.
 *
 * What must hold: every failure is typed; a record that is served is the one that was written at
 * its offset, in order and without a gap; reading changes no byte; a log that is found damaged
 * keeps its bytes, also when it was opened for writing; one that is not found damaged takes
 * appends, and gives them back in the next process. When one file alone was damaged, no record that
 * was acknowledged goes missing in silence.
 */

import assert from 'node:assert/strict';
import { MillraceError } from '../src/base/errors.js';
import type { Log } from '../src/storage/log.js';
import type { ReadFrom } from '../src/storage/read-start.js';
import { DIRECTORY, type SimLog } from '../test/support/log-fixture.js';
import { recordText } from '../test/support/log-oracle.js';
import { damageOne } from './damage.js';
import type { FuzzEvent } from './event.js';
import { fuzzWith } from './fuzz-data.js';
import { makeSampleLogs, type SampleLog } from './sample-logs.js';

const FRESH = { key: 'fresh', value: 'appended after the damage', timestamp: 1_800_000_000_000 };

let samples: readonly SampleLog[] | undefined;

export async function tryAnyFolder(event: FuzzEvent): Promise<void> {
  samples ??= await makeSampleLogs();
  await tryFolder(event, event.prng.pick(samples));
}

export const fuzz = fuzzWith(tryAnyFolder);

async function tryFolder(event: FuzzEvent, sample: SampleLog): Promise<void> {
  const { prng } = event;
  const sim = sample.sim.kill();
  const damages = Array.from({ length: prng.pick([1, 1, 1, 2, 3]) }, () => {
    return damageOne(prng, sim.disk);
  });
  event.input(new Uint8Array(0), `a log ${sample.name}, ${damages.join('; ')}`);
  const before = sim.content();
  await tryReading(event, sim, sample, damages.length === 1);
  assert.deepEqual(sim.content(), before, 'reading changes nothing');
  await tryWriting(event, sim.kill(), sample, before, damages.length === 1);
}

async function tryReading(
  event: FuzzEvent,
  sim: SimLog,
  sample: SampleLog,
  isSingle: boolean,
): Promise<void> {
  const opened = await typed(sim.open({ readOnly: true }));
  if (opened instanceof MillraceError) {
    event.met(`reading ${opened.code}`);
    return;
  }
  const { state, damage } = opened.describe();
  const outcome = await readAll(opened, sample.texts, 'earliest');
  event.met(`reading ${state} ${outcome.code ?? 'whole'}`);
  if (isSingle && damage === undefined) checkStart(opened, sample);
  await readHere(event, opened, sample);
  assert.equal(await typed(opened.close()), undefined);
}

async function tryWriting(
  event: FuzzEvent,
  sim: SimLog,
  sample: SampleLog,
  before: Readonly<Record<string, string>>,
  isSingle: boolean,
): Promise<void> {
  const opened = await typed(sim.open());
  if (opened instanceof MillraceError) {
    event.met(`writing ${opened.code}`);
    assert.deepEqual(sim.content(), before, 'a log that does not open keeps its bytes');
    return;
  }
  const { state, damage, logId } = opened.describe();
  const outcome = await readAll(opened, sample.texts, 'earliest');
  event.met(`writing ${state} ${outcome.code ?? 'whole'}`);
  await readHere(event, opened, sample);
  const refusal = await typed(opened.append([FRESH]));
  if (damage !== undefined) {
    assert.ok(refusal instanceof MillraceError, 'a damaged log refuses appends');
    assert.equal(await typed(opened.close()), undefined);
    assert.deepEqual(sim.content(), before, 'a damaged log keeps its bytes');
    return;
  }
  assert.ok(!(refusal instanceof MillraceError), `an append was refused: ${String(refusal)}`);
  assert.equal(await typed(opened.close()), undefined);
  checkSealedKept(before, sim.content());
  if (isSingle) checkNothingLost(opened, sample, outcome, refusal.baseOffset);
  await reopen(sim.kill(), sample, refusal.baseOffset, logId);
}

/** The next process finds the new record where it was put. */
async function reopen(
  sim: SimLog,
  sample: SampleLog,
  baseOffset: number,
  logId: string,
): Promise<void> {
  const again = await sim.open();
  assert.equal(again.describe().logId, logId);
  assert.equal(again.endOffset, baseOffset + 1);
  const texts = [...sample.texts.slice(0, baseOffset)];
  texts[baseOffset] = recordText(FRESH);
  const found = await readAll(again, texts, baseOffset);
  assert.equal(found.code, undefined, 'what was appended is served');
  assert.equal(found.next, baseOffset + 1, 'what was appended is there');
  await again.close();
}

/** Segments that others follow never change, whatever is in them. */
function checkSealedKept(
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
): void {
  const logs = Object.keys(before).filter((path) => path.endsWith('.log'));
  for (const path of logs.sort().slice(0, -1)) {
    if (path in after) assert.ok(after[path] === before[path], `${path} keeps its bytes`);
  }
}

interface Served {
  /** The first offset that was served, or -1. */
  readonly first: number;
  /** The offset behind the last record that was served. */
  readonly next: number;
  readonly code: string | undefined;
}

/** Reads to the end or to a typed error; everything on the way is as it was written. */
async function readAll(log: Log, texts: readonly string[], from: ReadFrom): Promise<Served> {
  let first = -1;
  let next = -1;
  try {
    for await (const batch of log.read({ from })) {
      for (const record of batch) {
        const { offset } = record;
        if (next !== -1) assert.equal(offset, next, 'offsets follow each other');
        assert.equal(recordText(record), texts[offset], `offset ${offset} is as it was written`);
        if (first === -1) first = offset;
        next = offset + 1;
      }
    }
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    return { first, next, code: error.code };
  }
  return { first, next, code: undefined };
}

/** Reads from an offset or a time in the middle. */
async function readHere(event: FuzzEvent, log: Log, sample: SampleLog): Promise<void> {
  const { prng } = event;
  const offset = prng.integer(sample.texts.length + 2);
  const timestamp = sample.timestamps[offset] ?? 0;
  const from = prng.boolean() ? offset : { timestamp };
  const { first, code } = await readAll(log, sample.texts, from);
  if (first !== -1) {
    const { startOffset } = log;
    const found = sample.timestamps.findIndex((time, at) => at >= startOffset && time >= timestamp);
    assert.equal(
      first,
      typeof from === 'number' ? offset : found,
      'a read starts where it was told',
    );
  }
  event.met(`from ${typeof from === 'number' ? 'offset' : 'time'} ${code ?? 'whole'}`);
}

/** A log that finds nothing wrong starts where it did. */
function checkStart(log: Log, sample: SampleLog): void {
  const { startOffset } = log;
  assert.ok(startOffset <= sample.startOffset, `the log starts at ${startOffset}`);
}

function checkNothingLost(log: Log, sample: SampleLog, served: Served, nextOffset: number): void {
  checkStart(log, sample);
  assert.ok(nextOffset >= sample.durableEnd, `offset ${nextOffset} was acknowledged before`);
  if (served.code === undefined) assert.ok(served.next >= sample.durableEnd, 'records are missing');
}

/** The value, or the typed error; any other error is a finding. */
async function typed<Value>(promise: Promise<Value>): Promise<Value | MillraceError> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof MillraceError) return error;
    throw new Error(`an error without a code, in ${DIRECTORY}`, { cause: error });
  }
}
