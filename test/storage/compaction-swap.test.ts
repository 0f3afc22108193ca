// Swaps: each step of the protocol cut short, by a kill or a power cut, also during recovery.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runSwap, swapProtocol } from '../../src/storage/compaction-swap.js';
import { dumpLog } from '../../src/storage/dump.js';
import { InlineWriter } from '../../src/storage/inline-writer.js';
import { readFolder } from '../../src/storage/log-folder.js';
import { repairLog } from '../../src/storage/repair.js';
import { decodeSeal, isSameSeal } from '../../src/storage/seal.js';
import {
  cleanedName,
  deletedName,
  parseFileName,
  type SegmentSuffix,
  segmentFileName,
  segmentSuffixes,
  swapName,
} from '../../src/storage/segment-files.js';
import { judgeSideFile, sideFileTable } from '../../src/storage/swap-recovery.js';
import { settleSwaps } from '../../src/storage/swap-settling.js';
import { verifyLog } from '../../src/storage/verify.js';
import { type CleanedGroup, markCompacted, putCleaned } from '../support/cleaned-fixture.js';
import { rejection } from '../support/fixtures.js';
import { DIRECTORY, filledLog, readOffsets, SimLog } from '../support/log-fixture.js';
import { crashAll, crashNone, enumerateCrashes } from '../support/sim-crash.js';
import type { SimDisk } from '../support/sim-file-system.js';

const RECORDS = 18;
const DEPTH = 2;
const all = Array.from({ length: RECORDS }, (_, offset) => offset);
const isKept = (offset: number): boolean => offset % 3 === 0;

interface Prepared {
  readonly sim: SimLog;
  readonly group: CleanedGroup;
  /** Content of the folder before and after the swap, without work in progress. */
  readonly before: string;
  readonly after: string;
  readonly survivors: readonly number[];
}

/** A closed log of five segments, and the cleaned files of the first `segments` after the first. */
async function prepare(segments: number): Promise<Prepared> {
  const sim = new SimLog();
  await (await filledLog(sim, RECORDS)).close();
  markCompacted(sim);
  const before = contentOf(sim.disk);
  const replaced = sim.segments().slice(1, 1 + segments);
  const end = sim.segments()[1 + segments] ?? 0;
  const group = putCleaned(sim, replaced, 1, isKept);
  // Files that an old segment has and the new one has not: they must not be taken for new.
  sim.disk.put(sim.path(replaced[0] ?? 0, 'txnIndex'), new Uint8Array(0));
  const swapped = sim.disk.clone();
  runSwap(swapped.blockingFileSystem, group.task);
  for (const path of swapped.list(DIRECTORY)) if (path.endsWith('.deleted')) swapped.remove(path);
  const survivors = all.filter((o) => o < (replaced[0] ?? 0) || o >= end || isKept(o));
  return { sim, group, before, after: contentOf(swapped), survivors };
}

/** Segments and side files by name and content; the watermark tells of the run, not of the log. */
function contentOf(disk: SimDisk): string {
  const paths = disk
    .list(DIRECTORY)
    .filter((path) => !path.endsWith('/watermark') && !/txnindex$/.test(path));
  return paths
    .map((path) => `${path} ${Buffer.from(disk.readAll(path)).toString('base64')}`)
    .join('\n');
}

/** A disk just before a call; before a sync any part of what came since the last one is lost. */
interface Stage {
  readonly disk: SimDisk;
  readonly isBeforeSync: boolean;
}

/** What `work` passes through, and the end. */
async function stagesOf(disk: SimDisk, work: () => void | Promise<void>): Promise<Stage[]> {
  const stages: Stage[] = [];
  disk.onCall = (_number, name) => {
    stages.push({ disk: disk.clone(), isBeforeSync: name === 'syncDirectory' });
  };
  await work();
  disk.onCall = undefined;
  return [...stages, { disk: disk.clone(), isBeforeSync: true }];
}

/** Ends what is under way, as an opening does. */
async function settle(disk: SimDisk): Promise<void> {
  const writer = new InlineWriter(disk.blockingFileSystem);
  const { fileSystem } = disk;
  await settleSwaps({ fileSystem, writer }, await readFolder(fileSystem, DIRECTORY));
}

/** The process dies, or the power goes. */
function* endsOf({ disk, isBeforeSync }: Stage, limit: number): Generator<SimDisk> {
  yield disk.kill();
  if (!isBeforeSync) return;
  for (const choice of enumerateCrashes(disk, limit)) yield disk.crash(choice);
}

/** Files are only renamed and removed: names and what is pending are all there is to know. */
function keyOf(disk: SimDisk): string {
  return [...disk.list(DIRECTORY), ...disk.pending()].join('\n');
}

/** Tries the ends of recoveries from the ends of a stage, and so on; each state once per depth. */
class Explorer {
  readonly #prepared: Prepared;
  readonly #known = new Map<string, { content: string; depth: number }>();
  readonly #started = new Set<string>();
  readonly outcomes = { before: 0, after: 0 };

  constructor(prepared: Prepared) {
    this.#prepared = prepared;
  }

  async explore(stage: Stage, depth: number, mustBe?: string): Promise<void> {
    for (const end of endsOf(stage, depth === DEPTH ? 40 : 3)) {
      const key = keyOf(end);
      const known = this.#known.get(key);
      if (known !== undefined && mustBe !== undefined) assert.equal(known.content, mustBe);
      if (known !== undefined && known.depth >= depth) continue;
      const recovered = end.clone();
      const stages = await stagesOf(recovered, () => settle(recovered));
      const content = this.#check(recovered, mustBe);
      this.#known.set(key, { content, depth });
      const lost = recovered.crash(crashNone);
      await settle(lost);
      this.#check(lost, content);
      // Recoveries that start from the same names differ only in what is pending.
      const start = end.list(DIRECTORY).join(' ');
      if (depth === 0 || this.#started.has(start)) continue;
      this.#started.add(start);
      // After a power cut all that the recovery sees is durable, and so is what it decides.
      const decided = end.pendingCount() === 0 ? content : undefined;
      for (const next of stages) await this.explore(next, depth - 1, decided);
    }
  }

  #check(disk: SimDisk, mustBe: string | undefined): string {
    const { before, after } = this.#prepared;
    const content = contentOf(disk);
    const isKnown = content === before || content === after;
    assert.ok(isKnown, `neither old nor new: ${disk.list(DIRECTORY).join(' ')}`);
    if (mustBe !== undefined) assert.equal(content, mustBe, 'what was decided stays so');
    this.outcomes[content === before ? 'before' : 'after'] += 1;
    return content;
  }
}

for (const segments of [1, 2, 3]) {
  test(`swap of ${segments}: cut short anywhere it ends old or new, to depth two`, async () => {
    const prepared = await prepare(segments);
    const explorer = new Explorer(prepared);
    const disk = prepared.sim.disk.clone();
    const stages = await stagesOf(disk, () => {
      runSwap(disk.blockingFileSystem, prepared.group.task);
    });
    for (const stage of stages) await explorer.explore(stage, DEPTH);
    const { before, after } = explorer.outcomes;
    assert.ok(before > 20 && after > 100, `${before} ${after}`);
  });

  test(`swap of ${segments}: killed, and the power goes while it is ended`, async () => {
    const prepared = await prepare(segments);
    const disk = prepared.sim.disk.clone();
    const stages = await stagesOf(disk, () => {
      runSwap(disk.blockingFileSystem, prepared.group.task);
    });
    let ends = 0;
    for (const stage of stages.filter(({ isBeforeSync }) => isBeforeSync)) {
      const killed = stage.disk.kill();
      const recovery = await stagesOf(killed, () => settle(killed));
      for (const { disk: before } of recovery.filter(({ isBeforeSync }) => isBeforeSync)) {
        for (const choice of enumerateCrashes(before, 256)) {
          const end = before.crash(choice);
          await settle(end);
          const content = contentOf(end);
          assert.ok(content === prepared.before || content === prepared.after, keyOf(end));
          ends += 1;
        }
      }
    }
    assert.ok(ends > 100);
  });

  test(`swap of ${segments}: cut short anywhere, opening and reading only agree`, async () => {
    const { sim, group, survivors } = await prepare(segments);
    sim.disk.remove(sim.path(group.task.baseOffset, 'txnIndex'));
    const disk = sim.disk.clone();
    const stages = [disk.clone()];
    disk.onCall = (_number, name) => {
      if (name === 'syncDirectory') stages.push(disk.clone());
    };
    runSwap(disk.blockingFileSystem, group.task);
    disk.onCall = undefined;
    stages.push(disk.clone());
    const seen = new Set<string>();
    for (const stage of stages) {
      for (const choice of enumerateCrashes(stage, 128)) {
        const end = new SimLog(stage.crash(choice), sim.clock);
        const names = end.disk.list(DIRECTORY).join(' ');
        if (seen.has(names)) continue;
        seen.add(names);
        const isCommitted = isNew(end.disk, group);
        const expected = isCommitted ? survivors : all;
        const untouched = end.content();
        const report = await verifyLog(DIRECTORY, { fileSystem: end.disk.fileSystem });
        assert.deepEqual(report.problems, [], names);
        const reader = await end.open({ readOnly: true });
        assert.deepEqual(await readOffsets(reader), expected, names);
        await reader.close();
        assert.deepEqual(end.content(), untouched);
        const log = await end.open();
        assert.deepEqual(await readOffsets(log), expected, names);
        await log.close();
        assert.deepEqual(workIn(end.disk), []);
        const settled = await verifyLog(DIRECTORY, { fileSystem: end.disk.fileSystem });
        assert.deepEqual([settled.problems, settled.warnings], [[], []]);
      }
    }
    assert.ok(seen.size > 10);
  });
}

/** Whether the commit is on this disk, or more. */
function isNew(disk: SimDisk, group: CleanedGroup): boolean {
  const { baseOffset } = group.task;
  if (disk.exists(`${DIRECTORY}/${swapName(baseOffset, 'log')}`)) return true;
  const logPath = `${DIRECTORY}/${segmentFileName(baseOffset, 'log')}`;
  const path = `${DIRECTORY}/${segmentFileName(baseOffset, 'seal')}`;
  const seal = disk.exists(path) ? decodeSeal(disk.readAll(path)) : 'invalid';
  return seal !== 'invalid' && isSameSeal(seal, group.seal) && disk.exists(logPath);
}

function workIn(disk: SimDisk): string[] {
  return disk.list(DIRECTORY).filter((path) => /\.(cleaned|swap|deleted)$/.test(path));
}

test('recovery of swaps: exactly one row fits each combination of facts', () => {
  for (let bits = 0; bits < 16; bits++) {
    const facts = {
      isCommitted: (bits & 1) !== 0,
      hasOldLog: (bits & 2) !== 0,
      hasSwap: (bits & 4) !== 0,
      hasCleaned: (bits & 8) !== 0,
    };
    const rows = sideFileTable.filter(({ when }) =>
      Object.entries(when).every(([name, value]) => Object(facts)[name] === value),
    );
    assert.deepEqual(rows, [judgeSideFile(facts)], JSON.stringify(facts));
  }
});

test('the protocol: commits before it takes anything away, and places the log last', () => {
  const task = {
    kind: 'swap',
    directory: DIRECTORY,
    baseOffset: 4,
    replaced: [4, 8],
    number: 3,
  } as const;
  const last = swapProtocol.map(({ renames }) => renames(task).at(-1)?.to);
  assert.deepEqual(last, [
    swapName(4, 'log'),
    deletedName(8, 'seal', 3),
    deletedName(8, 'log', 3),
    segmentFileName(4, 'seal'),
    segmentFileName(4, 'log'),
  ]);
});

test('a committed segment that does not verify: opening says so, and removes nothing', async () => {
  const { sim, group } = await prepare(2);
  const base = group.task.baseOffset;
  stopBefore(sim.disk, group, 'retire side files');
  sim.disk.truncateTo(`${DIRECTORY}/${swapName(base, 'seal')}`, 10);
  sim.disk.truncateTo(`${DIRECTORY}/${swapName(base, 'log')}`, 100);
  const end = new SimLog(sim.disk.crash(crashAll(sim.disk)), sim.clock);
  const before = end.content();
  const error = await rejection(end.open(), 'LOG_CORRUPT');
  assert.equal(error.facts['file'], `${DIRECTORY}/${swapName(base, 'log')}`);
  await rejection(end.open({ readOnly: true }), 'LOG_CORRUPT');
  assert.deepEqual(end.content(), before);
});

test('a committed segment whose seal is lost: its batches say where it ends', async () => {
  const { sim, group, survivors } = await prepare(2);
  stopBefore(sim.disk, group, 'retire logs');
  sim.disk.remove(`${DIRECTORY}/${swapName(group.task.baseOffset, 'seal')}`);
  const end = sim.kill();
  const reader = await end.open({ readOnly: true });
  assert.deepEqual(await readOffsets(reader), survivors);
  await reader.close();
  const log = await end.open();
  assert.deepEqual(await readOffsets(log), survivors);
  await log.close();
});

test('a swap in a folder of another engine is left to that engine', async () => {
  const { sim, group } = await prepare(2);
  stopBefore(sim.disk, group, 'retire side files');
  const end = sim.kill();
  end.disk.remove(end.path('log.json'));
  const before = end.content();
  const folder = await readFolder(end.disk.fileSystem, DIRECTORY);
  const writer = new InlineWriter(end.disk.blockingFileSystem);
  const { fileSystem } = end.disk;
  await rejection(settleSwaps({ fileSystem, writer }, folder), 'FORMAT_UNSUPPORTED');
  assert.deepEqual(end.content(), before);
});

/** Carries out the phases before the named one. */
function stopBefore(disk: SimDisk, group: CleanedGroup, phase: string): void {
  const index = swapProtocol.findIndex(({ name }) => name === phase);
  let syncs = 0;
  disk.onCall = (_number, name) => {
    if (name !== 'syncDirectory') return;
    syncs += 1;
    if (syncs > index) throw new RangeError('stopped');
    if (syncs === index) disk.stopAt(disk.callCount + 1);
  };
  assert.throws(() => runSwap(disk.blockingFileSystem, group.task));
  disk.onCall = undefined;
}

test('names of work in progress: what is spelled is parsed, and nothing else is', () => {
  const suffixes = Object.keys(segmentSuffixes).filter(
    (name): name is SegmentSuffix => name in segmentSuffixes,
  );
  for (const suffix of suffixes) {
    for (const baseOffset of [0, 7, 2 ** 53 - 2]) {
      const parsed = { baseOffset, suffix };
      const cleaned = parseFileName(cleanedName(baseOffset, suffix));
      assert.deepEqual(cleaned, { kind: 'cleaned', ...parsed });
      assert.deepEqual(parseFileName(swapName(baseOffset, suffix)), { kind: 'swap', ...parsed });
      const deleted = parseFileName(deletedName(baseOffset, suffix, 12));
      assert.deepEqual(deleted, { kind: 'deleted', number: 12, ...parsed });
    }
  }
  const stem = '00000000000000000000';
  for (const name of [
    `${stem}.cleaned`,
    `${stem}.log.deleted`,
    `${stem}.log.0.deleted`,
    `${stem}.log.1.swap`,
    `${stem}.log.swap.tmp`,
    `${stem}.text.swap`,
    `1.log.swap`,
    'watermark.swap',
  ]) {
    assert.equal(parseFileName(name).kind, 'foreign', name);
  }
});

test('tools: verify names an unfinished swap, dump shows its files, repair ends it', async () => {
  const { sim, group, survivors } = await prepare(2);
  stopBefore(sim.disk, group, 'retire logs');
  const end = sim.kill();
  const { fileSystem } = end.disk;
  const base = group.task.baseOffset;
  const report = await verifyLog(DIRECTORY, { fileSystem });
  assert.deepEqual(report.problems, []);
  const unfinished = report.warnings.find(({ code }) => code === 'SWAP_UNFINISHED');
  assert.equal(unfinished?.file, `${DIRECTORY}/${swapName(base, 'log')}`);
  const files = new Set<unknown>();
  for await (const line of dumpLog(DIRECTORY, { fileSystem })) {
    assert.notEqual(line.type, 'problem');
    files.add(line['file']);
  }
  assert.ok(files.has(`${DIRECTORY}/${swapName(base, 'log')}`));
  assert.ok(files.has(`${DIRECTORY}/${deletedName(base, 'seal', 1)}`));
  await repairLog(DIRECTORY, { acceptLoss: false, environment: end.environment });
  assert.deepEqual(workIn(end.disk), []);
  const log = await end.open();
  assert.deepEqual(await readOffsets(log), survivors);
  await log.close();
});

test('tools: verify names a committed segment that is damaged, repair leaves it', async () => {
  const { sim, group } = await prepare(2);
  stopBefore(sim.disk, group, 'retire side files');
  const end = sim.kill();
  const base = group.task.baseOffset;
  end.disk.truncateTo(`${DIRECTORY}/${swapName(base, 'log')}`, 100);
  const { fileSystem } = end.disk;
  const { problems } = await verifyLog(DIRECTORY, { fileSystem });
  assert.deepEqual(
    problems.map(({ code }) => code),
    ['SWAP_INVALID'],
  );
  const before = end.content();
  const { environment } = end;
  await rejection(repairLog(DIRECTORY, { acceptLoss: true, environment }), 'LOG_CORRUPT');
  assert.deepEqual(end.content(), before);
});
