/**
 * Commits what is finished: one round at a time, and no sooner than `commitIntervalMs` after the
 * last one.
 *
 * A round first buries the dead records that hold back a commit, then commits all partitions that
 * have moved in one call. What fails and may work later is tried again, later each time; what
 * cannot work ends the worker.
 */

import type { Cancel, Clock } from '../../base/clock.js';
import { type ErrorCode, MillraceError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import { Mutex } from '../../base/mutex.js';
import type { Prng } from '../../base/prng.js';
import type { OffsetToCommit } from '../group/group-commits.js';
import { BURIAL_BYTES_MAX, BURIAL_RECORDS_MAX, type DeadLetters } from './process-dead-letters.js';
import { processDiagnostics } from './process-diagnostics.js';
import type { HeldPartition } from './process-held.js';
import { resolveRetryOptions, retryDelayMs } from './retry-policy.js';

export interface CommitterParts {
  readonly clock: Clock;
  readonly prng: Prng;
  readonly group: string;
  readonly topic: string;
  readonly deadLetter: string;
  readonly intervalMs: number;
  readonly deadLetters: DeadLetters;
  readonly commit: (offsets: readonly OffsetToCommit[]) => Promise<void>;
  /** Room came free: dead records are out of the way. */
  readonly buried: (held: HeldPartition) => void;
  /** No commit can work any more. */
  readonly failed: (error: unknown) => void;
}

const again = resolveRetryOptions(
  { attempts: 1_000_000, delayMs: 100, delayMsMax: 10_000 },
  'process: commit',
);

/** Not retryable by the call that got them, and yet over when the member is in its group again. */
const passing: readonly ErrorCode[] = [
  'UNKNOWN_MEMBER',
  'ILLEGAL_GENERATION',
  'CONSUMER_CLOSED',
  'TRANSACTION_ABORTED',
  // The topic is being deleted: the group will hear of it; or that of the dead letters was.
  'UNKNOWN_TOPIC',
  'UNKNOWN_PARTITION',
];

/** Whether the same commit may work later. */
export function mayCommitLater(error: unknown): boolean {
  if (!(error instanceof MillraceError)) return false;
  return error.retryable || passing.includes(error.code);
}

export class ProcessCommitter {
  readonly #parts: CommitterParts;
  readonly #rounds = new Mutex();
  /** Partitions in which something has ended since their last round. */
  #moved = new Set<HeldPartition>();
  #cancel: Cancel | undefined;
  #notBeforeMs = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #isClosed = false;

  constructor(parts: CommitterParts) {
    this.#parts = parts;
  }

  /** Something has ended in this partition: it is looked at in the next round. */
  note(held: HeldPartition): void {
    this.#moved.add(held);
    this.#arm();
  }

  /** Commits now what can be of these. Rejects when it fails, and does not try again. */
  async settle(partitions: readonly HeldPartition[]): Promise<void> {
    for (const held of partitions) this.#moved.delete(held);
    try {
      await this.#rounds.run(() => this.#round(partitions));
    } finally {
      this.#arm();
    }
  }

  /** Resolves when no round is under way; none begins any more but by `settle`. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancel?.();
    this.#cancel = undefined;
    await this.#rounds.run(() => undefined);
  }

  #arm(): void {
    if (this.#cancel !== undefined || this.#isClosed || this.#moved.size === 0) return;
    if (!this.#rounds.isIdle) return;
    const { clock } = this.#parts;
    const delayMs = Math.max(0, this.#notBeforeMs - clock.monotonicMs());
    this.#cancel = clock.schedule(delayMs, () => {
      this.#cancel = undefined;
      this.#commitMoved();
    });
  }

  #commitMoved(): void {
    const { clock, prng, group, topic, intervalMs, failed } = this.#parts;
    const moved = [...this.#moved];
    this.#moved = new Set();
    const next = (delayMs: number): void => {
      this.#notBeforeMs = clock.monotonicMs() + delayMs;
      this.#arm();
    };
    this.#rounds
      .run(() => this.#round(moved))
      .then(
        () => {
          this.#failures = 0;
          next(intervalMs);
        },
        (cause: unknown) => {
          if (!mayCommitLater(cause)) {
            failed(cause);
            return;
          }
          this.#failures = Math.min(this.#failures + 1, again.attempts - 1);
          processDiagnostics.commitDelayed.publish({ group, topic, cause });
          for (const held of moved) this.#moved.add(held);
          next(Math.max(intervalMs, retryDelayMs(again, this.#failures, prng) ?? 0));
        },
      );
  }

  async #round(partitions: readonly HeldPartition[]): Promise<void> {
    for (const held of partitions) await this.#bury(held);
    const moved = partitions.filter((held) => isBehind(held));
    for (let first = 0; first < moved.length; first += limits.commitPartitionsMax) {
      const part = moved.slice(first, first + limits.commitPartitionsMax).filter(isBehind);
      const offsets = part.map(({ topic, partition, work, committedOffset }) => {
        return { topic, partition, offset: work?.finishedOffset ?? committedOffset };
      });
      if (offsets.length === 0) continue;
      await this.#parts.commit(offsets);
      offsets.forEach(({ offset }, index) => {
        const held = part[index];
        if (held !== undefined) held.committedOffset = offset;
      });
    }
  }

  /** The dead records at the front of what is not finished, until there are none. */
  async #bury(held: HeldPartition): Promise<void> {
    const { group, deadLetter, deadLetters, buried } = this.#parts;
    const { topic, partition, work, lease } = held;
    if (work === undefined) return;
    for (;;) {
      const run = lease.isHeld ? work.deadRun(BURIAL_RECORDS_MAX, BURIAL_BYTES_MAX) : undefined;
      if (run === undefined) return;
      await deadLetters.bury(run, { group, topic, partition });
      const { nextOffset } = run;
      work.bury(run);
      held.committedOffset = nextOffset;
      const records = run.works.length;
      processDiagnostics.recordsBuried.publish({
        group,
        topic,
        partition,
        deadLetter,
        records,
        nextOffset,
      });
      buried(held);
    }
  }
}

/** Whether there is something to commit, and somebody who may. */
function isBehind({ lease, work, committedOffset }: HeldPartition): boolean {
  return lease.isHeld && work !== undefined && work.finishedOffset > committedOffset;
}
