// Deduplication over random lives of a broker: one record for each id of a window.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Prng } from '../../src/base/prng.js';
import type { Broker } from '../../src/broker/broker.js';
import { decodeStoredId } from '../../src/broker/producer/deduplication-header.js';
import type { SentRecord } from '../../src/broker/producer/producer-send.js';
import type { Topic } from '../../src/broker/topic/topic.js';
import { SimBroker } from '../support/broker-fixture.js';
import { settle } from '../support/consumer-fixture.js';
import { testRuns, withSeed } from '../support/seed.js';
import { randomCrash } from '../support/sim-crash.js';

const windowMs = 10_000;
const STEPS = 60;
const IDS = 6;

type BytesTopic = Topic<Buffer, Uint8Array | string>;

interface Acked extends SentRecord {
  readonly id: string;
}

class Life {
  readonly #prng: Prng;
  #sim = new SimBroker();
  #broker: Broker | undefined;
  /** What a durable send resolved to. */
  readonly #acked: Acked[] = [];

  constructor(prng: Prng) {
    this.#prng = prng;
  }

  async run(): Promise<void> {
    for (let step = 0; step < STEPS; step += 1) await this.#step();
    await this.#end('close');
    await this.#broker?.close();
  }

  async #step(): Promise<void> {
    const prng = this.#prng;
    const topic = await this.#topic();
    const choice = prng.integer(20);
    if (choice < 12) this.#send(topic);
    else if (choice < 14) this.#sim.clock.advance(prng.integer(windowMs / 2));
    else if (choice === 14) this.#fillDisk(prng.integer(topic.partitions));
    else if (choice === 15 && topic.partitions < 4) {
      await (await this.#open()).growTopic('a', topic.partitions + 1);
    } else if (choice === 16) await this.#end('close');
    else if (choice === 17) await this.#end('kill');
    else if (choice === 18) await this.#end('cut');
    else await settle();
  }

  /** The next write to a segment of the partition finds no space. */
  #fillDisk(partition: number): void {
    this.#sim.disk.fail({ name: 'write', path: `/a-${partition}/0`, errno: 'ENOSPC' });
  }

  async #open(): Promise<Broker> {
    this.#broker ??= await this.#sim.open();
    return this.#broker;
  }

  async #topic(): Promise<BytesTopic> {
    const broker = await this.#open();
    const known = broker.listTopics().length > 0;
    return await broker.topic('a', known ? {} : { deduplicationWindowMs: windowMs, partitions: 2 });
  }

  #send(topic: BytesTopic): void {
    const prng = this.#prng;
    const id = `${prng.integer(IDS)}`;
    const acks = prng.boolean(0.3) ? 'written' : 'durable';
    const producer = this.#broker?.producer({ acks });
    const partition = prng.integer(topic.partitions);
    const options = prng.boolean(0.8) ? { deduplicationId: id } : {};
    const sent = producer?.send(topic, { value: id, partition }, options);
    if (sent === undefined) return;
    const sim = this.#sim;
    const note = (place: SentRecord): void => {
      // What a process is told behind its end counts for nobody.
      if (acks !== 'durable' || sim !== this.#sim) return;
      if ('deduplicationId' in options) this.#acked.push({ ...place, id });
    };
    // A full disk, or the end of the process: then nothing was promised.
    sent.then(note, () => undefined);
  }

  async #end(kind: 'close' | 'kill' | 'cut'): Promise<void> {
    const broker = this.#broker;
    this.#broker = undefined;
    this.#sim.disk.heal();
    if (kind === 'close') {
      await broker?.close();
      this.#sim = this.#sim.kill();
    } else if (kind === 'kill') {
      this.#sim = this.#sim.kill();
    } else {
      const choice = randomCrash(this.#sim.disk, this.#prng.integer(2 ** 31));
      this.#sim = this.#sim.crash(choice);
    }
    await this.#check(await this.#open());
  }

  /** Records of one id are a window apart, and what was acknowledged is there. */
  async #check(broker: Broker): Promise<void> {
    if (broker.listTopics().length === 0) return;
    const { hosted } = await broker.topic('a');
    const sentAt = new Map<string, number[]>();
    const there = new Set<string>();
    for (let partition = 0; partition < hosted.partitions; partition += 1) {
      for await (const batch of (await hosted.partition(partition)).read()) {
        for (const { offset, value, headers } of batch) {
          const header = headers.at(-1)?.value ?? null;
          const stored = decodeStoredId(hosted.definition.topicId, header);
          if (stored === undefined) continue;
          assert.equal(`${value}`, stored.id);
          there.add(`${partition} ${offset} ${stored.id}`);
          sentAt.set(stored.id, [...(sentAt.get(stored.id) ?? []), stored.sentMs]);
        }
      }
    }
    for (const [id, times] of sentAt) {
      times.sort((one, other) => one - other);
      for (let index = 1; index < times.length; index += 1) {
        const apartMs = (times[index] ?? 0) - (times[index - 1] ?? 0);
        assert(apartMs >= windowMs, `${id} was stored twice, ${apartMs} ms apart`);
      }
    }
    for (const { id, partition, offset } of this.#acked) {
      assert(there.has(`${partition} ${offset} ${id}`), `${id} is not at ${partition} ${offset}`);
    }
  }
}

test('deduplication: one record for each id and window, in random lives', async () => {
  for (let run = 0; run < testRuns(8); run += 1) {
    await withSeed((prng) => new Life(prng).run());
  }
});
