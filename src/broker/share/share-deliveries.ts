/**
 * The messages of a partition that are under way: their phases, times, receipts and counts.
 *
 * Every change of a phase goes through one function and the table of phases. What comes back is
 * ready for the next consumer, or exhausted when it had as many deliveries or failures as it may
 * have. Nothing here knows which messages are finished, or what comes next in the log.
 */

import { assert } from '../../base/assert.js';
import { DeliveryDeadlines } from './share-deadlines.js';
import { SlotList } from './share-list.js';
import { DeliveryOwners } from './share-owners.js';
import {
  DELIVERIES_MAX,
  deliveryOf,
  isReceipt,
  isTakersReceipt,
  receiptOf,
  slotOf,
} from './share-receipt.js';
import { DeliverySlots, FREE, NONE } from './share-slots.js';
import * as states from './share-states.js';

const { FROZEN, LEASED, READY, on } = states;

/** A counter of failures stops here. */
export const FAILURES_MAX = 65_535;

export interface Attempts {
  readonly deliveries: number;
  readonly failures: number;
}

/** A lease has ended by time, with its owner, or because the start was set behind its message. */
export type LeaseEnded = (offset: number, receipt: number, owner: number) => void;

export class Deliveries {
  readonly slots: DeliverySlots;
  readonly deadlines: DeliveryDeadlines;
  readonly owners = new DeliveryOwners();
  #deliveriesMax = DELIVERIES_MAX;
  #failuresMax = FAILURES_MAX;
  readonly #ready: SlotList;
  readonly #exhausted: SlotList;
  readonly #phaseCounts = new Uint32Array(states.phases.length);
  readonly #onLeaseEnded: LeaseEnded;
  readonly #onDue = (slot: number) => this.#due(slot);
  #inFlightBytes = 0;
  #expired = 0;

  constructor(isKeyed: boolean, nowMs: number, onLeaseEnded: LeaseEnded) {
    this.slots = new DeliverySlots(isKeyed);
    this.deadlines = new DeliveryDeadlines(this.slots, nowMs);
    this.#ready = new SlotList(this.slots);
    this.#exhausted = new SlotList(this.slots);
    this.#onLeaseEnded = onLeaseEnded;
  }

  /** Messages that are leased or frozen: what consumers have. */
  get inFlightCount(): number {
    return this.countOf(LEASED) + this.countOf(FROZEN);
  }

  get inFlightBytes(): number {
    return this.#inFlightBytes;
  }

  /** Leases that have ended by time, so far. */
  get expiredCount(): number {
    return this.#expired;
  }

  countOf(phase: number): number {
    return this.#phaseCounts[phase] ?? 0;
  }

  /** Makes a slot of a message that was never given out, or not since the restart. */
  begin(offset: number, attempts: Attempts, group: number): number {
    const { slots } = this;
    const slot = slots.take();
    slots.setOffset(slot, offset);
    slots.setDeliveries(slot, attempts.deliveries);
    slots.setFailures(slot, attempts.failures);
    slots.setBytes(slot, 0);
    slots.setOwner(slot, 0);
    slots.setGroup(slot, group);
    slots.setPhase(slot, READY);
    this.#phaseCounts[READY] = this.countOf(READY) + 1;
    return slot;
  }

  /** Takes the message out that has been ready for the longest time, or NONE. */
  shiftReady(): number {
    const slot = this.#ready.shift();
    assert(slot === NONE || this.slots.phaseOf(slot) === READY, 'ready ones are ready');
    return slot;
  }

  /** Takes out up to `max` of the messages that are ready, by their offsets. */
  takeReady(isWanted: (offset: number) => boolean, max: number): number[] {
    const taken: number[] = [];
    this.#ready.filter((slot) => {
      if (taken.length === max || !isWanted(this.slots.offsetOf(slot))) return true;
      taken.push(slot);
      return false;
    });
    return taken;
  }

  /** Those of the offsets that are under way. */
  offsetsAmong(wanted: ReadonlySet<number>): ReadonlySet<number> {
    const found = new Set<number>();
    for (let slot = 0; slot < this.slots.end; slot += 1) {
      if (this.slots.isUsed(slot) && wanted.has(this.slots.offsetOf(slot))) {
        found.add(this.slots.offsetOf(slot));
      }
    }
    return found;
  }

  shiftExhausted(): number {
    return this.#exhausted.shift();
  }

  isExhausted(slot: number): boolean {
    const { slots } = this;
    if (slots.deliveriesOf(slot) >= this.#deliveriesMax) return true;
    return slots.failuresOf(slot) >= this.#failuresMax;
  }

  /** Gives a ready message out; returns the receipt. */
  lease(slot: number, owner: number, nowMs: number, leaseMs: number): number {
    const { slots } = this;
    const deliveries = slots.deliveriesOf(slot) + 1;
    slots.setDeliveries(slot, deliveries);
    slots.setOwner(slot, owner);
    this.move(slot, on.acquire);
    this.deadlines.set(slot, nowMs, leaseMs);
    return receiptOf(slot, deliveries);
  }

  /** The slot of the delivery that the receipt names, when that is not over; or NONE. */
  find(offset: number, receipt: number): number {
    const { slots } = this;
    if (!isReceipt(Math.abs(receipt))) return NONE;
    const slot = slotOf(receipt);
    if (slot >= slots.end || slots.offsetOf(slot) !== offset) return NONE;
    if (slots.deliveriesOf(slot) !== deliveryOf(receipt)) return NONE;
    const phase = slots.phaseOf(slot);
    if (phase === FREE || states.isAvailable(phase)) return NONE;
    return isTakersReceipt(receipt) === (phase === states.MOVING) ? slot : NONE;
  }

  /** Puts a message that is ready where it is taken from, or among the exhausted ones. */
  comeBack(slot: number): void {
    if (!this.isExhausted(slot)) {
      this.#ready.push(slot);
      return;
    }
    this.move(slot, on.exhaust);
    this.#exhausted.push(slot);
  }

  /** A message whose move to the dead letters failed is moved first, if it is to be moved still. */
  comeBackExhausted(slot: number): void {
    if (this.isExhausted(slot)) {
      this.#exhausted.unshift(slot);
      return;
    }
    this.move(slot, on.revive);
    this.#ready.push(slot);
  }

  /** A message whose delivery never reached a consumer is the next one, or waits. */
  comeBackUnseen(slot: number, nowMs: number, delayMs: number): void {
    const { slots } = this;
    slots.setDeliveries(slot, slots.deliveriesOf(slot) - 1);
    // The limits may have become lower since it was given out.
    if (this.isExhausted(slot)) this.comeBack(slot);
    else if (delayMs > 0) this.delay(slot, nowMs, delayMs);
    else this.#ready.unshift(slot);
  }

  fail(slot: number): void {
    const failures = this.slots.failuresOf(slot) + 1;
    this.slots.setFailures(slot, Math.min(failures, FAILURES_MAX));
  }

  /** Notes the bytes of a message in flight. */
  setBytes(slot: number, bytes: number): void {
    const { slots } = this;
    const more = bytes - slots.bytesOf(slot);
    slots.setBytes(slot, bytes);
    this.#inFlightBytes += more;
    this.owners.change(slots.ownerOf(slot), 0, more);
  }

  /** Ends up to `count` leases and delays whose time has come, or a few more. */
  sweep(nowMs: number, count: number): void {
    this.deadlines.sweep(nowMs, count, this.#onDue);
  }

  /** Keeps a message that is ready from being given out for a time. */
  delay(slot: number, nowMs: number, delayMs: number): void {
    this.move(slot, on.delay);
    this.deadlines.set(slot, nowMs, delayMs);
  }

  /** Ends the lease of a slot that its consumer did not end. */
  expire(slot: number): void {
    const { slots } = this;
    const receipt = receiptOf(slot, slots.deliveriesOf(slot));
    const owner = slots.ownerOf(slot);
    this.move(slot, on.expire);
    this.comeBack(slot);
    this.#onLeaseEnded(slots.offsetOf(slot), receipt, owner);
  }

  /** How often a message may be given out, and may fail, before it is exhausted. */
  setLimits(deliveriesMax: number, failuresMax: number): void {
    if (deliveriesMax === this.#deliveriesMax && failuresMax === this.#failuresMax) return;
    this.#deliveriesMax = deliveriesMax;
    this.#failuresMax = failuresMax;
    for (let left = this.#exhausted.count; left > 0; left -= 1) {
      const slot = this.#exhausted.shift();
      this.move(slot, on.revive);
      this.comeBack(slot);
    }
    for (let left = this.#ready.count; left > 0; left -= 1) this.comeBack(this.#ready.shift());
  }

  /** Forgets all messages below `offset`, returns how many; `dropped` hears of each before. */
  dropBelow(offset: number, dropped: (slot: number) => void): number {
    const { slots } = this;
    const isKept = (slot: number) => slots.offsetOf(slot) >= offset;
    this.#ready.filter(isKept);
    this.#exhausted.filter(isKept);
    let count = 0;
    for (let slot = 0; slot < slots.end; slot += 1) {
      if (!slots.isUsed(slot) || isKept(slot)) continue;
      dropped(slot);
      if (!states.isAvailable(slots.phaseOf(slot))) {
        const receipt = receiptOf(slot, slots.deliveriesOf(slot));
        this.#onLeaseEnded(slots.offsetOf(slot), receipt, slots.ownerOf(slot));
      }
      this.move(slot, on.drop);
      count += 1;
    }
    return count;
  }

  /** The one way from phase to phase; a slot whose message is finished is freed. */
  move(slot: number, event: number): void {
    const { slots } = this;
    const phase = slots.phaseOf(slot);
    const next = states.phaseAfter(phase, event);
    const wasHeld = phase === LEASED || phase === FROZEN;
    const isHeld = next === LEASED || next === FROZEN;
    if (wasHeld !== isHeld) {
      const bytes = slots.bytesOf(slot);
      this.#inFlightBytes += isHeld ? bytes : -bytes;
      this.owners.change(slots.ownerOf(slot), isHeld ? 1 : -1, isHeld ? bytes : -bytes);
    }
    this.#phaseCounts[phase] = this.countOf(phase) - 1;
    if (next >= states.ACKNOWLEDGED) {
      slots.free(slot);
      return;
    }
    this.#phaseCounts[next] = this.countOf(next) + 1;
    slots.setPhase(slot, next);
  }

  #due(slot: number): void {
    if (this.slots.phaseOf(slot) === LEASED) {
      this.#expired += 1;
      this.expire(slot);
      return;
    }
    this.move(slot, on.due);
    this.comeBack(slot);
  }
}
