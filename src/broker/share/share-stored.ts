/**
 * A delivery state as parts to store, and the attempts that are remembered from such parts.
 *
 * What was under way before a restart is to come again. Its attempts are kept by offset until it is
 * given out; those of messages that turn out to be finished are forgotten.
 */

import { createError } from '../../base/errors.js';
import type { Attempts, Deliveries } from './share-deliveries.js';
import type { DeliveryLedger, FinishedRange } from './share-ledger.js';
import {
  addAttempts,
  type DeliveryPart,
  PART_ENTRIES_MAX,
  type StoredAttempts,
} from './share-part.js';
import { SLOTS_MAX } from './share-receipt.js';
import { WAITING } from './share-states.js';

/** Both clocks at one moment, in milliseconds: delays are stored in wall time. */
export interface ClockPair {
  readonly nowMs: number;
  readonly wallMs: number;
}

interface RememberedAttempts extends Attempts {
  /** Monotonic; the message is not given out before. */
  readonly dueMs: number;
}

/** Attempts are first looked through for finished messages at this many. */
const REMEMBERED_CHECKED = 65_536;

export class RememberedDeliveries {
  readonly #attempts = new Map<number, RememberedAttempts>();
  #checkedAt = REMEMBERED_CHECKED;

  get count(): number {
    return this.#attempts.size;
  }

  /** The attempts of a message, which are forgotten. */
  take(offset: number): RememberedAttempts | undefined {
    const attempts = this.#attempts.get(offset);
    if (attempts !== undefined) this.#attempts.delete(offset);
    return attempts;
  }

  /** Adds what a part says; LOG_CORRUPT when more messages were under way than can be. */
  add(attempts: readonly StoredAttempts[], clocks: ClockPair, ledger: DeliveryLedger): void {
    for (const run of attempts) {
      this.#addRun(run, clocks);
      if (this.#attempts.size > this.#checkedAt) this.forgetFinished(ledger);
      if (this.#attempts.size <= SLOTS_MAX) continue;
      throw createError('LOG_CORRUPT', { expected: `at most ${SLOTS_MAX} messages under way` });
    }
  }

  #addRun(run: StoredAttempts, clocks: ClockPair): void {
    const { deliveries, failures, notBeforeMs } = run;
    const dueMs =
      notBeforeMs === 0 ? Number.NEGATIVE_INFINITY : notBeforeMs - clocks.wallMs + clocks.nowMs;
    // Messages of a run share what is remembered of them.
    const shared = { deliveries, failures, dueMs };
    for (let offset = run.offset; offset < run.offset + run.count; offset += 1) {
      const known = this.#attempts.get(offset);
      if (known === undefined) this.#attempts.set(offset, shared);
      else if (known.deliveries <= deliveries) this.#attempts.set(offset, merged(known, shared));
    }
  }

  forgetFinished(ledger: DeliveryLedger): void {
    for (const offset of this.#attempts.keys()) {
      if (ledger.isFinished(offset)) this.#attempts.delete(offset);
    }
    this.#checkedAt = Math.max(REMEMBERED_CHECKED, 2 * this.#attempts.size);
  }

  *stored(clocks: ClockPair): Generator<StoredAttempts> {
    for (const [offset, { deliveries, failures, dueMs }] of this.#attempts) {
      const isLater = dueMs > clocks.nowMs;
      const notBeforeMs = isLater ? Math.ceil(dueMs - clocks.nowMs + clocks.wallMs) : 0;
      yield { offset, count: 1, deliveries, failures, notBeforeMs };
    }
  }
}

/** Of one delivery, what is known later is more: it has failed, or comes again at a time. */
function merged(known: RememberedAttempts, next: RememberedAttempts): RememberedAttempts {
  const isSame = known.deliveries === next.deliveries;
  return {
    deliveries: next.deliveries,
    failures: Math.max(next.failures, known.failures),
    dueMs: isSame ? Math.max(next.dueMs, known.dueMs) : next.dueMs,
  };
}

/** All of a state, in parts of a bounded size. The state is not changed meanwhile. */
export function* storedParts(
  ledger: DeliveryLedger,
  deliveries: Deliveries,
  remembered: RememberedDeliveries,
  clocks: ClockPair,
): Generator<DeliveryPart> {
  const { startOffset } = ledger;
  let isFirst = true;
  for (const finished of grouped(ledger.finishedRanges())) {
    yield {
      startOffset,
      acknowledged: finished.filter(({ ending }) => ending === 'Acknowledged'),
      archived: finished.filter(({ ending }) => ending === 'Archived'),
      attempts: [],
    };
    isFirst = false;
  }
  for (const attempts of grouped(allAttempts(deliveries, remembered, clocks))) {
    attempts.sort((one, other) => one.offset - other.offset);
    const runs: StoredAttempts[] = [];
    for (const each of attempts) addAttempts(runs, each);
    yield { startOffset, acknowledged: [], archived: [], attempts: runs };
    isFirst = false;
  }
  if (isFirst) yield { startOffset, acknowledged: [], archived: [], attempts: [] };
}

function* allAttempts(
  { slots, deadlines }: Deliveries,
  remembered: RememberedDeliveries,
  clocks: ClockPair,
): Generator<StoredAttempts> {
  const { end } = slots;
  for (let slot = 0; slot < end; slot += 1) {
    if (!slots.isUsed(slot) || slots.deliveriesOf(slot) === 0) continue;
    const isWaiting = slots.phaseOf(slot) === WAITING;
    const dueMs = isWaiting ? deadlines.dueMsOf(slot) - clocks.nowMs + clocks.wallMs : 0;
    yield {
      offset: slots.offsetOf(slot),
      count: 1,
      deliveries: slots.deliveriesOf(slot),
      failures: slots.failuresOf(slot),
      notBeforeMs: Math.max(0, Math.ceil(dueMs)),
    };
  }
  yield* remembered.stored(clocks);
}

function* grouped<T extends FinishedRange | StoredAttempts>(values: Iterable<T>): Generator<T[]> {
  let group: T[] = [];
  for (const value of values) {
    group.push(value);
    if (group.length < PART_ENTRIES_MAX) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}
