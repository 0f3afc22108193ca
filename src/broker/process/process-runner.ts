/**
 * Runs handlers: starts what may start, in turn among the partitions, and sees to how it ends.
 *
 *     success                  the record is done
 *     failure                  it rests, and starts again; behind the last attempt it is dead
 *     a value that the codec
 *     cannot read              it is dead at once
 *     told to end              nothing: whoever gets the partition next begins it anew
 */

import { assert } from '../../base/assert.js';
import type { Clock } from '../../base/clock.js';
import { createError } from '../../base/errors.js';
import { limitOf } from '../../base/options.js';
import type { Prng } from '../../base/prng.js';
import type { LogRecord } from '../../storage/main.js';
import type { FetchedBatch, PartitionLease } from '../consumer/consumer-lease.js';
import type { Codec } from '../topic/codec.js';
import type { AttemptEnd } from './attempt.js';
import type { CallPermit } from './circuit-breaker.js';
import { type AttemptTask, ProcessAttempt } from './process-attempt.js';
import { processDiagnostics } from './process-diagnostics.js';
import { ProcessGate } from './process-gate.js';
import { HeldPartition } from './process-held.js';
import type { ProcessConfig } from './process-options.js';
import type { PartitionWork, Work } from './process-partition.js';
import type { ProcessHandler } from './process-record.js';
import { AttemptTimeouts } from './process-timeouts.js';
import { retryDelayMs } from './retry-policy.js';

export interface RunnerParts<Output> {
  readonly clock: Clock;
  readonly prng: Prng;
  readonly config: ProcessConfig;
  readonly group: string;
  readonly topic: string;
  readonly codec: Codec<Output, never>;
  readonly handler: ProcessHandler<Output>;
  readonly release: (batch: FetchedBatch) => void;
  /** A record has ended: there may be something to commit. */
  readonly ended: (held: HeldPartition) => void;
  /** What was read cannot be unpacked. */
  readonly failed: (error: unknown) => void;
}

export class ProcessRunner<Output> {
  readonly #parts: RunnerParts<Output>;
  readonly #gate: ProcessGate;
  readonly #held = new Map<PartitionLease, HeldPartition>();
  /** Those with records that may start, in the order of their turns. */
  readonly #line: HeldPartition[] = [];
  readonly #timeouts: AttemptTimeouts;
  readonly #tasks = new Map<HeldPartition, AttemptTask<Output>>();
  #isPumping = false;

  constructor(parts: RunnerParts<Output>) {
    const { clock, config, group, topic } = parts;
    this.#parts = parts;
    this.#timeouts = new AttemptTimeouts(clock, limitOf(config.attemptTimeoutMs));
    this.#gate = new ProcessGate(clock, config, {
      wake: () => this.#pump(),
      breakerChanged: (state, before) => {
        processDiagnostics.breaker.publish({ group, topic, state, before });
      },
    });
  }

  get partitions(): readonly HeldPartition[] {
    return [...this.#held.values()];
  }

  /** Handlers that run, those that nobody waits for any more included. */
  get runningCount(): number {
    return this.#gate.runningCount;
  }

  assign(lease: PartitionLease): void {
    const { clock, config, release } = this.#parts;
    const share = () => {
      const count = Math.max(1, this.#held.size);
      const records = Math.max(1, Math.floor(config.inFlightRecords / count));
      const bytes = Math.max(1, Math.floor(config.inFlightBytes / count));
      return { records, bytes, isAlone: count === 1 };
    };
    const held = new HeldPartition(lease, { clock, share, release });
    this.#held.set(lease, held);
    const { codec, handler, topic } = this.#parts;
    const { partition } = lease;
    this.#tasks.set(held, { codec, handler, topic, partition, timeouts: this.#timeouts });
  }

  /** What is held of these leases. */
  of(leases: readonly PartitionLease[]): readonly HeldPartition[] {
    return leases.flatMap((lease) => this.#held.get(lease) ?? []);
  }

  take(batch: FetchedBatch): void {
    const held = this.#held.get(batch.lease);
    if (held === undefined) {
      this.#parts.release(batch);
      return;
    }
    held.take(batch);
    const { work } = held;
    if (work === undefined) return;
    // Offsets without a record are finished, too.
    if (work.finishedOffset > held.committedOffset) this.#parts.ended(held);
    this.#offer(held, work);
    this.#pump();
  }

  /** Up to the lease's position there are no more records. */
  passOver(lease: PartitionLease): void {
    const held = this.#held.get(lease);
    if (held?.passOver() === true) this.#parts.ended(held);
  }

  /** Room came free in this partition. */
  refill(held: HeldPartition): void {
    const { work } = held;
    if (work === undefined) return;
    try {
      held.fill();
    } catch (error) {
      this.#parts.failed(error);
    }
    this.#offer(held, work);
    this.#pump();
  }

  /** These are somebody else's now, or nobody's: what their handlers do counts for nothing. */
  remove(partitions: readonly HeldPartition[]): void {
    for (const held of partitions) {
      held.leave();
      this.#held.delete(held.lease);
      this.#tasks.delete(held);
    }
    for (const held of this.#held.values()) this.refill(held);
  }

  /** Starts nothing more. */
  close(): void {
    for (const held of this.#held.values()) held.close();
    this.#gate.close();
  }

  /** Nobody waits for handlers any more: also their time does not matter. */
  leave(): void {
    this.#timeouts.close();
  }

  #offer(held: HeldPartition, work: PartitionWork<LogRecord>): void {
    if (held.isInLine || !work.hasReady || !held.isOpen) return;
    held.isInLine = true;
    this.#line.push(held);
  }

  /** Handlers that end at once come back here while it runs: the loop sees to what they free. */
  #pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    try {
      for (;;) {
        const [held] = this.#line;
        if (held === undefined) return;
        if (held.isOpen && held.work?.hasReady === true) {
          if (!this.#gate.mayBegin()) return;
          this.#start(held);
        }
        // To the end of the line, if there is more of it.
        this.#line.shift();
        held.isInLine = false;
        if (held.work !== undefined) this.#offer(held, held.work);
      }
    } finally {
      this.#isPumping = false;
    }
  }

  #start(held: HeldPartition): void {
    const partitionWork = held.work;
    const task = this.#tasks.get(held);
    const work = partitionWork?.start();
    assert(partitionWork !== undefined, 'a partition in line has records');
    assert(task !== undefined, 'a partition in line is held');
    assert(work !== undefined, 'a partition in line has one that may start');
    const permit = this.#gate.begin();
    const attempt = new ProcessAttempt<Output>(task, work.record, work.failures + 1, (end) => {
      this.#ended({ held, partitionWork, work, attempt, permit }, end);
    });
    held.began(attempt);
    attempt.run();
  }

  #ended(run: Run<Output>, end: AttemptEnd): void {
    const { held, partitionWork, work, attempt, permit } = run;
    const counts = end.kind === 'success' || (!attempt.isToldToEnd && held.isOpen);
    const isJudged = counts && end.kind !== 'unreadable';
    this.#gate.end(permit, isJudged ? end.kind : 'given up');
    if (!held.isGone && counts) {
      if (end.kind === 'success') partitionWork.finish(work);
      else this.#fail(held, partitionWork, work, end);
      this.#parts.ended(held);
    }
    held.ended(attempt);
    this.refill(held);
  }

  #fail(
    held: HeldPartition,
    partitionWork: PartitionWork<LogRecord>,
    work: Work<LogRecord>,
    { kind, error: cause }: Exclude<AttemptEnd, { kind: 'success' }>,
  ): void {
    const { clock, prng, config, group, topic } = this.#parts;
    const attempt = work.failures + 1;
    const { partition } = held;
    const event = { group, topic, partition, offset: work.offset, attempt, cause };
    const isWorthIt = kind === 'failure' && isWorthRetry(config, cause, attempt);
    const delayMs = isWorthIt ? retryDelayMs(config.retry, attempt, prng) : undefined;
    if (delayMs === undefined) {
      partitionWork.die(work, cause);
      processDiagnostics.recordDied.publish({ ...event, deadLetter: config.deadLetter });
      return;
    }
    partitionWork.rest(work, cause, clock.monotonicMs() + delayMs);
    processDiagnostics.attemptFailed.publish({ ...event, retryDelayMs: delayMs });
    this.#wakeWhenDue(held, partitionWork);
  }

  #wakeWhenDue(held: HeldPartition, work: PartitionWork<LogRecord>): void {
    held.wakeWhenDue(() => {
      this.#wakeWhenDue(held, work);
      this.#offer(held, work);
      this.#pump();
    });
  }
}

/** One attempt, and all that it is about. */
interface Run<Output> {
  readonly held: HeldPartition;
  readonly partitionWork: PartitionWork<LogRecord>;
  readonly work: Work<LogRecord>;
  readonly attempt: ProcessAttempt<Output>;
  readonly permit: CallPermit;
}

/** What the user's function throws is no reason to give a record up. */
function isWorthRetry({ retryIf }: ProcessConfig, error: unknown, attempt: number): boolean {
  try {
    return retryIf(error, attempt);
  } catch {
    return true;
  }
}

/** What a handler is told that is not waited for any longer. */
export function attemptEnded(topic: string, why: string): Error {
  return createError('ATTEMPT_ENDED', { topic, reason: why });
}
