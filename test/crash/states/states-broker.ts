/**
 * The world of a broker: two topics, a group, a queue, transactions over all of them.
 */

import { Prng } from '../../../src/base/prng.js';
import type { Broker } from '../../../src/broker/broker.js';
import { BROKER, SimBroker, valuesOfPartition } from '../../support/broker-fixture.js';
import { OracleViolation } from '../../support/log-oracle.js';
import { settled } from '../../support/log-workload-session.js';
import { crashAll } from '../../support/sim-crash.js';
import type { SimDisk } from '../../support/sim-file-system.js';
import { type BrokerChange, BrokerPromises, type BrokerView } from './states-broker-promises.js';
import { isKeptByRecovery } from './states-log.js';
import type { Life, World } from './states-world.js';

interface BrokerStep {
  readonly change: (before: BrokerView, value: string) => BrokerView;
  readonly run: (broker: Broker, value: string, now: BrokerView) => Promise<unknown>;
  /** Answered when the record is written, in `t`. */
  readonly isWritten?: boolean;
  /** Whether its answer says that all that was written to `t` before is durable. */
  readonly isSync?: boolean;
}

const GROUP = 'g';
const MEMBER = { groupId: GROUP, memberId: '', generation: -1 };
const SMALL = 4096;
const RANDOM_LENGTH = 12;

const send: BrokerStep['change'] = (before, value) => ({ ...before, t: [...before.t, value] });
const same: BrokerStep['change'] = (before) => before;

/** The operations of which every sequence is tried. */
export const brokerAlphabet: Readonly<Record<string, BrokerStep>> = {
  send: {
    change: send,
    run: async (broker, value) => (await broker.topic('t')).send({ value }),
  },
  written: {
    change: send,
    isWritten: true,
    run: async (broker, value) => {
      const log = await (await broker.topic('t')).hosted.partition(0);
      await log.append([{ value }], { acks: 'written' });
    },
  },
  large: {
    change: (before, value) => send(before, value.padEnd(2500, '.')),
    run: async (broker, value) =>
      (await broker.topic('t')).send({ value: value.padEnd(2500, '.') }),
  },
  list: {
    change: (before, value) => ({ ...before, u: [...before.u, `${value}1`, `${value}2`] }),
    run: async (broker, value) =>
      (await broker.topic('u')).send([{ value: `${value}1` }, { value: `${value}2` }]),
  },
  topic: {
    change: (before) => ({ ...before, topics: toggled(before.topics, 'v') }),
    run: async (broker, _value, { topics }) => {
      if (topics.includes('v')) return await broker.deleteTopic('v');
      return await broker.createTopic('v');
    },
  },
  alter: {
    change: (before) => ({ ...before, segmentBytes: otherBytes(before) }),
    run: (broker, _value, now) => broker.alterTopic('t', { segmentBytes: otherBytes(now) }),
  },
  commit: {
    change: (before) => ({ ...before, offset: (before.offset ?? 0) + 1 }),
    run: async (broker, _value, { offset = 0 }) => {
      const coordinator = await broker.consumers.coordinator();
      const offsets = [{ topic: 't', partition: 0, offset: offset + 1 }];
      await coordinator.commit({ ...MEMBER, offsets });
    },
  },
  enqueue: {
    change: (before, value) => ({ ...before, queue: [...before.queue, value] }),
    run: async (broker, value) => (await broker.queue('q')).send(value),
  },
  finish: {
    change: (before) => ({ ...before, queue: before.queue.slice(1) }),
    run: async (broker) => {
      const queue = await broker.queue('q');
      for (const message of await queue.receive({ max: 1, waitMs: 0 })) await message.acknowledge();
    },
  },
  transact: {
    isSync: true,
    change: (before, value) => ({
      ...send(before, value),
      u: [...before.u, value],
      offset: (before.offset ?? 0) + 1,
    }),
    run: (broker, value, { offset = 0 }) =>
      broker.transaction(async (transaction) => {
        await Promise.all([
          transaction.send('t', { value, partition: 0 }),
          transaction.send('u', { value, partition: 0 }),
        ]);
        const nextOffset = offset + 1;
        transaction.commitOffsets({ topic: 't', partition: 0, nextOffset, member: MEMBER });
      }),
  },
  abort: {
    isSync: true,
    change: same,
    run: (broker, value) =>
      broker
        .transaction(async (transaction) => {
          await transaction.send('t', { value, partition: 0 });
          throw new Error('undone');
        })
        .catch((error: unknown) => {
          if (!(error instanceof Error) || error.message !== 'undone') throw error;
        }),
  },
  reopen: { isSync: true, change: same, run: async () => undefined },
};

function toggled(names: readonly string[], name: string): string[] {
  const others = names.filter((one) => one !== name);
  return names.includes(name) ? others : [...others, name].sort();
}

function otherBytes({ segmentBytes }: BrokerView): number {
  return segmentBytes === SMALL ? 2 * SMALL : SMALL;
}

/** `send.transact.reopen`, or `random 17`. */
export function brokerWorkload(name: string): readonly string[] {
  const random = /^random (\d+)$/.exec(name);
  const names = Object.keys(brokerAlphabet);
  if (random !== null) {
    const prng = new Prng(Number(random[1]));
    return Array.from({ length: RANDOM_LENGTH }, () => prng.pick(names));
  }
  const steps = name.split('.').filter((one) => one !== '');
  const strange = steps.find((step) => brokerAlphabet[step] === undefined);
  if (strange !== undefined) throw new RangeError(`no such operation: ${strange}`);
  return steps;
}

export class BrokerWorld implements World<BrokerView> {
  readonly name = 'broker';
  readonly isHonest = true;
  readonly #made: { readonly disk: SimDisk; readonly view: BrokerView };

  private constructor(made: { readonly disk: SimDisk; readonly view: BrokerView }) {
    this.#made = made;
  }

  /** Makes the broker on whose disk every workload starts. */
  static async make(): Promise<BrokerWorld> {
    const sim = new SimBroker();
    const broker = await sim.open();
    const topic = await broker.createTopic('t', { segmentBytes: SMALL });
    await broker.createTopic('u');
    await topic.send([{ value: 'made' }]);
    const queue = await broker.queue('q');
    await queue.send('made');
    await broker.consumers.coordinator();
    const view = await lookAt(broker);
    await broker.close();
    return new BrokerWorld({ disk: sim.disk.crash(crashAll(sim.disk)), view });
  }

  start(): { disk: SimDisk; promised: BrokerPromises } {
    return { disk: this.#made.disk.clone(), promised: new BrokerPromises(this.#made.view) };
  }

  steps(workload: string): number {
    return brokerWorkload(workload).length;
  }

  live(workload: string, disk: SimDisk, promised: BrokerPromises): BrokerLife {
    return new BrokerLife(disk, promised, brokerWorkload(workload));
  }

  textOf(view: BrokerView): string {
    return JSON.stringify(view);
  }

  keyOf(): string {
    return '';
  }

  /** The log of producers is not opened before one is needed: what was begun there lies so long. */
  isKept(path: string): boolean {
    return isKeptByRecovery(path) && !path.startsWith(`${BROKER}/__producers-0`);
  }
}

class BrokerLife implements Life<BrokerView> {
  readonly disk: SimDisk;
  readonly promised: BrokerPromises;
  readonly #steps: readonly string[];
  #sim: SimBroker;
  #broker: Broker | undefined;

  constructor(disk: SimDisk, promised: BrokerPromises, steps: readonly string[]) {
    this.disk = disk;
    this.promised = promised;
    this.#steps = steps;
    this.#sim = new SimBroker(disk, undefined, { last: 1000 });
  }

  async recover(): Promise<BrokerView> {
    const broker = await this.#wait('open', this.#sim.open());
    this.#broker = broker;
    return await this.#wait('look', lookAt(broker));
  }

  begin(): void {}

  note(): void {}

  async run(step: number): Promise<void> {
    await this.#run(this.#steps[step] ?? 'send', `s${step}`);
  }

  async goOn(): Promise<void> {
    await this.#run('transact', 'more');
  }

  async close(): Promise<void> {
    const broker = this.#broker;
    if (broker !== undefined) await this.#wait('close', broker.close());
    const [handle] = this.disk.openHandles();
    if (handle !== undefined) throw new OracleViolation(`${handle.path} was left open`);
  }

  async #run(name: string, value: string): Promise<void> {
    const step = brokerAlphabet[name];
    const broker = this.#broker;
    if (step === undefined || broker === undefined) return;
    const change: BrokerChange = (before) => step.change(before, value);
    const { now } = this.promised;
    this.promised.begin(change);
    if (name === 'reopen') await this.#reopen();
    else await this.#wait(name, step.run(broker, value, now));
    this.promised.end(step.isSync === true, step.isWritten === true ? value : undefined);
  }

  async #reopen(): Promise<void> {
    await this.close();
    this.#sim = new SimBroker(this.disk, this.#sim.clock, { last: 2000 });
    this.#broker = await this.#wait('open', this.#sim.open());
  }

  async #wait<Value>(name: string, promise: Promise<Value>): Promise<Value> {
    const result = await settled(this.#sim.clock, name, promise);
    if (result.kind === 'resolved') return result.value;
    throw new OracleViolation(`${name} failed: ${String(result.error)}`, { cause: result.error });
  }
}

async function lookAt(broker: Broker): Promise<BrokerView> {
  const topics = broker.listTopics().map(({ name }) => name);
  const values: string[][] = [];
  for (const name of ['t', 'u']) {
    const log = await (await broker.topic(name)).hosted.partition(0);
    await checkWhole(log, name);
    values.push(await valuesOfPartition(log));
  }
  const [t = [], u = []] = values;
  const coordinator = await broker.consumers.coordinator();
  const [fetched] = await coordinator.fetch(GROUP, [{ topic: 't', partition: 0 }]);
  const page = await (await broker.queue('q')).peek();
  const queue = page.messages.map(({ value }) => String(value));
  const { segmentBytes } = (await broker.topic('t')).hosted.definition.config;
  return { topics, segmentBytes, t, u, offset: fetched?.offset, queue };
}

/** Offsets without a gap, records of transactions and marks included; no transaction is open. */
async function checkWhole(
  log: Awaited<ReturnType<Awaited<ReturnType<Broker['topic']>>['hosted']['partition']>>,
  name: string,
): Promise<void> {
  let next = log.startOffset;
  for await (const batch of log.read({ isolation: 'uncommitted', control: true })) {
    if (batch.baseOffset !== next) {
      const text = `${BROKER}/${name}-0: ${batch.baseOffset} comes where ${next} is next`;
      throw new OracleViolation(text, { kind: 'hole' });
    }
    next += batch.count;
  }
  if (next !== log.durableOffset) {
    throw new OracleViolation(`${name} ends at ${next}, not ${log.durableOffset}`, {
      kind: 'lost',
    });
  }
  if (log.stableOffset !== log.durableOffset) {
    throw new OracleViolation(`a transaction is left open in ${name}`);
  }
}
