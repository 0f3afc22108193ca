/**
 * The log of what is parked of one topic, by all its groups: made when the first message is.
 *
 * A copy is durable before it counts, and only then may the message be deleted from its topic. So a
 * crash leaves the message in its topic, or in both places, which is the same message still.
 */

import type { LogRecord, RecordInput } from '../../storage/main.js';
import { deadTopicOptions } from '../process/process-dead-letters.js';
import type { HostedTopic } from '../topic/hosted-topic.js';
import type { PartitionLog } from '../topic/partition-log.js';
import type { TopicOptions } from '../topic/topic-options.js';
import { type ParkedPlace, parkedInput, parkedKey, placeOfKey, unparked } from './parked-record.js';
import { readOffsets } from './share-read.js';

export interface ParkedTopics {
  find(name: string): HostedTopic | undefined;
  declareInternal(name: string, options: TopicOptions, owner: string): Promise<HostedTopic>;
}

const SEGMENT_BYTES = 4 * 1024 * 1024;
/** Of one append. */
const BATCH_BYTES = 512 * 1024;

/** Whose messages: of a group, in a partition. */
type View = Pick<ParkedPlace, 'group' | 'partition'>;

export class ParkedLog {
  readonly #topics: ParkedTopics;
  readonly #source: HostedTopic;
  /** Of each group and partition: where the copy of each message lies. */
  readonly #copies = new Map<string, Map<number, number>>();

  /** Reads what is parked. Throws LOG_CORRUPT, and what reading throws. */
  static async open(topics: ParkedTopics, source: HostedTopic): Promise<ParkedLog> {
    const parked = new ParkedLog(topics, source);
    const log = await parked.#open();
    if (log !== undefined) await parked.#load(log);
    return parked;
  }

  private constructor(topics: ParkedTopics, source: HostedTopic) {
    this.#topics = topics;
    this.#source = source;
  }

  /** Shared by all who ask; it changes as messages are parked and given back. */
  copiesOf({ group, partition }: View): ReadonlyMap<number, number> {
    return this.#copiesOf({ group, partition });
  }

  async read(offset: number, copy: number): Promise<LogRecord | undefined> {
    const log = await this.#open();
    let found: LogRecord | undefined;
    if (log !== undefined) {
      await readOffsets(log, [copy], (record) => {
        found = unparked(offset, record);
      });
    }
    return found;
  }

  /** Resolves when the copies are durable. */
  async park(view: View, records: readonly LogRecord[]): Promise<void> {
    const log = await this.#make();
    for (let at = 0; at < records.length; ) {
      const batch: RecordInput[] = [];
      const first = at;
      for (let bytes = 0; at < records.length; at += 1) {
        const record = records[at];
        if (record === undefined) break;
        bytes += record.contentBytes;
        if (batch.length > 0 && bytes > BATCH_BYTES) break;
        batch.push(parkedInput({ ...view, offset: record.offset }, record));
      }
      const { baseOffset } = await log.append(batch, { acks: 'durable' });
      const copies = this.#copiesOf(view);
      for (const [index, { offset }] of records.slice(first, at).entries()) {
        copies.set(offset, baseOffset + index);
      }
    }
  }

  /** These are done with: their copies go when the log is compacted. */
  async giveBack(view: View, offsets: readonly number[]): Promise<void> {
    const log = await this.#open();
    const copies = this.#copiesOf(view);
    for (let at = 0; log !== undefined && at < offsets.length; at += 1_000) {
      const some = offsets.slice(at, at + 1_000);
      const gone = some.map((offset) => ({ key: parkedKey({ ...view, offset }), value: null }));
      await log.append(gone, { acks: 'written' });
      for (const offset of some) copies.delete(offset);
    }
  }

  /** The groups and partitions that have copies. */
  views(): readonly View[] {
    return [...this.#copies.keys()].map((text) => {
      const { group, partition } = placeOfKey(text);
      return { group, partition };
    });
  }

  async #load(log: PartitionLog): Promise<void> {
    for await (const batch of log.read()) {
      for (const record of batch) {
        const { offset, ...view } = placeOfKey(record.key?.toString());
        const copies = this.#copiesOf(view);
        if (record.value === null) copies.delete(offset);
        else copies.set(offset, record.offset);
      }
    }
  }

  #copiesOf({ group, partition }: View): Map<number, number> {
    const text = parkedKey({ group, partition, offset: 0 });
    const known = this.#copies.get(text) ?? new Map<number, number>();
    this.#copies.set(text, known);
    return known;
  }

  async #open(): Promise<PartitionLog | undefined> {
    return await this.#topics.find(nameOf(this.#source))?.partition(0);
  }

  async #make(): Promise<PartitionLog> {
    const { name, definition } = this.#source;
    const { recordBytesMax, batchBytesMax } = deadTopicOptions(definition.config);
    const options = {
      cleanup: 'compact',
      segmentBytes: Math.max(SEGMENT_BYTES, 2 * (batchBytesMax ?? 0)),
      recordBytesMax,
      batchBytesMax,
    } as const;
    const topic = await this.#topics.declareInternal(nameOf(this.#source), options, name);
    return await topic.partition(0);
  }
}

function nameOf({ definition }: HostedTopic): string {
  return `__parked-${definition.topicId}`;
}
