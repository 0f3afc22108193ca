/**
 * Every end that a power cut or a kill may put to a compaction of a real log, and to the recoveries
 * from it: what is opened then holds all records or the survivors, never a part of either, and
 * nothing of the cleaning is left.
 *
 * A power cut just before a directory is synced leaves any of the names that changed since the last
 * sync, so those states contain the ones of all calls between two syncs; a kill is tried at every
 * call. States that have the same names, sizes and pending changes are tried once per depth.
 */

import { isDeepStrictEqual } from 'node:util';
import { parseFileName } from '../../src/storage/segment-files.js';
import { verifyLog } from '../../src/storage/verify.js';
import { DIRECTORY, readOffsets, SimLog } from '../support/log-fixture.js';
import { OracleViolation } from '../support/log-oracle.js';
import { crashNone, enumerateCrashes } from '../support/sim-crash.js';
import type { SimDisk } from '../support/sim-file-system.js';

export interface SwapCounts {
  /** Calls of the compactions, and of recoveries that were cut short themselves. */
  calls: number;
  /** Disks that were opened, by how deep they lie. */
  ends: number[];
  /** What they held: all records, the survivors of the first group, or of both. */
  held: Record<HeldState, number>;
}

export interface SwapOptions {
  /** How many segments become one. */
  readonly segments: number;
  /** Disks tried for each call that syncs a directory, by depth; the last one holds below it. */
  readonly statesPerCall: readonly number[];
}

/** A disk just before a call. */
interface Stage {
  readonly disk: SimDisk;
  readonly isBeforeSync: boolean;
}

type HeldState = 'all' | 'half' | 'survivors';

interface Subject {
  /** The offsets before the swap of the first group, between the two, and after the second. */
  readonly states: Readonly<Record<HeldState, readonly number[]>>;
  readonly stages: readonly Stage[];
}

const heldStates: readonly HeldState[] = ['all', 'half', 'survivors'];
/** A batch takes a little more than a quarter of a segment. */
const BATCHES_PER_SEGMENT = 3;
const SMALL = 4096;

/** Throws what is wrong with the first state that is; the way to it is in the message. */
export async function exploreSwaps(options: SwapOptions): Promise<SwapCounts> {
  const counts: SwapCounts = { calls: 0, ends: [], held: { all: 0, half: 0, survivors: 0 } };
  const subject = await compactedLog(options.segments);
  const explorer = new SwapExplorer(subject, options, counts);
  for (const [index, stage] of subject.stages.entries()) {
    counts.calls += 1;
    await explorer.explore(stage, 0, [`call ${index} of the compaction`], undefined);
  }
  return counts;
}

/**
 * Compacts a log of so many full segments into one, and one more behind them that supersedes all of
 * the last of them; notes each call.
 */
async function compactedLog(segments: number): Promise<Subject> {
  const sim = new SimLog();
  const log = await sim.open({
    cleanup: 'compact',
    segmentBytes: SMALL,
    // Nothing is compacted by itself.
    minCleanableDirtyRatio: 1,
  });
  const first = (segments - 1) * BATCHES_PER_SEGMENT;
  for (let batch = 0; batch < first + 2 * BATCHES_PER_SEGMENT; batch += 1) {
    const own = batch < first ? batch : first + (batch % BATCHES_PER_SEGMENT);
    const value = `v${batch}`.padEnd(500, '.');
    await log.append([
      { key: 'same', value },
      { key: `own ${own}`, value },
      { key: 'gone', value: batch % 2 === 0 ? null : 'value' },
    ]);
  }
  const bases = sim.segments();
  if (bases.length !== segments + 1) throw new RangeError(`${bases.length} segments were made`);
  await log.alter({ segmentBytes: Math.max(SMALL, segments * (SMALL - 600)) });
  const all = await readOffsets(log);
  const stages = await stagesOf(sim.disk, async () => {
    await log.compact();
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  });
  if (sim.segments().length !== 3) throw new RangeError(`left: ${sim.segments()}`);
  const survivors = await readOffsets(log);
  const second = bases.at(-1) ?? 0;
  const half = [...survivors.filter((one) => one < second), ...all.filter((one) => one >= second)];
  return { states: { all, half, survivors }, stages };
}

/** What `work` passes through, and its end. */
async function stagesOf(disk: SimDisk, work: () => Promise<void>): Promise<Stage[]> {
  const stages: Stage[] = [];
  disk.onCall = (_number, name) => {
    stages.push({ disk: disk.clone(), isBeforeSync: name === 'syncDirectory' });
  };
  await work();
  disk.onCall = undefined;
  return [...stages, { disk: disk.clone(), isBeforeSync: true }];
}

class SwapExplorer {
  readonly #subject: Subject;
  readonly #options: SwapOptions;
  readonly #counts: SwapCounts;
  /** What each state held, and how near to the top it was tried. */
  readonly #known = new Map<string, { readonly held: HeldState; readonly depth: number }>();
  /** Names that recoveries have started from. */
  readonly #started = new Set<string>();

  constructor(subject: Subject, options: SwapOptions, counts: SwapCounts) {
    this.#subject = subject;
    this.#options = options;
    this.#counts = counts;
  }

  /** `decided`: what every end of this stage holds, when that was durable before it. */
  async explore(stage: Stage, depth: number, way: string[], decided?: HeldState): Promise<void> {
    const { statesPerCall } = this.#options;
    for (const { name, disk } of endsOf(stage, statesPerCall[depth] ?? 0)) {
      const here = [...way, name];
      const key = keyOf(disk);
      const known = this.#known.get(key);
      if (known !== undefined && (decided === undefined || known.held === decided)) {
        if (known.depth <= depth) continue;
      }
      const { held, stages } = await this.#recover(disk, here, decided);
      this.#known.set(key, { held, depth });
      this.#counts.ends[depth] = (this.#counts.ends[depth] ?? 0) + 1;
      const names = namesOf(disk).join(' ');
      if (depth + 1 >= statesPerCall.length || this.#started.has(names)) continue;
      this.#started.add(names);
      // After a power cut all that a recovery sees is durable, and so is what it decides.
      const next = disk.pendingCount() === 0 ? held : undefined;
      for (const [index, inner] of stages.entries()) {
        this.#counts.calls += 1;
        await this.explore(inner, depth + 1, [...here, `call ${index} of the recovery`], next);
      }
    }
  }

  /** Opens a copy, looks at it, and opens it once more after a power cut. */
  async #recover(
    disk: SimDisk,
    way: readonly string[],
    decided: HeldState | undefined,
  ): Promise<{ readonly held: HeldState; readonly stages: readonly Stage[] }> {
    try {
      const sim = new SimLog(disk.clone());
      const opening: { held: HeldState } = { held: 'all' };
      const stages = await stagesOf(sim.disk, async () => {
        opening.held = await this.#open(sim);
      });
      const { held } = opening;
      if (decided !== undefined) demand(held === decided, `${decided} became ${held}`);
      const again = await this.#open(new SimLog(sim.disk.crash(crashNone)));
      demand(again === held, `${held} became ${again}`);
      this.#counts.held[held] += 1;
      return { held, stages };
    } catch (error) {
      const reason = error instanceof Error ? error.stack : String(error);
      throw new OracleViolation(`${reason}\n  ${way.join('\n   -> ')}\n  ${namesOf(disk)}`, {
        cause: error,
      });
    }
  }

  /** Which records the log holds. */
  async #open(sim: SimLog): Promise<HeldState> {
    const { states } = this.#subject;
    const log = await sim.open();
    const { damage, durableOffset } = log.describe();
    demand(damage === undefined, `damaged: ${JSON.stringify(damage)}`);
    demand(durableOffset === states.all.length, `the log ends at ${durableOffset}`);
    const offsets = await readOffsets(log);
    const held = heldStates.find((state) => isDeepStrictEqual(offsets, states[state]));
    demand(held !== undefined, `neither old nor new: ${offsets}`);
    const work = namesOf(sim.disk).filter((name) => isWork(name));
    demand(work.length === 0, `${work} was left over`);
    const { problems } = await verifyLog(DIRECTORY, { fileSystem: sim.disk.fileSystem });
    // A roll that was cut short leaves a segment without them; they are built when it is read.
    const found = problems.filter(({ code }) => !code.endsWith('_ABSENT'));
    demand(found.length === 0, `verify finds ${JSON.stringify(found)}`);
    return held;
  }
}

/** The process dies, or the power goes. */
function* endsOf(
  { disk, isBeforeSync }: Stage,
  limit: number,
): Generator<{ readonly name: string; readonly disk: SimDisk }> {
  yield { name: 'kill', disk: disk.kill() };
  if (!isBeforeSync) return;
  for (const choice of enumerateCrashes(disk, limit)) {
    yield { name: `crash ${JSON.stringify(choice)}`, disk: disk.crash(choice) };
  }
}

/** What tells states of a swap apart: an old segment and the new one differ in size. */
function keyOf(disk: SimDisk): string {
  return [...namesOf(disk), ...disk.pending()].join('\n');
}

/** Names and sizes; of the small files only their names. */
function namesOf(disk: SimDisk): string[] {
  return disk.list(DIRECTORY).map((path) => {
    const name = path.slice(DIRECTORY.length + 1);
    return parseFileName(name).kind === 'side' ? name : `${name}:${disk.readAll(path).length}`;
  });
}

function isWork(name: string): boolean {
  return /\.(cleaned|swap|deleted):/.test(name);
}

function demand(holds: boolean, text: string): asserts holds {
  if (!holds) throw new OracleViolation(text);
}
