/**
 * The leases of a worker, renewed while it has the messages: one timer, one call for all that need
 * it.
 *
 * It looks four times in a lease, and renews what is over in less than half of one. So a lease is
 * renewed at the latest when a quarter of it is left.
 */

import type { Cancel, Clock } from '../../base/clock.js';
import type { WorkerSource, WorkMessage } from './queue-worker-source.js';

export interface RenewalParts<Message extends WorkMessage> {
  readonly clock: Clock;
  readonly source: WorkerSource<Message>;
  /** All whose leases are to go on. */
  readonly held: () => Iterable<Message>;
  /** Some leases cannot be renewed. */
  readonly refused: () => void;
  readonly failed: (error: unknown) => void;
}

const LOOKS_PER_LEASE = 4;

export class LeaseRenewals<Message extends WorkMessage> {
  readonly #parts: RenewalParts<Message>;
  #cancel: Cancel | undefined;
  #lookMs = Number.POSITIVE_INFINITY;
  #isClosed = false;

  constructor(parts: RenewalParts<Message>) {
    this.#parts = parts;
  }

  /** The worker has messages now. */
  watch(): void {
    const { clock, source } = this.#parts;
    const everyMs = source.leaseMs / LOOKS_PER_LEASE;
    const lookMs = clock.monotonicMs() + everyMs;
    if (this.#isClosed || lookMs >= this.#lookMs) return;
    this.#cancel?.();
    this.#lookMs = lookMs;
    this.#cancel = clock.schedule(everyMs, () => this.#look());
  }

  /** Ends the timer. */
  close(): void {
    this.#isClosed = true;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #look(): void {
    const { clock, source, held } = this.#parts;
    this.#cancel = undefined;
    this.#lookMs = Number.POSITIVE_INFINITY;
    const { leaseMs } = source;
    const endsBeforeMs = clock.monotonicMs() + leaseMs / 2;
    const due: Message[] = [];
    let isAny = false;
    for (const message of held()) {
      isAny = true;
      if (message.leaseEndsMs <= endsBeforeMs) due.push(message);
    }
    if (isAny) this.watch();
    if (due.length > 0) void this.#renew(due, leaseMs);
  }

  async #renew(due: readonly Message[], leaseMs: number): Promise<void> {
    const { source, refused, failed } = this.#parts;
    try {
      const over = await source.extend(due, leaseMs);
      if (over.length > 0) refused();
    } catch (error) {
      if (!this.#isClosed) failed(error);
    }
  }
}
