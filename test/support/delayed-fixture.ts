/**
 * Delayed messages over an imaginary disk and clock, and what has entered the queue.
 */

import type { Broker } from '../../src/broker/broker.js';
import type { DelayedLimits } from '../../src/broker/delayed/delayed-limits.js';
import { DelayedMessages } from '../../src/broker/delayed/delayed-messages.js';
import { delayedTopicOptions } from '../../src/broker/delayed/delayed-topic.js';
import type { HostedTopic } from '../../src/broker/topic/hosted-topic.js';
import type { PartitionLog } from '../../src/broker/topic/partition-log.js';
import { SimBroker } from './broker-fixture.js';
import { settled } from './fixtures.js';

const WAITING = 'delayed';
const QUEUE = 'jobs';

export interface Entered {
  readonly value: string;
  readonly partition: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly timestamp: number;
}

export class DelayedWorld {
  readonly sim: SimBroker;
  readonly broker: Broker;
  readonly delayed: DelayedMessages;
  readonly topic: HostedTopic;
  readonly target: HostedTopic;

  private constructor(
    sim: SimBroker,
    broker: Broker,
    delayed: DelayedMessages,
    topics: { readonly topic: HostedTopic; readonly target: HostedTopic },
  ) {
    this.sim = sim;
    this.broker = broker;
    this.delayed = delayed;
    this.topic = topics.topic;
    this.target = topics.target;
  }

  static async open(
    limits: Partial<DelayedLimits> = {},
    sim: SimBroker = new SimBroker(),
    segmentBytes = 16 * 1024 * 1024,
  ): Promise<DelayedWorld> {
    const broker = await sim.open();
    const { hosted: target } = await broker.topic(QUEUE, {
      partitions: 2,
      retentionMs: 'unlimited',
    });
    const options = { ...delayedTopicOptions(), segmentBytes };
    const { hosted: topic } = await broker.topic(WAITING, options);
    const { transactions } = broker;
    const { clock } = sim;
    const delayed = await DelayedMessages.open({
      queue: QUEUE,
      topic,
      target,
      transactions,
      clock,
      limits,
    });
    return new DelayedWorld(sim, broker, delayed, { topic, target });
  }

  get nowMs(): number {
    return this.sim.clock.nowMs();
  }

  /** Stores values that are due after `delayMs`; resolves to their ids. */
  async send(
    values: readonly string[],
    delayMs: number,
    partition = 0,
  ): Promise<readonly number[]> {
    const dueMs = this.delayed.dueAfter(delayMs);
    return await this.delayed.schedule(values.map((value) => ({ value, partition, dueMs })));
  }

  /** What has entered, in the order in which it did, partition by partition. */
  async entered(): Promise<Entered[]> {
    const found: Entered[] = [];
    for (let partition = 0; partition < this.target.partitions; partition += 1) {
      const log = await this.target.partition(partition);
      for await (const batch of log.read()) {
        for (const { value, headers, timestamp } of batch) {
          const entries = headers.map((each) => [each.key, each.value?.toString() ?? 'null']);
          const text = value?.toString() ?? 'null';
          found.push({ value: text, partition, headers: Object.fromEntries(entries), timestamp });
        }
      }
    }
    return found;
  }

  async values(): Promise<string[]> {
    return (await this.entered()).map(({ value }) => value);
  }

  /** Moves time on by whole milliseconds, in some steps, and lets happen what follows. */
  async pass(ms: number, steps = 4): Promise<void> {
    const stepMs = Math.ceil(ms / steps);
    for (let left = ms; left > 0; left -= stepMs) {
      this.sim.clock.advance(Math.min(left, stepMs));
      await quiet();
    }
  }

  /** Lets happen what happens until nothing waits; time hardly moves. */
  async drained(): Promise<void> {
    await this.drainedTo(0);
  }

  /** The same until only so many wait. */
  async drainedTo(count: number): Promise<void> {
    for (let turn = 0; this.delayed.count > count && turn < 400; turn += 1) {
      await quiet();
      if (turn % 4 === 3) this.sim.clock.advance(100);
    }
  }

  /** What the promise settles to, once what follows from now has happened. */
  async over<T>(promise: Promise<T>): Promise<T> {
    let isOver = false;
    const note = (): void => {
      isOver = true;
    };
    promise.then(note, note);
    for (let turn = 0; !isOver && turn < 10_000; turn += 1) await settled();
    if (!isOver) throw new Error('the promise has not settled');
    return await promise;
  }

  async messages(): Promise<PartitionLog> {
    return await this.topic.partition(0);
  }

  async close(): Promise<void> {
    await this.delayed.close();
    await this.broker.close();
  }

  /** The same folder, opened again in another process. */
  async reopened(limits: Partial<DelayedLimits> = {}): Promise<DelayedWorld> {
    const { segmentBytes } = this.topic.definition.config;
    return await DelayedWorld.open(limits, this.sim, segmentBytes);
  }
}

/** Lets everything happen that is in flight. */
export async function quiet(): Promise<void> {
  for (let turn = 0; turn < 40; turn += 1) await settled();
}
