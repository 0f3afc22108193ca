/**
 * What a partition owes to the journal: endings, and attempts that nobody else stores.
 */

import type { DeliveryState } from './share-delivery.js';
import type { JournalAcks } from './share-journal.js';
import type { Ending } from './share-ledger.js';
import {
  addAttempts,
  type DeliveryPart,
  PART_ENTRIES_MAX,
  rangesOf,
  type StoredAttempts,
} from './share-part.js';

export class OwedParts {
  readonly #state: DeliveryState;
  #acknowledged: number[] = [];
  #archived: number[] = [];
  #attempts: StoredAttempts[] = [];
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
    this.#attempts.push(attempts);
  }

  /** Endings are durable, attempts are written. */
  take(acks: JournalAcks): DeliveryPart | undefined {
    return acks === 'durable' ? this.#takeEnded() : this.#takeAttempts();
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

  #takeAttempts(): DeliveryPart | undefined {
    if (this.#attempts.length === 0) return undefined;
    const taken = this.#attempts.splice(0, PART_ENTRIES_MAX);
    return attemptsPart(this.#state.startOffset, taken);
  }
}

/** What was delivered as runs, in the order in which it comes: fresh messages are a few. */
export function deliveredRuns(
  deliveries: Iterable<{
    readonly offset: number;
    readonly deliveries: number;
    readonly failures: number;
  }>,
): StoredAttempts[] {
  const runs: { -readonly [Field in keyof StoredAttempts]: StoredAttempts[Field] }[] = [];
  let run: (typeof runs)[number] | undefined;
  for (const { offset, deliveries: nth, failures } of deliveries) {
    const isNext = run !== undefined && run.offset + run.count === offset;
    if (run !== undefined && isNext && run.deliveries === nth && run.failures === failures) {
      run.count += 1;
      continue;
    }
    run = { offset, count: 1, deliveries: nth, failures, notBeforeMs: 0 };
    runs.push(run);
  }
  return runs;
}

/** A part that tells of attempts, in any order; of several of one message the last one counts. */
export function attemptsPart(startOffset: number, given: readonly StoredAttempts[]): DeliveryPart {
  const attempts: StoredAttempts[] = [];
  const sorted = isRising(given) ? given : lastOfEach(given);
  for (const each of sorted) if (each.offset >= startOffset) addAttempts(attempts, each);
  return { startOffset, acknowledged: [], archived: [], attempts };
}

function isRising(given: readonly StoredAttempts[]): boolean {
  for (let at = 1; at < given.length; at += 1) {
    if ((given[at - 1]?.offset ?? 0) >= (given[at]?.offset ?? 0)) return false;
  }
  return true;
}

function lastOfEach(given: readonly StoredAttempts[]): StoredAttempts[] {
  const byOffset = new Map(given.map((each) => [each.offset, each]));
  return [...byOffset.values()].sort((one, other) => one.offset - other.offset);
}

function risingFrom(startOffset: number, offsets: readonly number[]): Float64Array {
  const kept = Float64Array.from(offsets).sort();
  let first = 0;
  while (first < kept.length && (kept[first] ?? 0) < startOffset) first += 1;
  return kept.subarray(first);
}
