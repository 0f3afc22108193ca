/**
 * What groups need to know of topics: how many partitions, and where each of them ends.
 *
 * The coordinator never reads records. A committed offset is tied to its log in two ways: the log
 * must be durable up to it before it is stored, and the epoch of the record before it is stored
 * with it, so that an offset into records that were lost is noticed (see `offset-clamp.ts`).
 */

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** A partition as the coordinator sees it; all offsets are exclusive ends but the first. */
export interface GroupPartition {
  readonly startOffset: number;
  /** What readers of durable records may see. */
  readonly durableOffset: number;
  readonly writtenOffset: number;
  /** Makes everything up to and including `offset` durable. */
  flush(offset: number): Promise<unknown>;
  /** The offset of the first record at or after `timestamp` (ms since 1970), if there is one. */
  offsetOf(timestamp: number): Promise<number | undefined>;
  /** The writer epoch of the record at `offset`; -1 when it is not known. */
  epochAt(offset: number): number;
  /** Where `epoch` ends: an exclusive offset; undefined when nothing is known of that epoch. */
  epochEnd(epoch: number): number | undefined;
}

/** The topics that there are. */
export interface TopicCatalog {
  names(): Iterable<string>;
  find(topic: string): { readonly topicId: string; readonly partitionCount: number } | undefined;
}

export interface GroupTopics extends TopicCatalog {
  /** Of a topic that exists; otherwise undefined. */
  partitionCount(topic: string): number | undefined;
  /** Opens the partition when need be; undefined when there is none. */
  partition(topic: string, partition: number): Promise<GroupPartition | undefined>;
  /**
   * Told of every committed offset once it is durable, and of its removal (undefined): retention
   * may go by it. What was committed before the partition was opened: `committedAt`.
   */
  onCommitted(group: string, at: TopicPartition, offset: number | undefined): void;
}
