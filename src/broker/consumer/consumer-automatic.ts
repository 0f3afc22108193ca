/**
 * Automatic commits: what a loop has done with, committed as it goes on.
 *
 * The loop does not wait for the disk. One commit is on its way at a time, and the next one follows
 * after `commitIntervalMs` at the earliest, with all that is done by then: so much is read again
 * behind a crash, and a fast loop is not slowed by syncs. A commit that comes alone goes at once.
 * What can be tried again is; any other error is the loop's.
 */

import type { Clock } from '../../base/clock.js';
import { hasCode, MillraceError } from '../../base/errors.js';
import type { OffsetToCommit } from '../group/group-commits.js';
import { consumerDiagnostics } from './consumer-diagnostics.js';
import type { PartitionLease } from './consumer-lease.js';

/** How long to wait until a commit is tried again that could not be stored. */
const RETRY_MS = 1_000;

export interface AutomaticParts {
  readonly clock: Clock;
  readonly group: string;
  readonly intervalMs: number;
  commit(offsets: readonly OffsetToCommit[]): Promise<void>;
}

export class AutomaticCommits {
  readonly #parts: AutomaticParts;
  readonly #done = new Map<PartitionLease, number>();
  /** The program, or a transaction, commits further: what was noted before counts no more. */
  readonly #taken = new Set<PartitionLease>();
  #running: Promise<void> | undefined;
  /** Of the last commit; not told to anybody yet when it is for good. */
  #failure: { readonly error: unknown; readonly isFinal: boolean } | undefined;
  /** Those that wait in `flush`: a commit that fails is then not tried again by itself. */
  #flushes = 0;
  #wake: (() => void) | undefined;
  #isClosed = false;

  constructor(parts: AutomaticParts) {
    this.#parts = parts;
  }

  /** Everything below this offset is done with. */
  note(lease: PartitionLease, offset: number): void {
    this.#taken.delete(lease);
    this.#done.set(lease, offset);
    this.#go();
  }

  /** Behind what was noted nothing can be seen up to this offset. */
  passOver(lease: PartitionLease, offset: number): void {
    if (!this.#taken.has(lease)) this.note(lease, offset);
  }

  /** Somebody commits what lies behind all that was noted of this partition. */
  forget(lease: PartitionLease): void {
    this.#done.delete(lease);
    this.#taken.add(lease);
  }

  /** Throws, once, what failed for good. */
  check(): void {
    const failure = this.#failure;
    if (failure?.isFinal !== true) return;
    this.#failure = undefined;
    throw failure.error;
  }

  /** Resolves when all that was noted is committed, or belongs to others; tries once. */
  async flush(): Promise<void> {
    this.#flushes += 1;
    this.#wake?.();
    try {
      this.#go();
      await this.#running;
      const failure = this.#failure;
      if (failure === undefined) return;
      this.#failure = undefined;
      throw failure.error;
    } finally {
      this.#flushes -= 1;
      if (this.#done.size > 0) this.#go();
    }
  }

  /** Nothing is tried again from now on. */
  close(): void {
    this.#isClosed = true;
    this.#done.clear();
    this.#wake?.();
  }

  #go(): void {
    if (this.#isClosed || this.#done.size === 0) return;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  async #run(): Promise<void> {
    // What is done in one turn goes together.
    await Promise.resolve();
    for (;;) {
      const batch = [...this.#done].filter(([{ isHeld }]) => isHeld);
      this.#done.clear();
      if (batch.length === 0) return;
      try {
        await this.#parts.commit(batch.map(offsetOf));
        this.#failure = undefined;
        if (this.#flushes === 0) await this.#pause(this.#parts.intervalMs);
      } catch (error) {
        this.#restore(batch);
        // It failed because of those that are not held any more, or will fail again without them.
        if (batch.some(([{ isHeld }]) => !isHeld)) continue;
        if (!(await this.#mayGoOn(error))) return;
      }
    }
  }

  /** Puts back what failed and is held still; what was noted since counts instead. */
  #restore(batch: readonly (readonly [PartitionLease, number])[]): void {
    if (this.#isClosed) return;
    for (const [lease, offset] of batch) {
      const isWanted = lease.isHeld && !this.#taken.has(lease);
      if (isWanted && !this.#done.has(lease)) this.#done.set(lease, offset);
    }
  }

  async #mayGoOn(error: unknown): Promise<boolean> {
    const isLost = hasCode(error, 'ILLEGAL_GENERATION') || hasCode(error, 'UNKNOWN_MEMBER');
    const isFinal = !isLost && !(error instanceof MillraceError && error.retryable);
    this.#failure = { error, isFinal };
    if (isFinal || this.#flushes > 0) return false;
    consumerDiagnostics.commitDelayed.publish({ group: this.#parts.group, cause: error });
    await this.#pause(Math.max(RETRY_MS, this.#parts.intervalMs));
    return true;
  }

  #pause(delayMs: number): Promise<void> {
    if (delayMs === 0 || this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        cancel();
        this.#wake = undefined;
        resolve();
      };
      const cancel = this.#parts.clock.schedule(delayMs, wake);
      this.#wake = wake;
    });
  }
}

function offsetOf([lease, offset]: readonly [PartitionLease, number]): OffsetToCommit {
  const { topic, partition } = lease;
  return { topic, partition, offset };
}
