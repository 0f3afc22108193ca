/**
 * How long a queue may get: places, waiting in line, dropping, and the count of bytes.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { QueueBytes } from '../../src/broker/queue/queue-bytes.js';
import { QueueLimits } from '../../src/broker/queue/queue-limits.js';
import { type QueueOptions, resolveQueueOptions } from '../../src/broker/queue/queue-options.js';

/** A queue that is nothing but its messages, oldest first. */
class ImaginaryQueue {
  readonly messages: { readonly offset: number; readonly bytes: number }[] = [];
  readonly limits: QueueLimits;
  options: QueueOptions;
  /** How many cannot be dropped, because somebody has them. */
  held = 0;
  #next = 0;

  constructor(options: QueueOptions) {
    this.options = options;
    this.limits = new QueueLimits({
      queue: 'jobs',
      config: () => resolveQueueOptions('jobs', this.options),
      unfinished: () => this.messages.length,
      catchUp: async () => {},
      partitions: () => [
        {
          partition: 0,
          mayReadAhead: false,
          startOffset: this.messages[0]?.offset ?? this.#next,
          isFinished: (offset) => !this.messages.some((one) => one.offset === offset),
        },
      ],
      averageBytes: 10,
      drop: async ({ count, bytes, countMax }) => {
        let left = { count, bytes };
        let dropped = 0;
        while (this.messages.length > this.held && dropped < countMax) {
          if (left.count <= 0 && left.bytes <= 0) break;
          const [oldest] = this.messages.splice(this.held, 1);
          left = { count: left.count - 1, bytes: left.bytes - (oldest?.bytes ?? 0) };
          this.limits.finished([{ partition: 0, offset: oldest?.offset ?? 0 }]);
          dropped += 1;
        }
        return dropped;
      },
    });
  }

  async send(bytes = 1, signal?: AbortSignal): Promise<number> {
    await this.limits.take(bytes, signal);
    return this.store(bytes);
  }

  /** The message is in the log; its place is given back. */
  store(bytes: number): number {
    const offset = this.#next;
    this.#next += 1;
    this.messages.push({ offset, bytes });
    this.limits.give(bytes, { partition: 0, offset });
    return offset;
  }

  finishOldest(): void {
    const [oldest] = this.messages.splice(0, 1);
    this.limits.finished([{ partition: 0, offset: oldest?.offset ?? 0 }]);
  }
}

suite('queue-limits', () => {
  test('reject: what is being sent counts, and the limit is met exactly', async () => {
    const queue = new ImaginaryQueue({ lengthMax: 3, overflow: 'reject' });
    assert.equal(queue.limits.take(1, undefined), undefined);
    await queue.send();
    await queue.send();
    assert.throws(() => queue.limits.take(1, undefined), { code: 'QUEUE_FULL', retryable: true });
    queue.limits.give(1);
    await queue.send();
    assert.equal(queue.messages.length, 3);
    await assert.rejects(queue.send(), { code: 'QUEUE_FULL' });
  });

  test('wait: sends go on in their order as messages are done with', async () => {
    const queue = new ImaginaryQueue({ lengthMax: 2 });
    await queue.send();
    await queue.send();
    const order: string[] = [];
    const first = queue.send().then(() => order.push('first'));
    const second = queue.send().then(() => order.push('second'));
    await Promise.resolve();
    assert.equal(queue.limits.waitingCount, 2);
    queue.finishOldest();
    await first;
    assert.deepEqual(order, ['first']);
    queue.finishOldest();
    await second;
    assert.deepEqual(order, ['first', 'second']);
    assert.equal(queue.messages.length, 2);
  });

  test('wait: a later send does not pass one that waits for more room', async () => {
    const queue = new ImaginaryQueue({ lengthBytesMax: 10 });
    await queue.send(8);
    const large = queue.send(9);
    const small = queue.send(1);
    await Promise.resolve();
    assert.equal(queue.limits.waitingCount, 2);
    queue.finishOldest();
    await Promise.all([large, small]);
    assert.equal(queue.limits.length().bytes, 10);
  });

  test('wait: a signal ends the wait, and the close of the queue', async () => {
    const queue = new ImaginaryQueue({ lengthMax: 1 });
    await queue.send();
    const controller = new AbortController();
    const left = queue.send(1, controller.signal);
    const stayed = queue.send();
    controller.abort(new Error('enough'));
    await assert.rejects(left, /enough/);
    assert.throws(() => queue.limits.take(1, controller.signal), /enough/);
    queue.limits.close(new Error('gone'));
    await assert.rejects(stayed, /gone/);
    await assert.rejects(queue.send(), /gone/);
    assert.equal(queue.limits.waitingCount, 0);
  });

  test('a limit that is raised lets those in who wait', async () => {
    const queue = new ImaginaryQueue({ lengthMax: 1 });
    await queue.send();
    const waiting = queue.send();
    queue.options = { lengthMax: 2 };
    queue.limits.look();
    await waiting;
    assert.equal(queue.messages.length, 2);
  });

  test('drop-oldest: the oldest go, as many as are needed', async () => {
    const queue = new ImaginaryQueue({ lengthMax: 3, overflow: 'drop-oldest' });
    await Promise.all(Array.from({ length: 10 }, () => queue.send()));
    assert.deepEqual(
      queue.messages.map(({ offset }) => offset),
      [7, 8, 9],
    );
    assert.equal(queue.limits.dropped, 7);
  });

  test('drop-oldest: with bytes, and nothing more than needed', async () => {
    const queue = new ImaginaryQueue({ lengthBytesMax: 10, overflow: 'drop-oldest' });
    for (const bytes of [4, 4, 2]) await queue.send(bytes);
    await queue.send(3);
    assert.deepEqual(
      queue.messages.map(({ bytes }) => bytes),
      [4, 2, 3],
    );
  });

  test('drop-oldest: where consumers have all, the send is refused', async () => {
    const queue = new ImaginaryQueue({ lengthMax: 2, overflow: 'drop-oldest' });
    await queue.send();
    await queue.send();
    queue.held = 2;
    await assert.rejects(queue.send(), { code: 'QUEUE_FULL' });
    queue.held = 0;
    await queue.send();
    assert.equal(queue.messages.length, 2);
  });

  test('bytes come back when messages are purged, or done with before their send', async () => {
    const queue = new ImaginaryQueue({ lengthBytesMax: 100, overflow: 'reject' });
    for (const bytes of [10, 20, 30]) await queue.send(bytes);
    queue.messages.splice(0, 2);
    queue.limits.finished(undefined);
    assert.deepEqual(queue.limits.length(), { count: 1, bytes: 30 });
    assert.equal(queue.limits.take(50, undefined), undefined);
    queue.limits.give(50, { partition: 0, offset: 99 });
    assert.deepEqual(queue.limits.length(), { count: 1, bytes: 30 });
  });

  test('one message may be larger than the limit, when it is alone', async () => {
    const queue = new ImaginaryQueue({ lengthBytesMax: 10, overflow: 'reject' });
    await queue.send(50);
    await assert.rejects(queue.send(1), { code: 'QUEUE_FULL' });
    queue.finishOldest();
    await queue.send(10);
  });
});

suite('queue-bytes', () => {
  test('messages that were sent here count exactly, the others by the average', () => {
    const sizes = new QueueBytes();
    sizes.add(0, 5_000, 0);
    sizes.add(0, 5_001, 7);
    sizes.add(3, 5_001, 100);
    assert.deepEqual(sizes.known, { count: 3, bytes: 107 });
    assert.equal(sizes.total(5, 10), 127);
    sizes.remove(0, 5_001);
    sizes.remove(0, 5_001);
    sizes.remove(0, 77);
    assert.equal(sizes.total(2, 10), 100);
    sizes.removeBelow(3, 5_001);
    assert.equal(sizes.known.count, 2);
    sizes.removeBelow(3, 5_002);
    sizes.removeBelow(0, 9_000);
    assert.deepEqual(sizes.known, { count: 0, bytes: 0 });
  });
});
