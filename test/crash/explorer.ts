/**
 * The crash explorer: runs workloads of a log on a simulated disk, cuts the power (or kills the
 * process) at every call that changes the disk, opens each disk that this may leave with the real
 * recovery, and asks the oracle.
 *
 * What is checked of each state: the log opens, without damage; the oracle's rules hold; recovering
 * a second time, after losing power at once, changes no byte of any file but the watermark and
 * shows the same; a sample goes on appending and is cut again, during recovery or behind it, to a
 * bounded depth. A failure names the seed, the workload and the way to the state.
 */

import { Prng } from '../../src/base/prng.js';
import { LogOracle, OracleViolation } from '../support/log-oracle.js';
import { drawWorkload, type LogOperation, type Workload } from '../support/log-workload.js';
import { LOG_DIRECTORY, LogSession } from '../support/log-workload-session.js';
import { enumerateCrashes } from '../support/sim-crash.js';
import { type CrashChoice, SimDisk } from '../support/sim-file-system.js';
import { type SweepCounts, sweepFaults } from './explorer-faults.js';
import { sweepWorkloads } from './explorer-faults-plan.js';
import { checkSecond, openRecovered, type Plan } from './explorer-recovery.js';

export interface ExplorerCounts {
  workloads: number;
  /** Calls at which the power was cut. */
  calls: number;
  /** Disks that were opened after a power cut, after a kill, and after a crash of a recovery. */
  crashes: number;
  kills: number;
  nested: number;
  /** Of all these, how many cut a torn tail. */
  torn: number;
}

export interface ExplorerOptions {
  readonly seed: number;
  readonly workloads: number;
  /** Stops early after so much time. */
  readonly budgetMs?: number;
  /** Operations of one workload. */
  readonly length?: number;
  /** Disks tried for each call, at each depth of nesting. */
  readonly statesPerCall?: readonly number[];
  /** How many calls of a recovery are cut, at each depth below the first. */
  readonly callsNested?: number;
}

interface Budget {
  readonly counts: ExplorerCounts;
  readonly prng: Prng;
  readonly statesPerCall: readonly number[];
  readonly callsNested: number;
  /** No further call is begun after this time. */
  readonly endMs: number;
}

/** The disk and what was promised, just before a call. */
interface Snapshot {
  readonly call: string;
  readonly disk: SimDisk;
  readonly oracle: LogOracle;
}

/** What a recovered log goes on with. */
const tail: readonly LogOperation[] = [
  { kind: 'append', appends: [{ sizes: [30, 700], acks: 'durable' }], wait: true },
  { kind: 'advance', ms: 60 },
  {
    kind: 'append',
    appends: [
      { sizes: [2500], acks: 'durable' },
      { sizes: [40, 2500], acks: 'written' },
    ],
    wait: true,
  },
];

export async function runExplorer(options: ExplorerOptions): Promise<ExplorerCounts> {
  const { seed, workloads, budgetMs, length = 12 } = options;
  const counts = { workloads: 0, calls: 0, crashes: 0, kills: 0, nested: 0, torn: 0 };
  const endMs = performance.now() + (budgetMs ?? Number.POSITIVE_INFINITY);
  for (let index = 0; index < workloads; index += 1) {
    if (performance.now() > endMs) break;
    // One number leads back to one workload.
    const prng = new Prng(seed + index);
    const turn = seed + index;
    const scripted = sweepWorkloads[Math.floor(turn / SCRIPTED_EVERY) % sweepWorkloads.length];
    const isScripted = scripted !== undefined && turn % SCRIPTED_EVERY === 0;
    const workload = isScripted ? scripted : drawWorkload(prng, length);
    const { statesPerCall = [24, 4, 2], callsNested = 3 } = options;
    await exploreWorkload(
      workload,
      { counts, prng, statesPerCall, callsNested, endMs },
      seed + index,
    );
    counts.workloads += 1;
  }
  return counts;
}

/** The campaign: explores `count` workloads, then sweeps faults; returns an exit code. */
export async function exploreLog(options: {
  readonly count: number;
  readonly seed: number;
  readonly json: boolean;
}): Promise<number> {
  const { count, seed, json } = options;
  const startedMs = performance.now();
  try {
    const crashes = await runExplorer({ seed, workloads: count });
    const faults = { faults: 0, healthy: 0, poisoned: 0, unopened: 0, recovered: 0 };
    const share = Math.min(1, count / SWEEP_WHOLE);
    for (const workload of sweepWorkloads) {
      const swept = await sweepFaults(workload, { seed, share });
      for (const [name, value] of typedEntries(swept)) faults[name] += value;
    }
    const seconds = Math.round((performance.now() - startedMs) / 1000);
    const report = { ...crashes, ...faults, seed, seconds };
    console.log(json ? JSON.stringify(report) : report);
    return 0;
  } catch (error) {
    if (!(error instanceof OracleViolation)) throw error;
    console.error(error.message);
    if (json) console.log(JSON.stringify({ violation: error.message.split('\n')[0], seed }));
    return 1;
  }
}

/** One workload in so many is one of the sweep's: orders of events that chance seldom draws. */
const SCRIPTED_EVERY = 4;

/** So many workloads and more sweep all faults. */
const SWEEP_WHOLE = 100;

function typedEntries(counts: SweepCounts): readonly [keyof SweepCounts, number][] {
  const { faults, healthy, poisoned, unopened, recovered } = counts;
  return [
    ['faults', faults],
    ['healthy', healthy],
    ['poisoned', poisoned],
    ['unopened', unopened],
    ['recovered', recovered],
  ];
}

/** Explores one workload; a failure names what leads to it. */
export async function exploreWorkload(
  workload: Workload,
  budget: Budget,
  seed: number,
): Promise<void> {
  const way: string[] = [];
  try {
    const disk = new SimDisk();
    const session = new LogSession(disk, new LogOracle(), workload);
    const snapshots = record(session);
    await openFirst(session);
    for (const operation of workload.operations) await session.run(operation);
    await session.finish();
    snapshots.push(take(session, 'the end'));
    await session.close();
    snapshots.push(take(session, 'the close'));
    disk.onCall = undefined;
    for (const snapshot of snapshots) {
      if (performance.now() > budget.endMs) break;
      way.splice(0, way.length, snapshot.call);
      budget.counts.calls += 1;
      await tryStates(snapshot, workload, budget, 0, way);
    }
  } catch (error) {
    const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    const text = `${reason}\n  seed ${seed}\n  way ${way.join('\n   -> ')}`;
    throw new OracleViolation(`${text}\n  workload ${JSON.stringify(workload)}`, { cause: error });
  }
}

async function openFirst(session: LogSession): Promise<void> {
  const opened = await session.open();
  if (opened.kind === 'rejected') throw opened.error;
  session.begin(opened.value);
}

/** Collects a snapshot before each call from now on. */
function record(session: LogSession): Snapshot[] {
  const snapshots: Snapshot[] = [];
  session.disk.onCall = (number, name, path) => {
    snapshots.push(take(session, `call ${number}: ${name} ${path}`));
  };
  return snapshots;
}

function take(session: LogSession, call: string): Snapshot {
  session.noteEnds();
  return { call, disk: session.disk.clone(), oracle: session.oracle.clone() };
}

/** Tries the disks that a loss at this snapshot may leave. */
async function tryStates(
  snapshot: Snapshot,
  plan: Plan,
  budget: Budget,
  depth: number,
  way: string[],
): Promise<void> {
  const { disk, oracle } = snapshot;
  const { counts, prng, statesPerCall } = budget;
  const states = statesPerCall[depth] ?? 1;
  const place = way.length;
  const attempt = async (loss: 'power' | 'kill', name: string, left: SimDisk): Promise<void> => {
    way.splice(place, way.length, name);
    if (depth > 0) counts.nested += 1;
    else if (loss === 'kill') counts.kills += 1;
    else counts.crashes += 1;
    const after = oracle.clone();
    if (loss === 'power') after.losePower();
    await recover(left, after, plan, budget, depth, way);
  };
  for (const choice of enumerateCrashes(disk, states, prng.integer(2 ** 32))) {
    await attempt('power', nameOf(choice), disk.crash(choice));
  }
  if (depth === 0 || prng.boolean(0.2)) await attempt('kill', 'kill', disk.kill());
}

function nameOf(choice: CrashChoice): string {
  return `crash ${JSON.stringify(choice)}`;
}

/** Opens a disk that a loss left, checks it, and perhaps goes on to lose it again. */
async function recover(
  disk: SimDisk,
  oracle: LogOracle,
  plan: Plan,
  budget: Budget,
  depth: number,
  way: string[],
): Promise<void> {
  const { prng, statesPerCall, callsNested } = budget;
  const isFollowed = depth + 1 < statesPerCall.length && prng.boolean(depth === 0 ? 0.15 : 0.3);
  const session = new LogSession(disk, oracle, plan);
  const during = isFollowed ? record(session) : [];
  const seen = await openRecovered(session);
  budget.counts.torn += disk.list(LOG_DIRECTORY).some((path) => path.endsWith('.broken')) ? 1 : 0;
  way.push('crash at once');
  await checkSecond(session, seen, plan);
  way.pop();
  if (!isFollowed) return;
  for (const operation of tail) await session.run(operation);
  await session.finish();
  during.push(take(session, 'the end'));
  disk.onCall = undefined;
  const place = way.length;
  for (const snapshot of prng.shuffle(during).slice(0, callsNested)) {
    way.splice(place, way.length, snapshot.call);
    await tryStates(snapshot, plan, budget, depth + 1, way);
  }
}
