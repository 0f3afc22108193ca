/**
 * The offsets of one transaction, and the topics that they point into.
 *
 * A broker that never had a group has no coordinator, so offsets of its first groups wait until the
 * transaction commits: nobody else can hold them yet.
 */

import type { HeldOffsets, TransactionOffset } from '../group/group-transactions.js';
import type { GroupOffsets, OffsetMark } from '../group/offset-entry.js';
import type { HostedTopic } from '../topic/hosted-topic.js';
import { unknownTopic } from '../topic/topic-errors.js';

export interface OffsetsParts {
  /** A place for the offsets of one transaction; undefined while the broker has no groups. */
  readonly holdOffsets: () => HeldOffsets | undefined;
  /** Resolves when it has. */
  readonly openGroups: () => Promise<unknown>;
  /** Undefined when there is no such topic. */
  readonly find: (topic: string) => HostedTopic | undefined;
}

export class TransactionOffsets {
  readonly #parts: OffsetsParts;
  #held: HeldOffsets | undefined;
  #early: TransactionOffset[] = [];
  /** By name, as they were when the first offset into them came. */
  readonly #sources = new Map<string, HostedTopic>();

  constructor(parts: OffsetsParts) {
    this.#parts = parts;
  }

  get isEmpty(): boolean {
    return this.#held?.isEmpty !== false && this.#early.length === 0;
  }

  /** Throws what `HeldOffsets.add` throws, and UNKNOWN_TOPIC. */
  add(source: TransactionOffset): void {
    // Those that came before keep their place.
    if (this.#early.length === 0) this.#held ??= this.#parts.holdOffsets();
    const topic = this.#parts.find(source.topic);
    if (this.#held === undefined) this.#early.push(source);
    else this.#held.add(source);
    if (topic === undefined) throw unknownTopic(source.topic);
    this.#sources.set(source.topic, topic);
  }

  /** Resolves when all are held; rejects as `add` throws. */
  async hold(): Promise<void> {
    if (this.#early.length === 0) return;
    await this.#parts.openGroups();
    this.#held ??= this.#parts.holdOffsets();
    for (const source of this.#early.splice(0)) this.#held?.add(source);
  }

  /** Throws UNKNOWN_TOPIC when a topic is gone, or is another one by now. */
  check(): void {
    for (const [name, topic] of this.#sources) {
      if (this.#parts.find(name) !== topic) throw unknownTopic(name);
    }
  }

  /** Undefined for a topic that no offset points into. */
  topicIdOf(name: string): string | undefined {
    return this.#sources.get(name)?.definition.topicId;
  }

  /** Resolves when the records before each offset are durable. */
  async secure(): Promise<void> {
    await this.#held?.secure();
  }

  /** What is stored if the transaction commits. Throws as `add` does. */
  decide(): readonly GroupOffsets[] {
    return this.#held?.decide() ?? [];
  }

  /** Whether `decide` may succeed later. */
  isPassing(error: unknown): boolean {
    return this.#held?.isPassing(error) === true;
  }

  /** Resolves when the offsets are durable, and seen. */
  async apply(decided: readonly GroupOffsets[], mark: OffsetMark | undefined): Promise<void> {
    await this.#held?.apply(decided, mark);
  }

  endDeciding(): void {
    this.#held?.endDeciding();
  }

  leaveUnknown(): void {
    this.#held?.leaveUnknown();
  }

  release(outcome: 'committed' | 'aborted'): void {
    this.#held?.release(outcome);
  }
}
