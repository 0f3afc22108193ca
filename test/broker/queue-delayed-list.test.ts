/**
 * Lists of messages of which all wait for their time: they are stored as one.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Broker } from '../../src/broker/broker.js';
import { SimBroker } from '../support/broker-fixture.js';
import { settled } from '../support/fixtures.js';

/** Its values are encoded when the test says so; `bad` cannot be. */
class SlowText {
  readonly #waiting = new Map<string, () => void>();

  readonly codec = {
    name: 'slow-text',
    encode: (value: string): Promise<string> =>
      new Promise((resolve, reject) => {
        this.#waiting.set(value, () => {
          if (value === 'bad') reject(new Error('it is bad'));
          else resolve(value);
        });
      }),
    decode: (bytes: Uint8Array): string => Buffer.from(bytes).toString(),
  };

  async encode(...values: readonly string[]): Promise<void> {
    await settled();
    for (const value of values) this.#waiting.get(value)?.();
    await settled();
  }
}

async function withBroker(run: (broker: Broker, process: SimBroker) => Promise<void>) {
  const process = new SimBroker();
  const broker = await process.open();
  await run(broker, process);
  await broker.close();
}

async function pass({ clock }: SimBroker, ms: number): Promise<void> {
  await settled();
  clock.advance(ms);
  for (let turn = 0; turn < 3; turn += 1) await settled();
}

test('each message of a list comes at its time, under the id that its send had', async () => {
  await withBroker(async (broker, process) => {
    const jobs = await broker.queue('jobs');
    const sent = await jobs.sendBatch(
      Array.from({ length: 1_500 }, (_, index) => ({
        value: `${index}`,
        delayMs: index < 1_000 ? 50 : 100,
      })),
    );
    assert.equal((await jobs.stats()).delayed, 1_500);
    assert.equal(await sent[7]?.cancel(), true);
    assert.equal(await sent[1_400]?.cancel(), true);
    await pass(process, 50);
    const early = await jobs.receive({ max: 2_000 });
    const late = async () => {
      await pass(process, 50);
      return await jobs.receive({ max: 2_000 });
    };
    const all = [...early, ...(await late())];
    assert.deepEqual([early.length, all.length], [999, 1_498]);
    const ids = new Map(sent.map(({ id }, index) => [id, `${index}`]));
    for (const { id, value } of all) assert.equal(ids.get(id), String(value));
  });
});

test('what is sent behind a list is stored behind it, also when its codec is slow', async () => {
  await withBroker(async (broker, process) => {
    const slow = new SlowText();
    const jobs = await broker.queue('jobs', { codec: slow.codec });
    const list = jobs.sendBatch(['a', 'b'].map((value) => ({ value, delayMs: 10 })));
    const last = jobs.send('c', { delayMs: 10 });
    await slow.encode('c');
    await slow.encode('b', 'a');
    await Promise.all([list, last]);
    await pass(process, 10);
    const values = (await jobs.receive({ max: 10 })).map(({ value }) => value);
    assert.deepEqual(values, ['a', 'b', 'c']);
  });
});

test('nothing of a list is stored when a value is not valid, and others can be sent', async () => {
  await withBroker(async (broker) => {
    const slow = new SlowText();
    const jobs = await broker.queue('jobs', { codec: slow.codec });
    const list = jobs.sendBatch(['a', 'bad'].map((value) => ({ value, delayMs: 10 })));
    const next = jobs.sendBatch([{ value: 'c', delayMs: 10 }]);
    const refused = assert.rejects(list, { code: 'VALUE_INVALID' });
    await slow.encode('c', 'a', 'bad');
    await refused;
    assert.equal((await next).length, 1);
    assert.equal((await jobs.stats()).delayed, 1);
  });
});
