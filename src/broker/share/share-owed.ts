/**
 * What a partition has for the journal: endings, attempts that it owes, and what was handed out.
 *
 * What is owed stays owed when an append fails. Messages whose delivery could not be stored are not
 * handed out, so nothing of that is kept.
 */

import { AttemptRuns, type DeliveredOnce } from './share-attempt-runs.js';
import type { DeliveryState } from './share-delivery.js';
import type { JournalAcks } from './share-journal.js';
import type { Ending } from './share-ledger.js';
import {
  type DeliveryPart,
  PART_ENTRIES_MAX,
  rangesOf,
  type StoredAttempts,
} from './share-part.js';

export class OwedParts {
  readonly #state: DeliveryState;
  #acknowledged: number[] = [];
  #archived: number[] = [];
  readonly #attempts = new AttemptRuns();
  readonly #delivered = new AttemptRuns();
  /** The start has moved by something else than endings. */
  #isStartOwed = false;

  constructor(state: DeliveryState) {
    this.#state = state;
  }

  ended(offset: number, ending: Ending): void {
    if (ending === 'Acknowledged') this.#acknowledged.push(offset);
    else this.#archived.push(offset);
  }

  startMoved(): void {
    this.#isStartOwed = true;
  }

  attempted(attempts: StoredAttempts): void {
    this.#attempts.add(attempts);
  }

  /** These are about to be handed out. */
  delivered(deliveries: readonly DeliveredOnce[]): void {
    this.#delivered.addDelivered(deliveries);
  }

  /** What is about to be handed out, a part of it; undefined: all of it was taken. */
  takeDelivered(): DeliveryPart | undefined {
    return this.#takeRuns(this.#delivered);
  }

  /** Endings are durable, attempts are written. */
  take(acks: JournalAcks): DeliveryPart | undefined {
    return acks === 'durable' ? this.#takeEnded() : this.#takeRuns(this.#attempts);
  }

  #takeEnded(): DeliveryPart | undefined {
    const acknowledged = this.#acknowledged.splice(0, PART_ENTRIES_MAX);
    const archived = this.#archived.splice(0, PART_ENTRIES_MAX);
    if (acknowledged.length + archived.length === 0 && !this.#isStartOwed) return undefined;
    this.#isStartOwed = false;
    // What lies below the start needs no telling.
    const { startOffset } = this.#state;
    return {
      startOffset,
      acknowledged: rangesOf(risingFrom(startOffset, acknowledged)),
      archived: rangesOf(risingFrom(startOffset, archived)),
      attempts: [],
    };
  }

  #takeRuns(runs: AttemptRuns): DeliveryPart | undefined {
    if (runs.isEmpty) return undefined;
    const { startOffset } = this.#state;
    // What lies below the start is finished, and needs no telling.
    const attempts = runs.take(PART_ENTRIES_MAX).flatMap((run) => from(startOffset, run));
    return { startOffset, acknowledged: [], archived: [], attempts };
  }
}

/** The run as far as it lies at `startOffset` or behind. */
function from(startOffset: number, run: StoredAttempts): readonly StoredAttempts[] {
  if (run.offset >= startOffset) return [run];
  const count = run.offset + run.count - startOffset;
  return count > 0 ? [{ ...run, offset: startOffset, count }] : [];
}

function risingFrom(startOffset: number, offsets: readonly number[]): Float64Array {
  const kept = Float64Array.from(offsets).sort();
  let first = 0;
  while (first < kept.length && (kept[first] ?? 0) < startOffset) first += 1;
  return kept.subarray(first);
}
