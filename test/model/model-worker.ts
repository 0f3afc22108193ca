/**
 * A process with a worker: handlers that fail for some keys, dead letters, commits of what is done.
 * The rules:
 *
 * - records of a key are processed in their order, one at a time, and only those that failed before
 *   hold back others
 * - a record that cannot be processed is in the dead letters once, and nothing else is
 */

import type { ProcessContext, ProcessRecord } from '../../src/broker/process/process-record.js';
import {
  type ProcessSurroundings,
  ProcessWorker,
} from '../../src/broker/process/process-worker.js';
import { bytes } from '../../src/broker/topic/codec.js';
import type { GroupLedger } from './model-group.js';
import { rule } from './model-ledger.js';
import { type MemberPlan, memberOptions } from './model-participant.js';
import { ModelProcess } from './model-process.js';
import type { ModelWorld } from './model-world.js';

/** Handlers of records with this key always fail; with the other one the first time. */
export const POISON_KEY = 'k5';
export const HARD_KEY = 'k4';
const ATTEMPTS = 3;
/** Some workers give up within the sequence; with the others other keys are done long before. */
const RETRIES_MS = [10, 100_000];
const CONCURRENCY = 3;
/** Enough that what fails does not fill it. */
const IN_FLIGHT_RECORDS = 500;

export class ModelWorker extends ModelProcess {
  readonly #worker: ProcessWorker;
  /** Records whose handler runs, by partition and key. */
  readonly #running = new Map<string, string>();
  #waiting: (() => void)[] = [];
  #isHeldUp = true;

  constructor(world: ModelWorld, group: GroupLedger, name: string, plan: MemberPlan) {
    super(world, group, name, plan);
    const [topic = ''] = plan.topics;
    const delayMs = RETRIES_MS[Number(name.split(' ').at(-1)) % 2] ?? 0;
    const handler = (record: ProcessRecord<Buffer>, context: ProcessContext) =>
      this.#handle(record, context);
    this.#worker = ProcessWorker.start(
      { topic, codec: bytes, handler },
      memberOptions(group, plan),
      {
        concurrency: CONCURRENCY,
        inFlightRecords: IN_FLIGHT_RECORDS,
        commitIntervalMs: 10,
        attemptTimeoutMs: 'unlimited',
        deadLetter: 'dead',
        retry: {
          attempts: ATTEMPTS,
          backoff: 'fixed',
          delayMs,
          delayMsMax: delayMs,
          jitter: 'none',
        },
      },
      this.#surroundings(),
    );
    this.watch(this.#worker.finished);
  }

  /** Lets so many handlers that wait go on. */
  work(count: number): void {
    if (count > 1_000) this.#isHeldUp = false;
    for (const goOn of this.#waiting.splice(0, count)) goOn();
  }

  stop(): void {
    if (this.isStopping || this.line.isCrashed) return;
    this.isStopping = true;
    this.#worker.stop({ drainMs: 1_000 }).catch(() => undefined);
  }

  pause(): void {}

  seek(): void {}

  setBack(): void {
    this.resume();
    this.work(1_000_000);
  }

  checkBounds(): void {
    const { runningCount, inFlightCount } = this.#worker;
    rule(runningCount <= CONCURRENCY, `${this.name} runs ${runningCount} handlers`);
    const isWithin = inFlightCount <= IN_FLIGHT_RECORDS;
    rule(isWithin, `${this.name} has ${inFlightCount} records in flight`);
  }

  picture(): string {
    const { inFlightCount, runningCount, state } = this.#worker;
    const flags = `${state}, ${inFlightCount} in flight, ${runningCount} running`;
    return `${this.name} of ${this.group.name}, a worker, ${flags}`;
  }

  async #handle(record: ProcessRecord<Buffer>, { attempt, signal }: ProcessContext): Promise<void> {
    const { partition: at, offset, value } = record;
    const id = value?.toString() ?? 'null';
    const key = record.key?.toString() ?? null;
    const lane = `${at} ${key ?? id}`;
    if (this.line.isGone) return await new Promise(() => undefined);
    const partition = this.world.topics.partitionOfRecord(id, at);
    this.world.check(() => {
      rule(!this.#running.has(lane), `${this.name} runs ${id} beside ${this.#running.get(lane)}`);
      if (partition === undefined || partition.isDoomed) return;
      const known = partition.learn(offset, id, this.plan.durability);
      this.world.transactions.seen(known, this.name);
      if (key !== null) this.group.checkKeyOrder(partition, offset, key);
    });
    this.#running.set(lane, id);
    try {
      await this.#goAhead(signal);
    } finally {
      this.#running.delete(lane);
    }
    if (this.line.isGone) return await new Promise(() => undefined);
    const isPoison = key === POISON_KEY;
    const isDead = isPoison && attempt === ATTEMPTS;
    const isHard = key === HARD_KEY && attempt === 1;
    const fails = isPoison || isHard;
    this.world.coverage.count('workers', fails ? 'attempts that fail' : 'attempts');
    if (partition !== undefined && (isDead || !fails)) this.group.done(partition, offset);
    if (fails) throw new Error(`the handler fails on ${id}`);
  }

  /** Where the process is let go on; rejects when the handler is told to end before. */
  async #goAhead(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      if (!this.#isHeldUp) resolve();
      else this.#waiting.push(resolve);
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
    await this.line.unstalled();
    signal.throwIfAborted();
  }

  #surroundings(): ProcessSurroundings {
    const { surroundings } = this.line;
    const around = this.world.workerSurroundings();
    return {
      ...around,
      clock: surroundings.clock,
      consumers: surroundings,
      bury: async (member, burial) => {
        await this.line.pass('bury');
        const partition = this.world.topics.partitionAt(burial.topic, burial.partition);
        await around.bury(member, burial);
        const { nextOffset } = burial;
        this.world.check(() => {
          if (partition === undefined || partition.isDoomed) return;
          this.group.checkCommit(partition, nextOffset);
          this.group.committed(partition, nextOffset);
        });
        this.world.coverage.count('workers', 'letters', burial.letters.length);
        await this.line.pass('buried');
      },
    };
  }
}
