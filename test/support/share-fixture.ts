/**
 * A topic with a share group on it, on an imaginary disk and clock.
 */

import type { Broker } from '../../src/broker/broker.js';
import type { Delivery } from '../../src/broker/share/share-delivered.js';
import { ShareGroup } from '../../src/broker/share/share-group.js';
import type {
  ShareGroupConfig,
  ShareGroupParts,
} from '../../src/broker/share/share-group-config.js';
import { journalLogOptions, ShareJournal } from '../../src/broker/share/share-journal.js';
import { embedPartitionLog, type PartitionLog } from '../../src/broker/topic/partition-log.js';
import type { Topic } from '../../src/broker/topic/topic.js';
import { Log } from '../../src/storage/log.js';
import { SimBroker } from './broker-fixture.js';
import { settled } from './fixtures.js';

export const JOURNAL = '/journal';

export const SHARE_CONFIG: ShareGroupConfig = {
  leaseMs: 30_000,
  deliveriesMax: 5,
  failuresMax: 5,
  inFlightCountMax: 10_000,
  inFlightBytesMax: 1e9,
  order: 'none',
  isSingleActive: false,
  retainAcknowledgedMs: 0,
  deletesFinished: true,
  startsAt: 'earliest',
};

export interface ShareWorldOptions {
  readonly partitions?: number;
  readonly config?: Partial<ShareGroupConfig>;
  readonly parts?: Partial<ShareGroupParts>;
  /** All states are written anew after so many bytes of the journal. */
  readonly snapshotBytes?: number;
}

export class ShareWorld {
  readonly sim: SimBroker;
  readonly broker: Broker;
  readonly topic: Topic<Buffer, Uint8Array | string>;
  readonly log: PartitionLog;
  readonly journal: ShareJournal;
  readonly group: ShareGroup;

  private constructor(
    sim: SimBroker,
    broker: Broker,
    topic: Topic<Buffer, Uint8Array | string>,
    log: PartitionLog,
    journal: ShareJournal,
    group: ShareGroup,
  ) {
    this.sim = sim;
    this.broker = broker;
    this.topic = topic;
    this.log = log;
    this.journal = journal;
    this.group = group;
  }

  /** A new topic, or what lies in another broker's folder. */
  static async open(options: ShareWorldOptions = {}, at?: SimBroker): Promise<ShareWorld> {
    const sim = at ?? new SimBroker();
    const broker = await sim.open();
    const { partitions = 1 } = options;
    const topic = await broker.topic('orders', at === undefined ? { partitions } : {});
    const log = embedPartitionLog(
      await Log.open(JOURNAL, journalLogOptions, sim.environment.storage),
    );
    const journal = await ShareJournal.open(log, sim.clock, options.snapshotBytes);
    const group = await ShareGroup.open({
      topic: topic.hosted,
      group: 'mail',
      clock: sim.clock,
      journal,
      config: { ...SHARE_CONFIG, ...options.config },
      ...options.parts,
    });
    return new ShareWorld(sim, broker, topic, log, journal, group);
  }

  /** Values as they are, with their first letter as key; `-` has none. */
  async send(...values: readonly string[]): Promise<void> {
    await this.topic.send(
      values.map((value) => ({ key: value[0] === '-' ? null : (value[0] ?? null), value })),
    );
    for (let at = 0; at < this.topic.partitions; at += 1) {
      if (this.topic.hosted.openPartition(at) !== undefined) this.group.noticePartition(at);
    }
    await settled();
  }

  /** The next process, after nothing but what was written is left. */
  kill(options: ShareWorldOptions = {}): Promise<ShareWorld> {
    return ShareWorld.open(options, this.sim.kill());
  }

  /** Moves the time on, and lets everything happen that follows. */
  async pass(ms: number): Promise<void> {
    this.sim.clock.advance(ms);
    await settled();
  }

  async close(): Promise<void> {
    await this.group.close();
    await this.journal.close();
    await this.log.close();
    await this.broker.close();
  }
}

export function valuesOf(deliveries: readonly Delivery[]): string[] {
  return deliveries.map(({ record }) => record.value?.toString() ?? 'null');
}
