/**
 * A topic with a worker on it, on an imaginary disk and clock; handlers end when the test says so.
 */

import type { Broker } from '../../src/broker/broker.js';
import { ConsumerCore } from '../../src/broker/consumer/consumer-core.js';
import type { ProcessOptions } from '../../src/broker/process/process-options.js';
import type {
  ProcessContext,
  ProcessHandler,
  ProcessRecord,
} from '../../src/broker/process/process-record.js';
import type {
  ProcessGroupOptions,
  ProcessWorker,
} from '../../src/broker/process/process-worker.js';
import type { Topic } from '../../src/broker/topic/topic.js';
import { SimBroker } from './broker-fixture.js';
import { settled } from './fixtures.js';

export type BytesTopic = Topic<Buffer, Uint8Array | string>;

/** A call of the handler, as the test sees it. */
export interface Call {
  readonly value: string;
  readonly record: ProcessRecord<Buffer>;
  readonly context: ProcessContext;
  end(): void;
  fail(error?: unknown): void;
}

/** A handler whose calls stay open until the test ends them. */
export class Calls {
  readonly all: Call[] = [];
  readonly open: Call[] = [];

  readonly handler: ProcessHandler<Buffer> = (record, context) =>
    new Promise<void>((resolve, reject) => {
      const leave = (): void => {
        this.open.splice(this.open.indexOf(call), 1);
      };
      const call: Call = {
        value: record.value?.toString() ?? 'null',
        record,
        context,
        end: () => {
          leave();
          resolve();
        },
        fail: (error = new Error('planned')) => {
          leave();
          reject(error);
        },
      };
      this.all.push(call);
      this.open.push(call);
    });

  /** The open call for this value. */
  at(value: string): Call {
    const found = this.open.find((call) => call.value === value);
    if (found === undefined) throw new RangeError(`no open call for ${value}`);
    return found;
  }

  get openValues(): string[] {
    return this.open.map(({ value }) => value);
  }

  get values(): string[] {
    return this.all.map(({ value }) => value);
  }
}

export class ProcessWorld {
  readonly sim: SimBroker;
  readonly broker: Broker;
  readonly topic: BytesTopic;

  private constructor(sim: SimBroker, broker: Broker, topic: BytesTopic) {
    this.sim = sim;
    this.broker = broker;
    this.topic = topic;
  }

  /** A new topic with so many partitions; or what lies there in another broker's folder. */
  static async open(partitions = 1, sim?: SimBroker): Promise<ProcessWorld> {
    const at = sim ?? new SimBroker();
    const broker = await at.open({ groupMinSessionTimeoutMs: 1 });
    const options = sim === undefined ? { partitions } : {};
    return new ProcessWorld(at, broker, await broker.topic('orders', options));
  }

  /** Records with these keys and values: `a1` has the key `a`, and `-1` has none. */
  async send(...values: readonly string[]): Promise<void> {
    for (const value of values) {
      const key = value[0] === '-' ? null : (value[0] ?? null);
      await this.topic.send({ key, value });
    }
  }

  start(
    handler: ProcessHandler<Buffer>,
    options: ProcessOptions = {},
    group: Partial<ProcessGroupOptions> = {},
  ): ProcessWorker {
    return this.topic.process({ group: 'mail', ...group }, handler, options);
  }

  /** The consumers below the workers that are started from now on. */
  cores(): ConsumerCore[] {
    const { consumers } = this.broker;
    const cores: ConsumerCore[] = [];
    const added = consumers.added.bind(consumers);
    consumers.added = (consumer) => {
      if (consumer instanceof ConsumerCore) cores.push(consumer);
      added(consumer);
    };
    return cores;
  }

  /** Moves the time on, in small steps, and lets everything happen that follows. */
  async pass(ms: number): Promise<void> {
    const stepMs = Math.max(1, ms / 50);
    for (let passed = 0; passed < ms; passed += stepMs) {
      this.sim.clock.advance(Math.min(stepMs, ms - passed));
      await settled();
    }
    await settled();
  }

  /** Closes the broker; handlers that do not end are left. */
  async close(): Promise<void> {
    await this.over(this.broker.close());
  }

  /** What the promise resolves to, once enough time has passed. */
  async over<T>(promise: Promise<T>): Promise<T> {
    let isOver = false;
    const note = (): void => {
      isOver = true;
    };
    promise.then(note, note);
    for (let seconds = 0; !isOver && seconds < 200; seconds += 1) await this.pass(1_000);
    return promise;
  }

  async committed(partition = 0): Promise<number | undefined> {
    const { partitions } = await this.broker.groups.describe('mail');
    return partitions.find((at) => at.partition === partition)?.committedOffset;
  }

  /** The values in a topic, with their partitions out of sight. */
  async values(name: string): Promise<string[]> {
    return (await this.records(name)).map(({ value }) => value);
  }

  async records(name: string) {
    const topic = await this.broker.topic(name);
    const found: { value: string; key: string; headers: Record<string, string> }[] = [];
    for (let partition = 0; partition < topic.partitions; partition += 1) {
      const log = await topic.hosted.partition(partition);
      for await (const batch of log.read()) {
        for (const { key, value, headers } of batch) {
          const entries = headers.map((each) => [each.key, each.value?.toString() ?? 'null']);
          found.push({
            value: value?.toString() ?? 'null',
            key: key?.toString() ?? 'null',
            headers: Object.fromEntries(entries),
          });
        }
      }
    }
    return found;
  }
}
