/**
 * A delivery state beside a model of it: every message with its phase, in a plain list.
 *
 * The world takes random steps, does each in both and compares. Look-ups of lost messages are
 * served from the list, as a reader of the log would. In key order nothing remembered is exhausted
 * or delayed after a restart: which key is next would then have to be modelled too.
 */

import assert from 'node:assert/strict';
import type { Prng } from '../../src/base/prng.js';
import { AcquiredBlock } from '../../src/broker/share/share-acquired.js';
import { DeliveryState } from '../../src/broker/share/share-delivery.js';
import { encodePart, readPart } from '../../src/broker/share/share-part.js';
import { type Delivery, DeliveryModel, type Message } from './share-model.js';

const BASE = 16_384 - 30;
const KEYS = ['a', 'b', 'c', 'd', 'e'];
const KEY_BOUNDS = { keysMax: 4, runsMax: 2 };
const WALL_AHEAD_MS = 1_000_000;
const OWNERS = 3;

export class DeliveryWorld {
  readonly #prng: Prng;
  readonly #isKeyed: boolean;
  readonly #model: DeliveryModel;
  readonly #block = new AcquiredBlock(64);
  #state: DeliveryState;
  #ended: string[] = [];
  #hasRestarted = false;

  constructor(prng: Prng, isKeyed: boolean) {
    this.#prng = prng;
    this.#isKeyed = isKeyed;
    this.#model = new DeliveryModel(BASE, isKeyed ? KEY_BOUNDS.keysMax : undefined);
    this.#state = this.#makeState();
  }

  step(): void {
    const steps = [
      () => this.#offerNext(),
      () => this.#offerLate(),
      () => this.#acquire(),
      () => this.#acquire(),
      () => this.#useReceipt(),
      () => this.#useReceipt(),
      () => this.#useReceipt(),
      () => this.#transact(),
      () => this.#pass(this.#prng.integer(12)),
      () => this.#rarely(),
    ];
    this.#prng.pick(steps)();
    this.#check();
  }

  /** Everything that is left is given out and acknowledged. */
  drain(): void {
    this.#model.limits = {
      inFlightMax: 64,
      underWayMax: 1_000,
      deliveriesMax: 99,
      failuresMax: 99,
    };
    this.#state.setLimits(this.#model.limits);
    this.#model.judgeAgain();
    while (this.#model.open.some(({ phase }) => phase === 'unknown')) this.#offerLate();
    for (let round = 0; this.#model.open.length > 0; round += 1) {
      assert.ok(round < 1_000, 'all messages are given out in the end');
      for (const message of this.#model.open) this.#settle(message);
      this.#pass(1_000);
      this.#acquire();
      this.#check();
    }
    assert.equal(this.#state.startOffset, this.#model.end);
  }

  #settle({ offset, phase, last, moveReceipt }: Message): void {
    const receipt = phase === 'moving' ? moveReceipt : (last?.receipt ?? -1);
    if (phase === 'leased') {
      assert.equal(this.#state.acknowledge(offset, receipt), 'done');
      this.#model.finish(offset, 'Acknowledged');
    } else if (phase === 'frozen' || phase === 'moving') {
      assert.equal(this.#state.commitArchive(offset, receipt), 'done');
      this.#model.finish(offset, 'Archived');
    }
    this.#lookUp();
  }

  #makeState(): DeliveryState {
    return new DeliveryState({
      startOffset: BASE,
      nowMs: this.#model.nowMs,
      limits: this.#model.limits,
      keyBounds: this.#isKeyed ? KEY_BOUNDS : undefined,
      onLeaseEnded: (offset, receipt, owner) => this.#ended.push(`${offset} ${receipt} ${owner}`),
    });
  }

  #offerNext(): void {
    const prng = this.#prng;
    for (let count = prng.integer(8); count > 0; count -= 1) {
      const offset = this.#model.end;
      const kind = prng.integer(10);
      if (kind === 0) {
        this.#state.skip(offset, offset + 1);
        this.#model.add({ offset, key: undefined, phase: 'Archived' });
        continue;
      }
      const key = this.#isKeyed && prng.boolean(0.8) ? prng.pick(KEYS) : undefined;
      if (kind === 1) this.#model.add({ offset, key, phase: 'unknown' });
      else if (!this.#offer(offset, key)) return;
      else this.#model.add({ offset, key, phase: 'to come' });
    }
  }

  #offer(offset: number, key: string | undefined): boolean {
    if (key === undefined) {
      this.#state.offer(offset, offset + 1);
      return true;
    }
    const isTaken = this.#state.offerKeyed(offset, key);
    assert.equal(isTaken, this.#model.hasRoom(key));
    return isTaken;
  }

  #offerLate(): void {
    const late = this.#model.open.filter(({ phase }) => phase === 'unknown');
    if (late.length === 0) return;
    const message = this.#prng.pick(late);
    if (this.#prng.boolean(0.2)) {
      this.#state.skip(message.offset, message.offset + 1);
      this.#model.forget(message.offset);
    } else if (this.#offer(message.offset, message.key)) {
      this.#model.becomeKnown(message.offset);
    } else {
      this.#acquire();
      for (const open of this.#model.open) this.#settle(open);
    }
  }

  #acquire(): void {
    this.#pass(0);
    const prng = this.#prng;
    const request = {
      max: 1 + prng.integer(6),
      owner: prng.integer(OWNERS),
      nowMs: this.#model.nowMs,
      leaseMs: 1 + prng.integer(20),
    };
    const count = this.#state.acquire(this.#block, request);
    const { offsets, receipts, deliveries, failures } = this.#block;
    const given: Delivery[] = [];
    for (let at = 0; at < count; at += 1) {
      given.push({
        offset: offsets[at] ?? -1,
        receipt: receipts[at] ?? -1,
        delivery: deliveries[at] ?? -1,
        failures: failures[at] ?? -1,
      });
    }
    this.#model.acquire(given, request);
    for (const { offset, receipt } of given) {
      assert.ok(this.#state.isHeld(offset, receipt));
      const bytes = prng.integer(100);
      assert.equal(this.#state.setBytes(offset, receipt, bytes), 'done');
      this.#model.at(offset).bytes = bytes;
      if (prng.boolean(0.95)) continue;
      assert.equal(this.#state.withdraw(offset, receipt), 'done');
      this.#model.withdraw(offset);
    }
  }

  /** Any delivery so far, with what it may be worth by now. */
  #useReceipt(): void {
    const prng = this.#prng;
    const { deliveries } = this.#model;
    if (deliveries.length === 0) return;
    const isRecent = prng.boolean(0.7);
    const back = prng.integer(isRecent ? Math.min(8, deliveries.length) : deliveries.length);
    const delivery = deliveries[deliveries.length - 1 - back];
    assert.ok(delivery !== undefined);
    const { offset, receipt } = delivery;
    const nowMs = this.#model.nowMs;
    const delayMs = prng.boolean() ? 0 : prng.integer(15);
    const isFailure = prng.boolean();
    const leaseMs = prng.integer(20);
    const verbs = [
      () => this.#expect(delivery, 'Acknowledged', this.#state.acknowledge(offset, receipt)),
      () => this.#expect(delivery, 'Acknowledged', this.#state.acknowledge(offset, receipt)),
      () => this.#expect(delivery, 'Archived', this.#state.reject(offset, receipt)),
      () => {
        const answer = this.#state.release(offset, receipt, { nowMs, delayMs, isFailure });
        if (this.#expect(delivery, undefined, answer)) {
          this.#model.release(offset, delayMs, isFailure);
        }
      },
      () => {
        const answer = this.#state.extend(offset, receipt, nowMs, leaseMs);
        const isDone = this.#expect(delivery, undefined, answer);
        if (isDone) this.#model.at(offset).dueMs = nowMs + leaseMs;
      },
      () => {
        const isDone = this.#expect(delivery, undefined, this.#state.freeze(offset, receipt));
        if (isDone) this.#model.at(offset).phase = 'frozen';
      },
      () => assert.equal(this.#state.reject(offset, receipt + 0.5), 'stale'),
    ];
    prng.pick(verbs)();
    this.#lookUp();
  }

  /** Compares an answer; true when the state did what was asked. */
  #expect(delivery: Delivery, ending: 'Acknowledged' | 'Archived' | undefined, answer: string) {
    const expected = this.#model.answer(delivery, ending);
    assert.equal(answer, expected, `${ending} of ${JSON.stringify(delivery)}`);
    if (expected === 'done' && ending !== undefined) this.#model.finish(delivery.offset, ending);
    return expected === 'done';
  }

  #transact(): void {
    const prng = this.#prng;
    const count = this.#state.takeExhausted(this.#block, 2);
    assert.equal(count, Math.min(2, this.#model.count('exhausted')));
    for (let at = 0; at < count; at += 1) {
      this.#model.move(this.#block.offsets[at] ?? -1, this.#block.receipts[at] ?? -1);
    }
    const held = this.#model.open.filter(({ phase }) => phase === 'frozen' || phase === 'moving');
    if (held.length === 0) return;
    const { offset, phase, last, moveReceipt } = prng.pick(held);
    const receipt = phase === 'frozen' ? (last?.receipt ?? -1) : moveReceipt;
    const decision = prng.integer(3);
    if (decision === 0) {
      assert.equal(this.#state.thaw(offset, receipt), 'done');
      this.#model.thaw(offset);
    } else if (decision === 1 && phase === 'frozen') {
      assert.equal(this.#state.commitAcknowledge(offset, receipt), 'done');
      this.#model.finish(offset, 'Acknowledged');
    } else {
      assert.equal(this.#state.commitArchive(offset, receipt), 'done');
      this.#model.finish(offset, 'Archived');
    }
    this.#lookUp();
  }

  #pass(ms: number): void {
    this.#model.nowMs += ms;
    const dueMs = this.#model.nextMs;
    const { nextMs } = this.#state;
    if (dueMs !== undefined) assert.ok(nextMs !== undefined && nextMs <= dueMs);
    this.#state.expire(this.#model.nowMs, Number.POSITIVE_INFINITY);
    this.#model.expire(this.#ended);
    this.#ended = [];
  }

  #rarely(): void {
    const prng = this.#prng;
    switch (prng.integer(6)) {
      case 0: {
        const owner = prng.integer(OWNERS);
        const isFailure = prng.boolean();
        this.#state.releaseOwner(owner, isFailure);
        this.#model.releaseOwner(owner, isFailure);
        this.#ended = [];
        return;
      }
      case 1: {
        const offset = this.#model.start + prng.integer(4);
        this.#state.dropBelow(offset);
        this.#model.dropBelow(offset);
        this.#ended = [];
        this.#lookUp();
        return;
      }
      case 2:
      case 3:
        this.#limit();
        return;
      case 4:
        this.#restart();
        return;
      default:
        return;
    }
  }

  #limit(): void {
    const prng = this.#prng;
    const isFree = this.#isKeyed && this.#hasRestarted;
    this.#model.limits = {
      inFlightMax: 1 + prng.integer(20),
      underWayMax: 1 + prng.integer(30),
      deliveriesMax: isFree ? 1_000 : 1 + prng.integer(5),
      failuresMax: isFree ? 1_000 : 1 + prng.integer(4),
    };
    this.#state.setLimits(this.#model.limits);
    this.#model.judgeAgain();
  }

  #restart(): void {
    this.#hasRestarted = true;
    if (this.#isKeyed) {
      this.#limit();
      this.#pass(1_000);
    }
    const { nowMs } = this.#model;
    const clocks = { nowMs, wallMs: nowMs + WALL_AHEAD_MS };
    const parts = [...this.#state.parts(clocks)].map((part) => encodePart(part));
    this.#model.nowMs += this.#prng.integer(5);
    const later = { nowMs: this.#model.nowMs, wallMs: this.#model.nowMs + WALL_AHEAD_MS };
    this.#state = this.#makeState();
    for (const part of this.#prng.shuffle([...parts, ...parts])) {
      this.#state.restore(readPart(part), later);
    }
    this.#model.restart();
    for (const { offset, key, phase } of this.#model.messages) {
      if (phase === 'to come') this.#offer(offset, key);
      if (phase === 'Archived' || phase === 'Acknowledged') this.#state.skip(offset, offset + 1);
    }
  }

  /** Serves what starved keys lost, sometimes in pieces. */
  #lookUp(): void {
    for (;;) {
      const lookUp = this.#state.beginLookUp();
      if (lookUp === undefined) return;
      let end = lookUp.end;
      for (const { offset, key } of this.#model.messages) {
        if (key !== lookUp.key || offset < lookUp.first || offset >= lookUp.end) continue;
        if (this.#state.addFound(lookUp, offset) && this.#prng.boolean(0.9)) continue;
        end = offset;
        break;
      }
      this.#state.endLookUp(lookUp, end);
    }
  }

  #check(): void {
    const model = this.#model;
    const counts = this.#state.counts();
    assert.equal(this.#state.startOffset, model.start);
    assert.equal(counts.toCome, model.count('to come'));
    assert.equal(counts.ready, model.count('ready'));
    assert.equal(counts.waiting, model.count('waiting'));
    assert.equal(counts.exhausted, model.count('exhausted'));
    assert.equal(counts.moving, model.count('moving'));
    assert.equal(counts.inFlight, model.count('leased') + model.count('frozen'));
    assert.equal(counts.inFlightBytes, model.heldBytes());
    for (let owner = 0; owner < OWNERS; owner += 1) {
      assert.equal(this.#state.heldBy(owner).bytes, model.heldBytes(owner));
    }
    assert.deepEqual(this.#state.describe(10_000), model.ranges());
  }
}
