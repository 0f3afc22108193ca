/**
 * The delivery state of one partition in a share group: who has which message, and what is done.
 *
 * It is pure: no log, no promises, no clock. The caller reads the log and offers what is there,
 * says what time it is (monotonic milliseconds), stores what must survive a restart before it hands
 * messages out, and tells the user what a receipt was worth. Messages are offsets:
 *
 *     start                                                                end
 *       | finished | under way: given out, not finished | to come, in order |  not offered yet
 *
 * `acquire` gives out first what came back (oldest return first), then what is to come, lowest
 * offset first. Its cost depends on what it gives out, never on the backlog. In key order a key has
 * at most one message under way, and messages of other keys pass those that wait for it.
 *
 * A receipt names one delivery. When that is over the receipt is stale, and is told so; to repeat
 * an acknowledgement or a rejection is harmless. A lease that is past its time holds until somebody
 * looks (`acquire`, `expire`), so whoever is late, and alone, is not punished.
 *
 * After a restart the parts that were stored are restored, and everything from the start offset on
 * is offered again; what is finished is not given out again. Memory: 30 bytes for each message
 * under way (34 in key order), and an eighth of a byte at most for each offset behind the start.
 */

import { assert } from '../../base/assert.js';
import type { AcquiredBlock } from './share-acquired.js';
import { DELIVERY_TIME_MS_MAX } from './share-deadlines.js';
import { Deliveries } from './share-deliveries.js';
import {
  type AcquireRequest,
  checkDeliveryLimits,
  type DeliveryCounts,
  type DeliveryLimits,
  type DeliveryOptions,
  type ReleaseRequest,
} from './share-delivery-options.js';
import { countsOf, describeStates, type StateRange } from './share-describe.js';
import type { ReceiptAnswer, ReceiptRefusal } from './share-errors.js';
import type { LostRange } from './share-key-group.js';
import { DeliveryLedger, type Ending, type LedgerView } from './share-ledger.js';
import { type OrderParts, oldestAvailable, takeWanted } from './share-out-of-order.js';
import type { DeliveryPart } from './share-part.js';
import { deliveryOf, isReceipt, receiptOf, takersReceiptOf } from './share-receipt.js';
import { NONE } from './share-slots.js';
import * as states from './share-states.js';
import { type ClockPair, RememberedDeliveries, storedParts } from './share-stored.js';
import { NOTHING, ToCome } from './share-to-come.js';

const { on } = states;
const NO_ATTEMPTS = { deliveries: 0, failures: 0, dueMs: Number.NEGATIVE_INFINITY };

export class DeliveryState {
  readonly #ledger: DeliveryLedger;
  readonly #deliveries: Deliveries;
  readonly #remembered = new RememberedDeliveries();
  readonly #toCome: ToCome;
  readonly #order: OrderParts;
  readonly #learned = (first: number, end: number) => this.#toCome.add(first, end);
  #limits: DeliveryLimits;
  /** Whether something was offered, so that nothing is restored any more. */
  #isOpen = false;
  readonly #totals = { delivered: 0, redelivered: 0, acknowledged: 0, archived: 0, released: 0 };

  constructor({ startOffset, nowMs, limits, keyBounds, onLeaseEnded }: DeliveryOptions) {
    this.#ledger = new DeliveryLedger(startOffset);
    this.#deliveries = new Deliveries(keyBounds !== undefined, nowMs, onLeaseEnded ?? ignore);
    this.#toCome = new ToCome(keyBounds);
    this.#order = {
      ledger: this.#ledger,
      deliveries: this.#deliveries,
      toCome: this.#toCome,
      remembered: this.#remembered,
    };
    this.#limits = limits;
    this.setLimits(limits);
  }

  /** The first offset that is not finished: what lies below is needed no more. */
  get startOffset(): number {
    return this.#ledger.startOffset;
  }

  /** Behind the last offset that was offered or skipped. */
  get endOffset(): number {
    return this.#ledger.endOffset;
  }

  /** Whether there is, or was, a message; what lies before the start is known. */
  isKnown(offset: number): boolean {
    return this.#ledger.isKnown(offset);
  }

  /** Whether the message is done with; what lies before the start is. */
  isFinished(offset: number): boolean {
    return this.#ledger.isFinished(offset);
  }

  /** More about what is known and finished, for those who look. */
  get ledger(): LedgerView {
    return this.#ledger;
  }

  /** Something comes back by itself at this time, or later; undefined: nothing will. */
  get nextMs(): number | undefined {
    return this.#deliveries.deadlines.nextMs;
  }

  /** What consumers have: messages, and their bytes as far as they were noted. */
  get inFlightCount(): number {
    return this.#deliveries.inFlightCount;
  }

  get inFlightBytes(): number {
    return this.#deliveries.inFlightBytes;
  }

  /** Messages for the dead letters, which nobody has taken. */
  get exhaustedCount(): number {
    return this.#deliveries.countOf(states.EXHAUSTED);
  }

  /** Messages that a transaction has, or whoever took them. */
  get heldCount(): number {
    return this.#deliveries.countOf(states.FROZEN) + this.#deliveries.countOf(states.MOVING);
  }

  /** Whether there is a message to give out, limits aside; leases that have ended are not seen. */
  get isReady(): boolean {
    const deliveries = this.#deliveries;
    if (deliveries.countOf(states.READY) > 0) return true;
    return this.#toCome.hasNext && deliveries.slots.count < this.#limits.underWayMax;
  }

  /** Messages that are back or to come; in key order some of them wait for others. */
  get availableCount(): number {
    return this.#deliveries.countOf(states.READY) + this.#toCome.count;
  }

  /** What a consumer has: messages, and their bytes as far as they were noted. */
  heldBy(owner: number): { count: number; bytes: number } {
    const { owners } = this.#deliveries;
    return { count: owners.countOf(owner), bytes: owners.bytesOf(owner) };
  }

  counts(): DeliveryCounts {
    return countsOf(this.#order, this.#totals);
  }

  /** The first `max` runs of offsets in one state; costs a sort of what is under way. */
  describe(max: number): StateRange[] {
    return describeStates(this.#ledger, this.#deliveries, max);
  }

  /** Messages may be given out more or less often, from now on; also those that are back. */
  setLimits(limits: DeliveryLimits): void {
    checkDeliveryLimits(limits);
    this.#limits = limits;
    this.#deliveries.setLimits(limits.deliveriesMax, limits.failuresMax);
  }

  /** There are messages in [first, end), without keys or where keys do not matter. */
  offer(first: number, end: number): void {
    this.#open();
    this.#ledger.learn(first, end, this.#learned);
  }

  /**
   * There is a message of this key. False: there are as many keys as may be; the caller offers no
   * more until messages are finished. The messages of a key come in the order of their offers.
   */
  offerKeyed(offset: number, key: string): boolean {
    this.#open();
    if (this.#ledger.isKnown(offset)) return true;
    if (!this.#toCome.hasRoom(key)) return false;
    this.#ledger.learn(offset, offset + 1, ignore);
    this.#toCome.addKeyed(key, offset);
    return true;
  }

  /** There is nothing to give out in [first, end), but for what was offered. */
  skip(first: number, end: number): void {
    this.#open();
    this.#ledger.skip(first, end);
  }

  /** Gives messages out, into the block; returns how many. */
  acquire(block: AcquiredBlock, request: AcquireRequest): number {
    const { max, nowMs } = request;
    const deliveries = this.#deliveries;
    block.clear();
    deliveries.sweep(nowMs, max);
    const room = this.#limits.inFlightMax - deliveries.inFlightCount;
    const wanted = Math.min(max, block.capacity, room);
    while (block.count < wanted) {
      let slot = deliveries.shiftReady();
      if (slot === NONE) slot = this.#beginNext(nowMs);
      if (slot === NONE) break;
      this.#give(block, slot, request);
    }
    return block.count;
  }

  /** The message is done with. */
  acknowledge(offset: number, receipt: number): ReceiptAnswer {
    return this.#finishBy(offset, receipt, on.acknowledge, 'Acknowledged');
  }

  /** The message is never to be given out again. */
  reject(offset: number, receipt: number): ReceiptAnswer {
    return this.#finishBy(offset, receipt, on.reject, 'Archived');
  }

  /** Gives the message back, for others or for later. */
  release(
    offset: number,
    receipt: number,
    { nowMs, delayMs, isFailure }: ReleaseRequest,
  ): ReceiptAnswer {
    const deliveries = this.#deliveries;
    const slot = deliveries.find(offset, receipt);
    const refusal = this.#refusal(slot, on.release);
    if (refusal !== undefined) return refusal;
    this.#totals.released += 1;
    if (isFailure) deliveries.fail(slot);
    if (delayMs > 0 && !deliveries.isExhausted(slot)) {
      deliveries.delay(slot, nowMs, delayMs);
      return 'done';
    }
    deliveries.move(slot, on.release);
    deliveries.comeBack(slot);
    return 'done';
  }

  /** The lease ends `leaseMs` from now. */
  extend(offset: number, receipt: number, nowMs: number, leaseMs: number): ReceiptAnswer {
    const { deadlines } = this.#deliveries;
    return this.#moveBy(offset, receipt, on.extend, (slot) => deadlines.set(slot, nowMs, leaseMs));
  }

  /**
   * The message never reached the consumer who has it: its delivery does not count, and it is the
   * next one, or comes after a delay.
   */
  withdraw(offset: number, receipt: number, nowMs = 0, delayMs = 0): ReceiptAnswer {
    return this.#moveBy(offset, receipt, on.withdraw, (slot) => {
      this.#uncount(receipt);
      this.#deliveries.comeBackUnseen(slot, nowMs, delayMs);
    });
  }

  /**
   * Gives out those of the wanted messages that may be given out now, in any order and past all
   * limits: for whoever looks after a queue. Returns how many; `withdraw` takes one back. In key
   * order it does not block the key of one that was never given out. A search of what is back.
   */
  acquireAll(block: AcquiredBlock, wanted: ReadonlySet<number>, request: AcquireRequest): number {
    const deliveries = this.#deliveries;
    const { nowMs } = request;
    const max = Math.min(request.max, block.capacity);
    block.clear();
    deliveries.sweep(nowMs, max);
    const slots = takeWanted(this.#order, wanted, max);
    for (const slot of slots) this.#give(block, slot, request);
    return block.count;
  }

  /** The lowest offsets of messages that could be given out, whatever their keys. */
  oldestAvailable(max: number): ReadonlySet<number> {
    return oldestAvailable(this.#order, max);
  }

  /** How many bytes the message has, for the counts of bytes. */
  setBytes(offset: number, receipt: number, bytes: number): ReceiptAnswer {
    const slot = this.#deliveries.find(offset, receipt);
    const refusal = this.#refusal(slot, on.extend);
    if (refusal === undefined) this.#deliveries.setBytes(slot, bytes);
    return refusal ?? 'done';
  }

  /** Whether the delivery goes on: the consumer has the message, or its transaction does. */
  isHeld(offset: number, receipt: number): boolean {
    const slot = this.#deliveries.find(offset, receipt);
    return slot !== NONE && this.#deliveries.slots.phaseOf(slot) !== states.MOVING;
  }

  /** Whether a transaction has the message: it is frozen, or moving to the dead letters. */
  isHeldByTransaction(offset: number, receipt: number): boolean {
    const slot = this.#deliveries.find(offset, receipt);
    return slot !== NONE && states.isHeldByTransaction(this.#deliveries.slots.phaseOf(slot));
  }

  /**
   * Takes a message that its consumer has not seen: then `commitArchive` or `putBack`, with the
   * receipt of who has taken it.
   */
  take(offset: number, receipt: number): ReceiptAnswer {
    return this.#moveBy(offset, receipt, on.take, () => this.#uncount(receipt));
  }

  putBack(offset: number, receipt: number): ReceiptAnswer {
    return this.#moveBy(offset, receipt, on.putBack, (slot) => {
      this.#deliveries.comeBackUnseen(slot, 0, 0);
    });
  }

  /** What is known of a delivery that goes on. */
  leaseOf(offset: number, receipt: number): { failures: number; endsMs: number } | undefined {
    const { slots, deadlines } = this.#deliveries;
    const slot = this.#deliveries.find(offset, receipt);
    if (slot === NONE) return undefined;
    return { failures: slots.failuresOf(slot), endsMs: deadlines.dueMsOf(slot) };
  }

  /** The lease does not end by time, until a transaction commits the message, or thaws it. */
  freeze(offset: number, receipt: number): ReceiptAnswer {
    return this.#moveBy(offset, receipt, on.freeze, ignore);
  }

  /** The transaction was undone: the lease goes on, or an exhausted message is to move again. */
  thaw(offset: number, receipt: number): ReceiptAnswer {
    const deliveries = this.#deliveries;
    return this.#moveBy(offset, receipt, on.thaw, (slot) => {
      if (deliveries.slots.phaseOf(slot) === states.LEASED) deliveries.deadlines.restore(slot);
      else deliveries.comeBackExhausted(slot);
    });
  }

  /** The transaction that acknowledges the frozen message has committed. */
  commitAcknowledge(offset: number, receipt: number): ReceiptAnswer {
    return this.#finishBy(offset, receipt, on.commitAcknowledge, 'Acknowledged');
  }

  /** The transaction that took the frozen or exhausted message elsewhere has committed. */
  commitArchive(offset: number, receipt: number): ReceiptAnswer {
    return this.#finishBy(offset, receipt, on.commitArchive, 'Archived');
  }

  /** Takes messages that are exhausted, to be moved: then `commitArchive` or `thaw`. */
  takeExhausted(block: AcquiredBlock, max: number): number {
    const deliveries = this.#deliveries;
    const { slots } = deliveries;
    block.clear();
    while (block.count < Math.min(max, block.capacity)) {
      const slot = deliveries.shiftExhausted();
      if (slot === NONE) break;
      deliveries.move(slot, on.move);
      const delivery = slots.deliveriesOf(slot);
      const receipt = takersReceiptOf(receiptOf(slot, delivery));
      block.add(slots.offsetOf(slot), receipt, delivery, slots.failuresOf(slot));
    }
    return block.count;
  }

  /** Ends leases and delays that are past their time, about `max` of them. */
  expire(nowMs: number, max: number): void {
    this.#deliveries.sweep(nowMs, max);
  }

  /** Ends all leases of a consumer; a search of all that is under way. */
  releaseOwner(owner: number, isFailure: boolean): void {
    const deliveries = this.#deliveries;
    const { slots } = deliveries;
    for (let slot = 0; slot < slots.end; slot += 1) {
      if (slots.phaseOf(slot) !== states.LEASED || slots.ownerOf(slot) !== owner) continue;
      if (isFailure) deliveries.fail(slot);
      deliveries.expire(slot);
    }
  }

  /** Archives everything below `offset`: purged, or no longer in the log. Look-ups are void. */
  dropBelow(offset: number): void {
    if (offset <= this.startOffset) return;
    this.#open();
    const count = this.#ledger.unfinishedBelow(offset);
    const groups: number[] = [];
    const underWay = this.#deliveries.dropBelow(offset, (slot) => {
      groups.push(this.#deliveries.slots.groupOf(slot));
    });
    this.#toCome.dropBelow(offset, count - underWay);
    for (const group of groups) this.#toCome.finish(group);
    this.#totals.archived += count;
    this.#ledger.dropBelow(offset);
    this.#remembered.forgetFinished(this.#ledger);
  }

  /**
   * In key order: messages of one key that did not fit in memory and are next. The caller reads
   * [first, end) and gives those of the key by `addFound`, in order, until that is false; then
   * calls `endLookUp` with the first offset that it did not give (`first` when it could not read).
   */
  beginLookUp(): LostRange | undefined {
    return this.#toCome.beginLookUp();
  }

  /** What was not offered, or is finished, may be given and is passed over. */
  addFound(lookUp: LostRange, offset: number): boolean {
    if (!this.#ledger.isKnown(offset) || this.#ledger.isFinished(offset)) return true;
    return this.#toCome.addFound(lookUp, offset);
  }

  endLookUp(lookUp: LostRange, end: number): void {
    this.#toCome.endLookUp(lookUp, end);
  }

  /** All that is to be stored, in parts; the state is not changed meanwhile. */
  parts(clocks: ClockPair): Generator<DeliveryPart> {
    return storedParts(this.#ledger, this.#deliveries, this.#remembered, clocks);
  }

  /** Adds what was stored, before anything is offered. */
  restore(part: DeliveryPart, clocks: ClockPair): void {
    assert(!this.#isOpen, 'a state is restored before it is used');
    const { startOffset, acknowledged, archived, attempts } = part;
    this.#ledger.restore(startOffset, acknowledged, archived);
    this.#remembered.add(attempts, clocks, this.#ledger);
  }

  #give(block: AcquiredBlock, slot: number, { owner, nowMs, leaseMs }: AcquireRequest): void {
    const { slots } = this.#deliveries;
    const receipt = this.#deliveries.lease(slot, owner, nowMs, leaseMs);
    const delivery = deliveryOf(receipt);
    this.#totals.delivered += 1;
    if (delivery > 1) this.#totals.redelivered += 1;
    block.add(slots.offsetOf(slot), receipt, delivery, slots.failuresOf(slot));
  }

  /** The delivery was none. */
  #uncount(receipt: number): void {
    this.#totals.delivered -= 1;
    if (deliveryOf(receipt) > 1) this.#totals.redelivered -= 1;
  }

  #open(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    this.#remembered.forgetFinished(this.#ledger);
  }

  /** The slot of the next message to come that may be given out, or NONE. */
  #beginNext(nowMs: number): number {
    const deliveries = this.#deliveries;
    while (deliveries.slots.count < this.#limits.underWayMax) {
      const offset = this.#toCome.take();
      if (offset === NOTHING) return NONE;
      const isRemembered = this.#remembered.count > 0;
      const attempts = isRemembered ? this.#remembered.take(offset) : undefined;
      const slot = deliveries.begin(offset, attempts ?? NO_ATTEMPTS, this.#toCome.takenGroup);
      if (attempts === undefined) return slot;
      const delayMs = Math.min(attempts.dueMs - nowMs, DELIVERY_TIME_MS_MAX);
      if (delayMs > 0) deliveries.delay(slot, nowMs, delayMs);
      else if (deliveries.isExhausted(slot)) deliveries.comeBack(slot);
      else return slot;
    }
    return NONE;
  }

  #finishBy(offset: number, receipt: number, event: number, ending: Ending): ReceiptAnswer {
    const deliveries = this.#deliveries;
    const slot = deliveries.find(offset, receipt);
    const delivery = deliveryOf(receipt);
    if (slot === NONE) {
      const hasEnded =
        isReceipt(Math.abs(receipt)) && this.#ledger.hasEnded(offset, ending, delivery);
      return hasEnded ? 'already' : 'stale';
    }
    const refusal = this.#refusal(slot, event);
    if (refusal !== undefined) return refusal;
    const group = deliveries.slots.groupOf(slot);
    deliveries.move(slot, event);
    this.#ledger.finish(offset, ending, delivery);
    if (ending === 'Acknowledged') this.#totals.acknowledged += 1;
    else this.#totals.archived += 1;
    this.#toCome.finish(group);
    return 'done';
  }

  #moveBy(
    offset: number,
    receipt: number,
    event: number,
    moved: (slot: number) => void,
  ): ReceiptAnswer {
    const slot = this.#deliveries.find(offset, receipt);
    const refusal = this.#refusal(slot, event);
    if (refusal !== undefined) return refusal;
    this.#deliveries.move(slot, event);
    moved(slot);
    return 'done';
  }

  /** Why the event may not happen to the delivery; undefined: it may. */
  #refusal(slot: number, event: number): ReceiptRefusal | undefined {
    if (slot === NONE) return 'stale';
    const phase = this.#deliveries.slots.phaseOf(slot);
    if (states.mayMove(phase, event)) return undefined;
    return phase === states.FROZEN ? 'frozen' : 'stale';
  }
}

function ignore(): void {}
