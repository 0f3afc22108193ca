/**
 * One random history of a compacted log, from its first opening over crashes and reopenings to a
 * clean close, judged all the way by the oracle.
 */

import { Prng } from '../../src/base/prng.js';
import type { Batch } from '../../src/storage/batch.js';
import { isCompacting, type LogOptions } from '../../src/storage/log-config.js';
import { hasRetention } from '../../src/storage/retention-decision.js';
import { verifyLog } from '../../src/storage/verify.js';
import { LOG_DIRECTORY } from '../support/log-workload-session.js';
import { crashAll, crashNone, randomCrash } from '../support/sim-crash.js';
import { SimDisk } from '../support/sim-file-system.js';
import { type HistoryCounts, newCounts, phaseOf } from './history-counts.js';
import { checkLastBatches, type LastBatch, putForeign } from './history-foreign.js';
import { errorText, HistoryLife, seenIn } from './history-life.js';
import { demand, KeyedOracle, modelRecord } from './history-oracle.js';
import {
  DAY_MS,
  drawLife,
  drawOperation,
  drawPolicy,
  drawRecord,
  type HistoryOperation,
} from './history-plan.js';

const FIRST_MS = 1_700_000_000_000;
const NESTED_MAX = 3;

interface OpenReader {
  readonly batches: AsyncIterableIterator<Batch>;
  readonly from: number;
  readonly end: number;
  readonly isCommitted: boolean;
  readonly seen: Set<number>;
  next: number;
}

export class History {
  readonly #prng: Prng;
  readonly #counts: HistoryCounts;
  readonly #oracle: KeyedOracle;
  #initial: LogOptions | undefined;
  #lastBatches: Map<number, LastBatch> = new Map();
  #life: HistoryLife;
  #reader: OpenReader | undefined;
  #ids = 0;
  /** What was done, for a failure to show. */
  readonly way: string[] = [];

  constructor(seed: number, counts: HistoryCounts) {
    this.#prng = new Prng(seed);
    this.#counts = counts;
    this.#oracle = new KeyedOracle(counts);
    this.#initial = drawPolicy(this.#prng);
    this.#life = this.#newLife(new SimDisk(), FIRST_MS);
  }

  async run(): Promise<void> {
    const prng = this.#prng;
    const { disk } = this.#life;
    if (prng.boolean(0.3)) {
      this.#counts.foreign += 1;
      this.#lastBatches = putForeign(disk, this.#oracle, prng, FIRST_MS);
    }
    // An adoption that is cut short before log.json is there is refused when it is opened again.
    else if (prng.boolean(0.1)) disk.stopAt(1 + prng.integer(60));
    await this.#open('none');
    const operations = 8 + prng.integer(16);
    for (let done = 0; done < operations; done += 1) {
      const operation = drawOperation(prng);
      this.#counts.operations[operation.kind] += 1;
      this.way.push(JSON.stringify(operation));
      await this.#do(operation);
      this.#life.throwViolation();
      if (this.#life.isStopped) await this.#crash();
    }
    await this.#finish();
  }

  async #do(operation: HistoryOperation): Promise<void> {
    const { clock, disk } = this.#life;
    switch (operation.kind) {
      case 'append':
        return await this.#append(operation.counts, operation.wait);
      case 'compact':
        // The calls of a pass are where a crash tells most.
        if (operation.dyingCalls > 0) disk.stopAt(disk.callCount + operation.dyingCalls);
        await this.#compact(operation.wait);
        if (operation.laterMs === 0 || this.#life.isStopped) return;
        clock.advance(operation.laterMs);
        return await this.#compact(operation.wait);
      case 'advance':
        clock.advance(operation.ms);
        return;
      case 'turns':
        for (let turn = 0; turn < operation.count; turn += 1) await Promise.resolve();
        return;
      case 'delete':
        return await this.#delete(operation.share, operation.wait);
      case 'retain':
        return await this.#retain(operation.wait);
      case 'alter':
        return await this.#alter();
      case 'check':
        await this.#check();
        return;
      case 'begin-reader':
        return this.#beginReader(operation.share, operation.isCommitted);
      case 'step-reader':
        await this.#stepReader(operation.batches);
        return;
      case 'end-reader':
        return await this.#endReader();
      case 'reopen':
        return await this.#reopen();
      case 'arm':
        disk.stopAt(disk.callCount + operation.calls);
    }
  }

  // ---- What is asked of the log.

  async #append(counts: readonly number[], wait: boolean): Promise<void> {
    const { log, clock } = this.#life;
    const prng = this.#prng;
    const mayBeKeyless = !isCompacting(log.describe().options);
    const answers = counts.map((count) => {
      const records = Array.from({ length: count }, () => {
        this.#ids += 1;
        return drawRecord(prng, this.#ids, clock.nowMs(), mayBeKeyless);
      });
      const baseOffset = log.endOffset;
      this.#counts.records += count;
      this.#oracle.append(
        baseOffset,
        records.map((record) => modelRecord(record)),
      );
      const acks = prng.pick(['durable', 'durable', 'durable', 'written', 'none'] as const);
      return log.append(records, { acks }).then((answer) => {
        demand(answer.baseOffset === baseOffset, `the answer says ${answer.baseOffset}`);
        const end = baseOffset + count;
        if (acks === 'durable') demand(log.durableOffset >= end, 'an answer came too early');
      });
    });
    await this.#life.ask('append', Promise.all(answers), { wait });
  }

  async #compact(wait: boolean): Promise<void> {
    const { log, clock, pendingCount } = this.#life;
    const { options, endOffset } = log.describe();
    if (!isCompacting(options)) return;
    this.#counts.compactions += 1;
    const askedMs = clock.nowMs();
    let isWhole = false;
    await this.#life.ask('compact', log.compact(), {
      wait,
      codes: ['LOG_CLOSED'],
      onAnswer: ({ hasMore }) => {
        isWhole = !hasMore;
      },
    });
    if (!wait || this.#life.isStopped) return;
    const seen = await this.#check();
    if (!isWhole || seen === undefined || options.minCompactionLagMs > 0 || pendingCount > 0)
      return;
    this.#oracle.checkCleaned(seen, endOffset, askedMs, clock.nowMs());
  }

  async #delete(share: number, wait: boolean): Promise<void> {
    const { log } = this.#life;
    const { startOffset, durableOffset } = log;
    const offset = startOffset + Math.floor((durableOffset - startOffset) * share);
    const oracle = this.#oracle;
    oracle.wantedStart = Math.max(oracle.wantedStart, offset);
    await this.#life.ask('delete', log.deleteRecordsBefore(offset), {
      wait,
      codes: ['LOG_CLOSED'],
      onAnswer: (start) => {
        oracle.confirmedStart = Math.max(oracle.confirmedStart, start);
      },
    });
  }

  async #retain(wait: boolean): Promise<void> {
    const oracle = this.#oracle;
    await this.#life.ask('retain', this.#life.log.retain(), {
      wait,
      codes: ['LOG_CLOSED'],
      onAnswer: ({ startOffset }) => {
        oracle.confirmedStart = Math.max(oracle.confirmedStart, startOffset);
      },
    });
  }

  async #alter(): Promise<void> {
    // What waits to be appended may be what the new options refuse.
    const policy = drawPolicy(this.#prng);
    this.#initial = undefined;
    this.#oracle.wantedStart = Number.POSITIVE_INFINITY;
    await this.#life.ask('alter', this.#life.log.alter(policy), { wait: true });
  }

  // ---- What is looked at.

  /** Reads everything, both ways; what was seen, unless it changed under the reading. */
  async #check(): Promise<ReturnType<HistoryLife['read']>> {
    await this.#checkRead(true);
    if (this.#life.isStopped) return undefined;
    const seen = await this.#checkRead(false);
    if (seen !== undefined && this.#lastBatches.size === 0) await this.#checkTime(seen);
    return seen;
  }

  async #checkRead(isCommitted: boolean): Promise<ReturnType<HistoryLife['read']>> {
    const life = this.#life;
    const { startOffset: start, durableOffset } = life.log;
    const sinceMs = life.clock.nowMs();
    const isolation = isCommitted ? 'committed' : 'uncommitted';
    const seen = await life.read({ isolation, control: !isCommitted });
    if (seen === undefined) return undefined;
    const end = Math.max(durableOffset, (seen.at(-1)?.offset ?? -1) + 1);
    const durableEnd = life.log.durableOffset;
    demand(end <= durableEnd, 'a record beyond the durable end is shown');
    const read = { start, end, durableEnd, sinceMs };
    this.#oracle.check(seen, read, isCommitted, life.clock.nowMs());
    return seen;
  }

  /** A time leads to the first record that is as new, and to everything behind it. */
  async #checkTime(all: NonNullable<Awaited<ReturnType<HistoryLife['read']>>>): Promise<void> {
    if (all.length === 0 || this.#life.pendingCount > 0) return;
    const { timestamp } = this.#prng.pick(all);
    const first = all.findIndex((record) => record.timestamp >= timestamp);
    const seen = await this.#life.read({ from: { timestamp }, isolation: 'uncommitted' });
    if (seen === undefined) return;
    const found = seen[0]?.offset;
    demand(found === all[first]?.offset, `time ${timestamp} leads to offset ${found}`);
  }

  // ---- A reader that stays while the log is cleaned.

  #beginReader(share: number, isCommitted: boolean): void {
    const { log } = this.#life;
    const { startOffset, durableOffset } = log;
    const from = startOffset + Math.floor((durableOffset - startOffset) * share);
    const isolation = isCommitted ? 'committed' : 'uncommitted';
    const batches = log.read({ from, isolation });
    this.#reader = {
      batches,
      from,
      end: durableOffset,
      isCommitted,
      seen: new Set(),
      next: from,
    };
  }

  /** Whether the reader has ended. */
  async #stepReader(batches: number): Promise<boolean> {
    const reader = this.#reader;
    if (reader === undefined) return true;
    for (let step = 0; step < batches; step += 1) {
      const result = await this.#life.settled('a step of a reader', reader.batches.next());
      if (result === 'stopped') return true;
      if (result.kind === 'rejected') {
        // Records may be deleted under a reader; it is told so.
        demand(this.#life.log.startOffset > reader.next, errorText(result.error));
        this.#reader = undefined;
        return true;
      }
      if (result.value.done === true) return true;
      for (const { offset, text } of seenIn(result.value.value)) {
        demand(offset >= reader.next, `a reader at ${reader.next} is given ${offset}`);
        this.#oracle.checkShown(offset, text, reader.isCommitted);
        reader.seen.add(offset);
        reader.next = offset + 1;
      }
    }
    return false;
  }

  async #endReader(): Promise<void> {
    const reader = this.#reader;
    if (reader === undefined) return;
    for (let isDone = false; !isDone; ) isDone = await this.#stepReader(8);
    if (this.#reader === undefined || this.#life.isStopped) return;
    this.#reader = undefined;
    this.#counts.readersEnded += 1;
    const start = this.#life.log.startOffset;
    const seen = await this.#checkRead(reader.isCommitted);
    for (const { offset, text } of seen ?? []) {
      if (offset < Math.max(start, reader.from) || offset >= reader.end || text === '') continue;
      demand(reader.seen.has(offset), `a reader was not given ${offset}, which survived`);
    }
  }

  // ---- Ends and beginnings.

  #newLife(disk: SimDisk, nowMs: number): HistoryLife {
    return new HistoryLife(disk, nowMs, drawLife(this.#prng), {
      counts: this.#counts,
      onGroup: ({ segments, mappedEnd, nowMs: passMs, tombstoneRetentionMs }) => {
        const from = segments[0]?.baseOffset ?? 0;
        const end = Math.min(segments.at(-1)?.endOffset ?? 0, mappedEnd);
        this.#oracle.noteCleaning(from, end, passMs, tombstoneRetentionMs);
      },
    });
  }

  /** Opens the log of the life at hand, through as many crashes as come. */
  async #open(before: 'power' | 'kill' | 'none'): Promise<void> {
    let loss = before;
    for (let depth = 0; !(await this.#openOnce(loss)); depth += 1) {
      const isNested = before !== 'none';
      if (isNested && depth === 0) this.#counts.nested += 1;
      if (isNested && depth === 1) this.#counts.nestedTwice += 1;
      loss = this.#lose(depth < NESTED_MAX);
    }
  }

  /** False when the disk stopped before the opening ended. */
  async #openOnce(loss: 'power' | 'kill' | 'none'): Promise<boolean> {
    const life = this.#life;
    if (!(await life.open(this.#initial ?? {}))) return false;
    const { logId, startOffset, durableOffset, endOffset, options } = life.log.describe();
    const oracle = this.#oracle;
    demand(endOffset === durableOffset, 'a log opens with records that are not durable');
    demand((oracle.logId ?? logId) === logId, 'the log is another one');
    oracle.logId = logId;
    oracle.settle(startOffset, durableOffset);
    oracle.wantedStart = hasRetention(options) ? Number.POSITIVE_INFINITY : startOffset;
    this.way.push(`open ${startOffset} ${durableOffset}`);
    await this.#check();
    if (life.isStopped) return false;
    if (loss !== 'none' && this.#prng.boolean(0.1)) await this.#checkSecond();
    return true;
  }

  /** Power is lost right after a recovery: the next one changes nothing. */
  async #checkSecond(): Promise<void> {
    const { disk, clock } = this.#life;
    const before = contentOf(disk);
    const second = new HistoryLife(disk.crash(crashNone), clock.nowMs(), this.#life.plan, {
      counts: newCounts(),
      onGroup: () => undefined,
    });
    demand(await second.open({}), 'the disk of the second recovery does not stop');
    const after = contentOf(second.disk);
    for (const path of new Set([...before.keys(), ...after.keys()])) {
      if (path.endsWith('.broken') && before.has(path)) continue;
      demand(before.get(path) === after.get(path), `the second recovery changed ${path}`);
    }
    const { startOffset, durableOffset } = second.log;
    const { log } = this.#life;
    demand(startOffset === log.startOffset, 'the second recovery has another start');
    demand(durableOffset === log.durableOffset, 'the second recovery has another end');
  }

  async #crash(): Promise<void> {
    const loss = this.#lose(true);
    await this.#open(loss);
  }

  /** The disk that is left; perhaps it stops again soon. */
  #lose(mayStopAgain: boolean): 'power' | 'kill' {
    const prng = this.#prng;
    const { disk, clock } = this.#life;
    if (this.#life.isOpen) {
      const { durableOffset, writtenOffset } = this.#life.log.describe();
      this.#oracle.noteEnds(durableOffset, writtenOffset);
    }
    this.#reader = undefined;
    const loss = prng.boolean(0.75) ? 'power' : 'kill';
    if (loss === 'power') this.#oracle.losePower();
    let left: SimDisk;
    if (loss === 'kill') left = disk.kill();
    else {
      const drawn = prng.integer(10);
      if (drawn === 0) left = disk.crash(crashNone);
      else if (drawn === 1) left = disk.crash(crashAll(disk));
      else left = disk.crash(randomCrash(disk, prng.integer(2 ** 32)));
    }
    this.#counts[loss === 'kill' ? 'kills' : 'powerCuts'] += 1;
    this.#countPhase(left);
    this.way.push(`${loss} at call ${disk.callCount}`);
    this.#life = this.#newLife(left, clock.nowMs() + prng.pick([0, 0, 1, DAY_MS]));
    if (mayStopAgain && prng.boolean(0.35)) left.stopAt(1 + prng.integer(prng.pick([8, 16, 60])));
    return loss;
  }

  #countPhase(disk: SimDisk): void {
    const phase = phaseOf(disk);
    this.#counts.phases[phase] += 1;
    if (phase === 'committed' || phase === 'old ones retired') this.#counts.finished += 1;
    if (phase === 'before the commit') this.#counts.undone += 1;
  }

  async #reopen(): Promise<void> {
    const life = this.#life;
    const { log } = life;
    this.#reader = undefined;
    if (!(await life.close())) return;
    const { durableOffset } = log;
    this.#oracle.noteEnds(durableOffset, durableOffset);
    const later = life.clock.nowMs() + this.#prng.pick([0, 0, 1, DAY_MS]);
    this.#life = this.#newLife(life.disk.kill(), later);
    await this.#open('none');
  }

  async #finish(): Promise<void> {
    for (;;) {
      // An end that was armed and did not come, does not come any more.
      this.#life.disk.stopAt(Number.POSITIVE_INFINITY);
      this.way.push('finish');
      await this.#endReader();
      await this.#compact(true);
      await this.#reopen();
      if (!this.#life.isStopped) break;
      await this.#crash();
    }
    const { disk, clock, log } = this.#life;
    const start = log.startOffset;
    demand(await this.#life.close(), 'the disk of the end does not stop');
    checkLastBatches(disk, this.#lastBatches, start, clock.nowMs() - DAY_MS);
    if (!this.#prng.boolean(0.1)) return;
    const { problems } = await verifyLog(LOG_DIRECTORY, { fileSystem: disk.fileSystem });
    // A roll that was cut short leaves a segment without them; they are built when it is read.
    const found = problems.filter(({ code }) => !code.endsWith('_ABSENT'));
    demand(found.length === 0, `verify finds ${JSON.stringify(found)}`);
    demand(phaseOf(disk) === 'no cleaning', 'a closed log holds files of a cleaning');
  }
}

/** All files but the watermark, which says who settled it last; as Latin-1. */
function contentOf(disk: SimDisk): Map<string, string> {
  const paths = disk.list(LOG_DIRECTORY).filter((path) => !path.endsWith('/watermark'));
  return new Map(paths.map((path) => [path, Buffer.from(disk.readAll(path)).toString('latin1')]));
}
