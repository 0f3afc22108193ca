// Replacing segments of a log that is open: readers in them, readers that come, and failures.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limits } from '../../src/base/limits.js';
import type { Batch } from '../../src/storage/batch.js';
import { batchBaseOffset } from '../../src/storage/batch-header.js';
import type { SwapTask } from '../../src/storage/cleaner-task.js';
import { runSwap } from '../../src/storage/compaction-swap.js';
import { openForWriting } from '../../src/storage/log-opening.js';
import { openForReading } from '../../src/storage/log-read-only.js';
import { LogReader } from '../../src/storage/log-reader.js';
import { LogSource } from '../../src/storage/log-source.js';
import { Segment } from '../../src/storage/segment.js';
import { deletedName, segmentFileName, swapName } from '../../src/storage/segment-files.js';
import { SegmentList } from '../../src/storage/segment-list.js';
import { isHalfWay, replaceSegments } from '../../src/storage/segment-replacement.js';
import { SwapGate } from '../../src/storage/swap-gate.js';
import { markCompacted, putCleaned } from '../support/cleaned-fixture.js';
import { isPending, rejection, settled } from '../support/fixtures.js';
import {
  DIRECTORY,
  filledLog,
  readOffsets,
  readUntilError,
  SimLog,
} from '../support/log-fixture.js';

const RECORDS = 18;
const all = Array.from({ length: RECORDS }, (_, offset) => offset);
const isKept = (offset: number): boolean => offset % 3 === 0;
/** Segments 4, 8 and 12 become one. */
const replaced = [4, 8, 12];
const survivors = all.filter((offset) => offset < 4 || offset >= 16 || isKept(offset));

/** A log that is open, with the files of a cleaned group, and the parts of it that swaps need. */
async function opened() {
  const sim = new SimLog();
  await (await filledLog(sim, RECORDS)).close();
  markCompacted(sim);
  const group = putCleanedLater(sim);
  const alarm = { onForeign: () => undefined };
  const { core, lock } = await openForWriting(DIRECTORY, {}, sim.environment, alarm);
  const cleaned = group();
  const source = new LogSource(core, undefined, false);
  const old = core.segments.all().slice(1, 4);
  const run = async (): Promise<void> => runSwap(sim.disk.blockingFileSystem, cleaned.task);
  const replace = (work = run): Promise<Segment> =>
    replaceSegments(source, core, { old, seal: cleaned.seal, number: 1, run: work });
  return { sim, core, lock, source, old, run, replace, cleaned };
}

/** Opening removes what a cleaning left, so the files come after it. */
function putCleanedLater(sim: SimLog) {
  return () => putCleaned(sim, replaced, 1, isKept);
}

function readerOf(source: LogSource, offset = 0): LogReader {
  return new LogReader(source, {
    from: async () => ({ offset, timestamp: undefined }),
    follow: false,
    durability: 'durable',
    isolation: 'committed',
    checkCrcs: true,
    control: false,
    readBytesMax: limits.readBytesMax,
    signal: undefined,
    onWaiting: undefined,
  });
}

async function offsetsOf(
  reader: AsyncIterator<Batch> | undefined,
  limit = Number.POSITIVE_INFINITY,
): Promise<number[]> {
  const offsets: number[] = [];
  while (offsets.length < limit) {
    const { done, value } = (await reader?.next()) ?? { done: true, value: undefined };
    if (done === true) break;
    for (const record of value) offsets.push(record.offset);
  }
  return offsets;
}

function deletedFiles(sim: SimLog): string[] {
  return sim.disk.list(DIRECTORY).filter((path) => path.endsWith('.deleted'));
}

test('replacing: the list has the new segment, and the old files are gone', async () => {
  const { sim, core, source, replace } = await opened();
  const next = await replace();
  await settled();
  const bases = core.segments.all().map(({ baseOffset }) => baseOffset);
  assert.deepEqual(bases, [0, 4, 16]);
  assert.equal(core.segments.floor(9), next);
  assert.deepEqual(await offsetsOf(readerOf(source)), survivors);
  assert.deepEqual(deletedFiles(sim), []);
  for (const offset of all.slice(4)) {
    const expected = survivors.filter((survivor) => survivor >= offset);
    assert.deepEqual(await offsetsOf(readerOf(source, offset)), expected);
  }
});

for (let taken = 1; taken <= RECORDS; taken++) {
  test(`a reader that has taken ${taken} goes on behind them, each record once`, async () => {
    const { sim, source, old, replace } = await opened();
    const reader = readerOf(source);
    const first = await offsetsOf(reader, taken);
    await replace();
    await settled();
    const last = first.at(-1) ?? -1;
    const isInside = last >= 4 && last < 16;
    assert.equal(deletedFiles(sim).length > 0, isInside);
    const rest = await offsetsOf(reader);
    // What the chunk holds that was read before is still given.
    assert.deepEqual(
      rest.filter((offset) => survivors.includes(offset)),
      survivors.filter((offset) => offset > last),
    );
    assert.deepEqual(
      [...new Set(rest)],
      [...rest].sort((one, two) => one - two),
    );
    await settled();
    assert.deepEqual(deletedFiles(sim), []);
    assert.ok(old.every(({ pins }) => pins === 0));
  });
}

test('while files change their names a reader waits, and one with its file goes on', async () => {
  const { source, core, run, replace } = await opened();
  const inside = readerOf(source, 4);
  assert.deepEqual(await offsetsOf(inside, 1), [4]);
  await source.indexes.load(source.segmentContext, core.segments.floor(8), true);
  let go = (): void => undefined;
  const gate = new Promise<void>((resolve) => {
    go = resolve;
  });
  const replacing = replace(async () => {
    await gate;
    await run();
  });
  await settled();
  // Its index is in memory: what it lacks is the file.
  const coming = offsetsOf(readerOf(source, 8));
  const pinned = core.segments.floor(12);
  pinned.pin();
  const byTime = source.indexes.load(source.segmentContext, pinned, true);
  assert.ok(await isPending(coming));
  assert.ok(await isPending(byTime));
  assert.deepEqual(await offsetsOf(inside, 3), [5, 6, 7]);
  go();
  await replacing;
  await byTime;
  pinned.unpin();
  // It comes by the old index, finds the new segment behind its first chunk, and misses nothing.
  const come = await coming;
  assert.ok(come.every((offset, at) => offset >= 8 && offset > (come[at - 1] ?? -1)));
  assert.deepEqual(
    come.filter((offset) => survivors.includes(offset)),
    survivors.filter((offset) => offset > 8),
  );
  assert.deepEqual(
    await offsetsOf(inside),
    survivors.filter((offset) => offset > 7),
  );
});

test('a swap that did nothing is undone: the log is as it was', async () => {
  const { sim, core, source, replace } = await opened();
  const failed = await rejectionOf(
    replace(async () => {
      throw new RangeError('the thread died');
    }),
  );
  assert.ok(failed instanceof RangeError);
  assert.deepEqual(await offsetsOf(readerOf(source)), all);
  assert.equal(core.segments.count, 5);
  assert.deepEqual(
    sim.disk.list(DIRECTORY).filter((path) => path.endsWith('.cleaned')),
    [],
  );
});

test('a swap that failed half-way is settled in place, unless a sync failed', async () => {
  for (let call = 1; ; call++) {
    const { sim, core, source, run, replace } = await opened();
    const reader = readerOf(source, 4);
    await offsetsOf(reader, 1);
    let calls = 0;
    let failed: string | undefined;
    const failing = async (): Promise<void> => {
      sim.disk.onCall = (_number, name) => {
        calls += 1;
        if (calls !== call) return;
        failed = name;
        throw new RangeError('cut short');
      };
      try {
        await run();
      } finally {
        sim.disk.onCall = undefined;
      }
    };
    const outcome = await replace(failing).catch((error: unknown) => error);
    if (failed === 'syncDirectory') {
      assert.ok(isHalfWay(outcome), `call ${call}: ${String(outcome)}`);
      await rejection(offsetsOf(readerOf(source, 8)), 'IO_FAILED');
      const log = await sim.kill().open();
      const kept = await readOffsets(log);
      assert.ok(kept.length === all.length || kept.length === survivors.length);
      await log.close();
      continue;
    }
    const isDone = outcome instanceof Segment;
    const expected = isDone ? survivors : all;
    assert.deepEqual(await offsetsOf(readerOf(source)), expected, `call ${call}`);
    assert.equal(core.segments.count, isDone ? 3 : 5);
    const rest = (await offsetsOf(reader)).filter((offset) => expected.includes(offset));
    assert.deepEqual(
      rest,
      expected.filter((offset) => offset > 4),
    );
    if (failed === undefined) break;
  }
});

test('neither finished nor undone: the range is refused, the rest is served', async () => {
  const { sim, core, source, replace, cleaned } = await opened();
  let syncs = 0;
  sim.disk.onCall = (_number, name) => {
    if (name !== 'syncDirectory') return;
    syncs += 1;
    if (syncs > 2) throw Object.assign(new Error('the disk is gone'), { code: 'EIO' });
  };
  const failed = replace(async () => runSwap(sim.disk.blockingFileSystem, cleaned.task));
  await rejection(failed, 'IO_FAILED');
  assert.equal(core.segments.count, 5);
  await rejection(offsetsOf(readerOf(source, 8)), 'IO_FAILED');
  assert.deepEqual(await offsetsOf(readerOf(source, 0), 4), [0, 1, 2, 3]);
  assert.deepEqual(await offsetsOf(readerOf(source, 16)), [16, 17]);
  const log = await sim.kill().open();
  assert.deepEqual(await readOffsets(log), survivors);
});

test('opening removes what replacements left', async () => {
  const { sim, source, replace, lock } = await opened();
  const reader = readerOf(source, 4);
  await offsetsOf(reader, 1);
  await replace();
  assert.ok(deletedFiles(sim).length > 0);
  await lock.release();
  const later = sim.kill();
  const log = await later.open();
  assert.deepEqual(await readOffsets(log), survivors);
  assert.deepEqual(deletedFiles(later), []);
  await log.close();
});

test('a reader beside a swap never sees damage, wherever it looks', async () => {
  // The writing half stands still behind each of its calls, and read-only logs read everything:
  // one that is opened now, and those that were opened before and had read so many batches.
  for (const knows of ['names', 'indexes', 'some batches'] as const) {
    const { sim, cleaned } = await opened();
    const steps = stepsOf(sim, cleaned.task);
    const reading = new SimLog(sim.disk, sim.clock);
    const early = await Promise.all(steps.map(() => reading.open({ readOnly: true })));
    const partial = early.map((log) => log.read());
    const taken = early.map((): number[] => []);
    for (const [at, log] of early.entries()) {
      if (knows === 'indexes') await log.read({ from: { timestamp: 2 ** 50 } }).next();
      for (let batch = 0; knows === 'some batches' && batch < at % RECORDS; batch++) {
        taken[at]?.push(...(await offsetsOf(partial[at], 1)));
      }
    }
    for (const [at, step] of steps.entries()) {
      step();
      const log = early[at];
      assert.ok(log !== undefined);
      const place = `${knows}, stage ${at}`;
      taken[at]?.push(...(await offsetsOf(partial[at])));
      assert.ok(isOldOrNew(taken[at] ?? []), `${place}, partial: ${taken[at]?.join(' ')}`);
      const seen = await readOffsets(log);
      assert.ok(isOldOrNew(seen), `${place}: ${seen.join(' ')}`);
      const late = await reading.open({ readOnly: true });
      const fresh = await readOffsets(late);
      assert.ok(isOldOrNew(fresh), `${place}, late: ${fresh.join(' ')}`);
      await late.close();
      if (at === steps.length - 1) assert.deepEqual(fresh, survivors);
    }
    for (const log of early) await log.close();
  }
});

test('a read-only log believes a file only if its seal is still the one it knows', async () => {
  const { sim, run } = await opened();
  const { source, close } = await openForReading(DIRECTORY, {}, sim.environment);
  const [first, second] = [source.core.segments.floor(0), source.core.segments.floor(4)];
  for (const segment of [first, second]) {
    await source.indexes.load(source.segmentContext, segment, true);
  }
  await run();
  const error = await rejection(source.files.acquire(second), 'LOG_CORRUPT');
  assert.equal(await source.hasMoved(second, error), true);
  assert.ok(second.isReplaced);
  assert.equal(source.core.segments.count, 3);
  await source.files.acquire(first);
  source.files.release(first);
  assert.equal(await source.hasMoved(first, error), false);
  assert.ok(!first.isReplaced);
  await close();
});

/** The calls of a swap that change something, to be made one by one. */
function stepsOf(sim: SimLog, task: SwapTask): (() => void)[] {
  const { disk } = sim;
  const recorder = disk.clone();
  const steps: (() => void)[] = [];
  recorder.onCall = (_number, name, path) => {
    const [from, to] = path.split(' -> ');
    if (name === 'rename' && from !== undefined && to !== undefined && recorder.exists(from)) {
      steps.push(() => disk.blockingFileSystem.rename(from, to));
    }
  };
  runSwap(recorder.blockingFileSystem, task);
  const gone = recorder.list(DIRECTORY).filter((path) => path.endsWith('.deleted'));
  return [...steps, ...gone.map((path) => () => disk.blockingFileSystem.unlink(path))];
}

/** All records, or the survivors from some segment on; none of those missing, none twice. */
function isOldOrNew(offsets: readonly number[]): boolean {
  const isRising = offsets.every((offset, at) => at === 0 || offset > (offsets[at - 1] ?? -1));
  return isRising && survivors.every((offset) => offsets.includes(offset));
}

test('every bit of a batch header in a cleaned segment is watched over', async () => {
  const { sim, source, replace } = await opened();
  await replace();
  await settled();
  await source.close();
  const path = sim.path(4, 'log');
  const bytes = Buffer.from(sim.disk.readAll(path));
  const starts: number[] = [];
  for (let at = 0; at < bytes.length; at += bytes.readInt32BE(at + 8) + 12) starts.push(at);
  assert.ok(starts.length >= 4);
  assert.equal(batchBaseOffset(bytes, 0), 6);
  for (const start of starts) {
    for (let bit = 0; bit < 61 * 8; bit++) {
      sim.disk.flipBit(path, start * 8 + bit);
      const log = await sim.open({ readOnly: true });
      const { offsets, error } = await readUntilError(log);
      await log.close();
      sim.disk.flipBit(path, start * 8 + bit);
      const at = `batch at ${start}, bit ${bit}`;
      assert.ok(error !== undefined, `${at} is not seen`);
      assert.deepEqual(offsets, survivors.slice(0, offsets.length), at);
    }
  }
});

test('a gate: holds who comes, lets them pass together, or tells them for good', async () => {
  const gate = new SwapGate();
  await gate.pass();
  gate.hold();
  const passing = Promise.all([gate.pass(), gate.pass()]);
  assert.ok(await isPending(passing));
  gate.release();
  await passing;
  gate.hold();
  const told = rejectionOf(gate.pass());
  const failure = new RangeError('half-way');
  gate.shut(failure);
  assert.equal(await told, failure);
  assert.equal(await rejectionOf(gate.pass()), failure);
});

test('replace: adjacent segments become one, and nothing else is accepted', () => {
  const segments = [0, 4, 8, 12].map((base) => new Segment(DIRECTORY, base));
  const [first, second, third, active] = segments;
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  assert.ok(active !== undefined);
  const next = new Segment(DIRECTORY, 4);
  const list = new SegmentList(segments);
  assert.throws(() => list.replace([second, active], next), /adjacent|active/);
  assert.throws(() => list.replace([third, active], new Segment(DIRECTORY, 8)), /active/);
  assert.throws(() => list.replace([first], next), /starts where/);
  list.replace([second, third], next);
  assert.deepEqual(list.all(), [first, next, active]);
  assert.equal(list.after(third), active);
});

test('paths: a segment knows where its files are, also once it was replaced', () => {
  const segment = new Segment(DIRECTORY, 4);
  assert.equal(segment.path('seal'), `${DIRECTORY}/${segmentFileName(4, 'seal')}`);
  segment.retire(7);
  assert.ok(segment.isReplaced);
  assert.equal(segment.logPath, `${DIRECTORY}/${deletedName(4, 'log', 7)}`);
  const names = new Map([['log', swapName(4, 'log')]] as const);
  const listed = Segment.listed(DIRECTORY, { baseOffset: 4, names });
  assert.equal(listed.logPath, `${DIRECTORY}/${swapName(4, 'log')}`);
  assert.equal(listed.path('seal'), `${DIRECTORY}/${segmentFileName(4, 'seal')}`);
});

async function rejectionOf(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    () => assert.fail('expected a rejection'),
    (error: unknown) => error,
  );
}
