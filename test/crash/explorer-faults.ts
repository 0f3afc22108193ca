/**
 * The fault sweep: every call that a workload makes on the disk fails, once and for ever, in every
 * way that a file system has; then the disk is well again, and nothing that was promised is gone.
 *
 * What is checked: every answer is a result or a typed error, none hangs, no rejection is left
 * over, a closed log leaves no descriptor and no timer behind; the log goes on or is poisoned; the
 * next process opens it, and so does one after a power cut, which also loses the pages that a
 * failed sync marked clean.
 */

import { Prng } from '../../src/base/prng.js';
import { LogOracle, OracleViolation } from '../support/log-oracle.js';
import type { LogOperation, Workload } from '../support/log-workload.js';
import { LogSession, requireTyped } from '../support/log-workload-session.js';
import { crashAll, crashNone, randomCrash } from '../support/sim-crash.js';
import { type SimCallName, SimDisk, type SimFault } from '../support/sim-file-system.js';
import { recoverAndCheck } from './explorer-recovery.js';

const errnos = ['EIO', 'ENOSPC', 'EDQUOT', 'EROFS', 'EMFILE', 'EINTR'] as const;
const shorts = ['less-one', 'half', 'zero'] as const;
const readingCalls = ['read', 'readerOpen', 'readerRead', 'readerSize', 'list', 'facts'] as const;
/** How many of a kind of reading call are let through, at most. */
const READINGS_MAX = 12;
/** A fault may make a log do so many times the calls of a run without one. */
const CALLS_GROWTH_MAX = 20;

export interface SweepCounts {
  /** Runs with a fault, and those of them in which the log went on after it. */
  faults: number;
  healthy: number;
  poisoned: number;
  unopened: number;
  recovered: number;
}

export interface SweepOptions {
  readonly seed: number;
  /** Share of the faults that are tried; 1 tries all. */
  readonly share: number;
}

/** Sweeps a workload that starts on an empty disk, or on a copy of `from`. */
export async function sweepFaults(
  workload: Workload,
  options: SweepOptions,
  from: { readonly disk: SimDisk; readonly oracle: LogOracle } | undefined = undefined,
): Promise<SweepCounts> {
  const prng = new Prng(options.seed);
  const start = from ?? { disk: new SimDisk(), oracle: new LogOracle() };
  const counts = { faults: 0, healthy: 0, poisoned: 0, unopened: 0, recovered: 0 };
  const plain = start.disk.clone();
  await runWith(plain, start.oracle.clone(), workload, prng, counts, false);
  const rejections: unknown[] = [];
  const note = (reason: unknown): void => {
    rejections.push(reason);
  };
  process.on('unhandledRejection', note);
  try {
    for (const fault of allFaults(plain.calls.map(({ name }) => name))) {
      if (!prng.boolean(options.share)) continue;
      const isHealedFirst = prng.boolean();
      const text = `${JSON.stringify(fault)}, healed ${isHealedFirst ? 'before' : 'after'} close`;
      try {
        const disk = start.disk.clone();
        disk.fail(fault);
        const callsMax = CALLS_GROWTH_MAX * (plain.callCount + CALLS_GROWTH_MAX);
        disk.onCall = (number) => endLivelock(number, callsMax, text);
        counts.faults += 1;
        await runWith(disk, start.oracle.clone(), workload, prng, counts, isHealedFirst);
        if (rejections.length > 0) throw new OracleViolation(`unhandled: ${String(rejections[0])}`);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        const where = `${reason}\n  fault ${text}\n  seed ${options.seed}`;
        throw new OracleViolation(`${where}\n  workload ${JSON.stringify(workload)}`, {
          cause: error,
        });
      }
    }
  } finally {
    process.off('unhandledRejection', note);
  }
  return counts;
}

/**
 * A log that retries for ever in microtasks never lets a test time out, and catches what is thrown
 * at it: only the end of the process ends it.
 */
function endLivelock(number: number, callsMax: number, text: string): void {
  if (number < callsMax) return;
  console.error(`OracleViolation: ${number} calls without an end, fault ${text}`);
  process.exit(1);
}

function* allFaults(calls: readonly SimCallName[]): Generator<SimFault> {
  for (const repeat of ['once', 'forever'] as const) {
    for (const [index, name] of calls.entries()) {
      const call = index + 1;
      for (const errno of errnos) yield { call, errno, repeat };
      if (name === 'write') for (const short of shorts) yield { call, short, repeat };
      if (name === 'datasync') {
        yield { call, errno: 'EIO', pages: 'every-other-lost', repeat };
        yield { call, errno: 'EIO', pages: 'kept-dirty', repeat };
      }
      yield { call, errno: 'EIO', carriedOut: true, repeat };
    }
    for (const name of readingCalls) {
      for (let skip = 0; skip < READINGS_MAX; skip += 1) {
        for (const errno of ['EIO', 'EMFILE'] as const) yield { name, skip, errno, repeat };
      }
    }
  }
}

async function runWith(
  disk: SimDisk,
  oracle: LogOracle,
  workload: Workload,
  prng: Prng,
  counts: SweepCounts,
  isHealedFirst: boolean,
): Promise<void> {
  const session = new LogSession(disk, oracle, workload);
  const opened = await session.open();
  if (opened.kind === 'rejected') {
    requireTyped('open', opened.error);
    counts.unopened += 1;
    session.checkNothingOpen();
  } else {
    const log = opened.value;
    session.begin(log);
    for (const operation of workload.operations) await session.run(operation);
    await session.finish();
    if (isHealedFirst) disk.heal();
    await session.run(last);
    const state = session.log?.describe().state;
    if (state === 'open') counts.healthy += 1;
    else if (state === 'poisoned') counts.poisoned += 1;
    else if (state === 'failing') throw new OracleViolation('the log stays in a failure');
  }
  session.noteEnds();
  const unclosed = { disk: disk.clone(), oracle: oracle.clone() };
  await session.close();
  await recoverAll({ disk, oracle }, workload, prng, counts);
  // A process that dies without closing.
  await recoverAll(unclosed, workload, prng, counts);
}

const last: LogOperation = {
  kind: 'append',
  appends: [{ sizes: [20], acks: 'durable' }],
  wait: true,
};

/** The next process, and one after a power cut, find everything that was promised. */
async function recoverAll(
  left: { readonly disk: SimDisk; readonly oracle: LogOracle },
  workload: Workload,
  prng: Prng,
  counts: SweepCounts,
): Promise<void> {
  const { disk } = left;
  const choices = [crashNone, crashAll(disk), randomCrash(disk, prng.integer(2 ** 32))];
  const after = left.oracle.clone();
  after.losePower();
  try {
    await recoverAndCheck(disk.crash(prng.pick(choices)), after, workload);
  } catch (error) {
    throw behind('a power cut', error);
  }
  try {
    const next = await recoverAndCheck(disk.kill(), left.oracle.clone(), workload);
    await next.run(last);
    if (next.log?.describe().state !== 'open') throw new OracleViolation('it does not go on');
    await next.close();
  } catch (error) {
    throw behind('a kill', error);
  }
  counts.recovered += 2;
}

function behind(loss: string, error: unknown): OracleViolation {
  const reason = error instanceof Error ? error.message : String(error);
  return new OracleViolation(`behind ${loss}: ${reason}`, { cause: error });
}
