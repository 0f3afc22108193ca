/** The model of a delivery state: each message with its phase, and rules as plain searches. */

import assert from 'node:assert/strict';
import type {
  AcquireRequest,
  DeliveryLimits,
} from '../../src/broker/share/share-delivery-options.js';
import type { StateRange } from '../../src/broker/share/share-describe.js';
import {
  type DeliveryStateName,
  type Phase,
  phaseStates,
} from '../../src/broker/share/share-states.js';

export interface Delivery {
  readonly offset: number;
  readonly receipt: number;
  readonly delivery: number;
  readonly failures: number;
}

export interface Message {
  readonly offset: number;
  readonly key: string | undefined;
  phase: Phase | 'unknown' | 'to come' | 'Acknowledged' | 'Archived';
  /** The place among the offers. */
  turn: number;
  deliveries: number;
  failures: number;
  dueMs: number;
  owner: number;
  bytes: number;
  /** The delivery that was last. */
  last: Delivery | undefined;
  /** The receipt of whoever moves it to the dead letters. */
  moveReceipt: number;
  /** The delivery that finished it. */
  ender: Delivery | undefined;
}

const FINISHED = ['Acknowledged', 'Archived'];
const UNDER_WAY = ['ready', 'waiting', 'exhausted', 'leased', 'frozen', 'moving'];

export class DeliveryModel {
  readonly messages: Message[] = [];
  deliveries: Delivery[] = [];
  nowMs = 0;
  limits: DeliveryLimits = { inFlightMax: 12, underWayMax: 20, deliveriesMax: 4, failuresMax: 3 };
  readonly #base: number;
  readonly #keysMax: number | undefined;
  #turns = 0;
  #droppedBelow = 0;

  constructor(base: number, keysMax: number | undefined) {
    this.#base = base;
    this.#keysMax = keysMax;
  }

  get end(): number {
    return this.#base + this.messages.length;
  }

  get start(): number {
    return this.open[0]?.offset ?? this.end;
  }

  /** Messages that are not finished. */
  get open(): Message[] {
    return this.messages.filter(({ phase }) => !FINISHED.includes(phase));
  }

  get nextMs(): number | undefined {
    const times = this.open
      .filter(({ phase }) => phase === 'leased' || phase === 'waiting')
      .map(({ dueMs }) => dueMs);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  at(offset: number): Message {
    const message = this.messages[offset - this.#base];
    assert.ok(message !== undefined, `message ${offset} is there`);
    return message;
  }

  count(phase: Message['phase']): number {
    return this.messages.filter((message) => message.phase === phase).length;
  }

  heldBytes(owner?: number): number {
    return this.open
      .filter(({ phase }) => phase === 'leased' || phase === 'frozen')
      .filter((message) => owner === undefined || message.owner === owner)
      .reduce((sum, { bytes }) => sum + bytes, 0);
  }

  add({ offset, key, phase }: Pick<Message, 'offset' | 'key' | 'phase'>): void {
    assert.equal(offset, this.end);
    this.messages.push({
      offset,
      key,
      phase,
      turn: this.#turn(),
      deliveries: 0,
      failures: 0,
      dueMs: Number.NEGATIVE_INFINITY,
      owner: 0,
      bytes: 0,
      last: undefined,
      moveReceipt: -1,
      ender: undefined,
    });
  }

  hasRoom(key: string): boolean {
    const known = this.open.filter(({ phase }) => phase !== 'unknown');
    const keys = new Set(known.flatMap((message) => message.key ?? []));
    return keys.has(key) || keys.size < (this.#keysMax ?? 0);
  }

  becomeKnown(offset: number): void {
    const message = this.at(offset);
    message.phase = 'to come';
    message.turn = this.#turn();
  }

  forget(offset: number): void {
    this.at(offset).phase = 'Archived';
  }

  /** What was given out must be what may be, and all of it. */
  acquire(given: readonly Delivery[], { max, owner, leaseMs }: AcquireRequest): void {
    const inFlight = this.count('leased') + this.count('frozen');
    const wanted = Math.min(max, this.limits.inFlightMax - inFlight);
    const ready = this.count('ready');
    assert.ok(given.length <= Math.max(0, wanted), 'no limit is exceeded');
    for (const [index, delivery] of given.entries()) {
      const message = this.at(delivery.offset);
      if (index < ready) assert.equal(message.phase, 'ready', 'what came back is first');
      else this.#begin(message);
      message.deliveries += 1;
      assert.equal(delivery.delivery, message.deliveries);
      assert.equal(delivery.failures, message.failures);
      Object.assign(message, {
        phase: 'leased',
        dueMs: this.nowMs + leaseMs,
        owner,
        last: delivery,
      });
      this.deliveries.push(delivery);
    }
    if (given.length >= wanted) return;
    assert.equal(this.count('ready'), 0, 'what came back is given out');
    while (this.#hasRoomUnderWay()) {
      const next = this.#eligible()[0];
      if (next === undefined) return;
      assert.ok(this.#setAside(next), `message ${next.offset} could have been given out`);
    }
  }

  /** The message may be the next of those to come; others before it are set aside. */
  #begin(message: Message): void {
    for (;;) {
      assert.ok(this.#hasRoomUnderWay(), 'there is room for messages under way');
      const eligible = this.#eligible();
      assert.ok(eligible.includes(message), `message ${message.offset} may be given out`);
      const free = eligible.find(({ key }) => key === undefined);
      if (free === undefined || message.key !== undefined) return;
      if (free === message && !this.#isHeldBack(free)) return;
      assert.ok(this.#setAside(free), 'the lowest offset is first');
    }
  }

  /** Of each key that is free the first, and what has no key, by offset. */
  #eligible(): Message[] {
    const toCome = this.messages.filter(({ phase }) => phase === 'to come');
    return toCome.filter((message) => {
      if (message.key === undefined) return true;
      const ofKey = this.messages.filter(({ key }) => key === message.key);
      if (ofKey.some(({ phase }) => UNDER_WAY.includes(phase))) return false;
      return !ofKey.some(
        ({ phase, offset, turn }) =>
          phase === 'to come' && offset < message.offset && turn < message.turn,
      );
    });
  }

  #hasRoomUnderWay(): boolean {
    const count = this.messages.filter(({ phase }) => UNDER_WAY.includes(phase)).length;
    return count < this.limits.underWayMax;
  }

  #isHeldBack(message: Message): boolean {
    return message.deliveries > 0 && (message.dueMs > this.nowMs || this.#isExhausted(message));
  }

  /** A message that was under way before a restart may have to wait, or be exhausted. */
  #setAside(message: Message): boolean {
    if (!this.#isHeldBack(message)) return false;
    if (message.dueMs > this.nowMs) message.phase = 'waiting';
    else message.phase = 'exhausted';
    return true;
  }

  #isExhausted({ deliveries, failures }: Message): boolean {
    return deliveries >= this.limits.deliveriesMax || failures >= this.limits.failuresMax;
  }

  #comeBack(message: Message): void {
    message.phase = this.#isExhausted(message) ? 'exhausted' : 'ready';
  }

  /** What a receipt is worth, for an ending or for another verb of its consumer. */
  answer(delivery: Delivery, ending: 'Acknowledged' | 'Archived' | undefined): string {
    const message = this.at(delivery.offset);
    if (message.last === delivery && message.phase === 'leased') return 'done';
    if (message.last === delivery && message.phase === 'frozen') return 'frozen';
    if (ending === undefined || message.phase !== ending) return 'stale';
    if (message.ender !== delivery) return 'stale';
    const isPlain = ending === 'Acknowledged' && delivery.delivery === 1;
    return isPlain && message.offset < this.#droppedBelow ? 'stale' : 'already';
  }

  finish(offset: number, ending: 'Acknowledged' | 'Archived'): void {
    const message = this.at(offset);
    message.phase = ending;
    message.ender = message.last;
  }

  release(offset: number, delayMs: number, isFailure: boolean): void {
    const message = this.at(offset);
    if (isFailure) message.failures += 1;
    this.#comeBack(message);
    if (delayMs === 0 || message.phase === 'exhausted') return;
    message.phase = 'waiting';
    message.dueMs = this.nowMs + delayMs;
  }

  withdraw(offset: number): void {
    const message = this.at(offset);
    this.deliveries = this.deliveries.filter((delivery) => delivery !== message.last);
    message.deliveries -= 1;
    message.phase = 'ready';
    message.last = this.deliveries.findLast((delivery) => delivery.offset === offset);
  }

  move(offset: number, receipt: number): void {
    const message = this.at(offset);
    message.moveReceipt = receipt;
    assert.equal(message.phase, 'exhausted');
    message.phase = 'moving';
  }

  thaw(offset: number): void {
    const message = this.at(offset);
    if (message.phase === 'frozen') message.phase = 'leased';
    else this.#comeBack(message);
  }

  expire(ended: readonly string[]): void {
    const expected: string[] = [];
    for (const message of this.open) {
      if (message.dueMs > this.nowMs) continue;
      if (message.phase === 'leased') {
        expected.push(`${message.offset} ${message.last?.receipt} ${message.owner}`);
      } else if (message.phase !== 'waiting') continue;
      this.#comeBack(message);
    }
    assert.deepEqual([...ended].sort(), expected.sort());
  }

  releaseOwner(owner: number, isFailure: boolean): void {
    for (const message of this.open) {
      if (message.phase !== 'leased' || message.owner !== owner) continue;
      if (isFailure) message.failures += 1;
      this.#comeBack(message);
    }
  }

  judgeAgain(): void {
    for (const message of this.open) {
      if (message.phase === 'ready' || message.phase === 'exhausted') this.#comeBack(message);
    }
  }

  dropBelow(offset: number): void {
    if (offset <= this.start) return;
    while (this.end < offset) this.add({ offset: this.end, key: undefined, phase: 'Archived' });
    this.#droppedBelow = offset;
    for (const message of this.open) {
      if (message.offset >= offset) continue;
      message.phase = 'Archived';
      message.ender = undefined;
    }
  }

  /** Nobody has anything any more; what was under way is to come, with its counts. */
  restart(): void {
    this.deliveries = [];
    for (const message of this.open) {
      if (message.phase === 'unknown') continue;
      if (message.phase !== 'waiting' && message.phase !== 'to come') {
        message.dueMs = Number.NEGATIVE_INFINITY;
      }
      message.phase = 'to come';
      message.bytes = 0;
      message.last = undefined;
      message.turn = this.#turn();
    }
  }

  ranges(): StateRange[] {
    const ranges: StateRange[] = [];
    for (const { offset, phase } of this.messages) {
      if (offset < this.start || phase === 'unknown') continue;
      const state = stateOf(phase);
      const last = ranges.at(-1);
      if (last?.end === offset && last.state === state) {
        ranges[ranges.length - 1] = { ...last, end: offset + 1 };
      } else {
        ranges.push({ first: offset, end: offset + 1, state });
      }
    }
    return ranges;
  }

  #turn(): number {
    this.#turns += 1;
    return this.#turns;
  }
}

function stateOf(phase: Exclude<Message['phase'], 'unknown'>): DeliveryStateName {
  if (phase === 'to come') return 'Available';
  return phase === 'Acknowledged' || phase === 'Archived' ? phase : phaseStates[phase];
}
