/**
 * Looking after a queue, mostly one of dead letters: what is in it, why it came there, and back
 * with it.
 *
 * Looks take nothing and change nothing. They read page by page, each bounded in what it gives and
 * in what it reads; `next` goes on behind it.
 */

import type { Clock } from '../../base/clock.js';
import type { LogRecord, RecordHeader } from '../../storage/main.js';
import { unknownQueue } from '../queue/queue-errors.js';
import { groupIn } from '../queue/queue-headers.js';
import { messageId } from '../queue/queue-message-id.js';
import { asInvalid, type Codec } from '../topic/codec.js';
import type { TransactionWork } from '../transaction/transaction.js';
import type { ErrorGroup } from './queue-triage-filter.js';
import { checkFilter, ErrorGroups, matches, type TriageFilter } from './queue-triage-filter.js';
import { type DeadLetterNote, noteIn, sentHeaders } from './queue-triage-letter.js';
import { TriageMove, type TriagePartition, type TriageTarget } from './queue-triage-move.js';
import {
  checkWindow,
  type PageOptions,
  type PurgeOptions,
  type RedriveOptions,
  type ReplayOptions,
  resolveMove,
  resolvePage,
  resolvePurge,
} from './queue-triage-options.js';
import { placeOf, type ScannedPartition, scan, textOfPlace } from './queue-triage-scan.js';

/** A message that is looked at, and not taken. */
export interface PeekedMessage<Value> {
  readonly id: string;
  /** Null also when it cannot be read: see `error`. */
  readonly value: Value | null;
  /** VALUE_INVALID. */
  readonly error: Error | undefined;
  readonly key: Buffer | null;
  /** As they were sent, without those of the dead letter. */
  readonly headers: readonly RecordHeader[];
  readonly timestamp: number;
  readonly priority: number;
  readonly offset: number;
  readonly group: string | undefined;
  /** Undefined for a message that is no dead letter. */
  readonly deadLetter: DeadLetterNote | undefined;
}

export interface PeekedPage<Value> {
  readonly messages: readonly PeekedMessage<Value>[];
  /** For `after`; undefined when everything was seen. Until then a page may be short. */
  readonly next: string | undefined;
}

export interface ErrorGroupsPage<Value> {
  readonly groups: readonly ErrorGroup<PeekedMessage<Value>>[];
  /** How many were counted. */
  readonly messages: number;
  readonly next: string | undefined;
}

export interface Redriven {
  readonly moved: number;
  /** Wanted, and left: a consumer has them, where they came from is gone, or parts are missing. */
  readonly passedOver: number;
}

export interface Replayed {
  readonly replayed: number;
  /** For `after`, when `max` was reached. */
  readonly next: string | undefined;
}

export interface TriageSource {
  readonly queue: string;
  readonly clock: Clock;
  readonly transactions: { run<T>(work: TransactionWork<T>): Promise<T> };
  /** Those that are in use. */
  partitions(): Promise<readonly TriagePartition[]>;
  /** The queue or topic of this name. */
  target(name: string): TriageTarget | undefined;
  /** Everything is done with; resolves to how many messages that were. */
  purgeAll(): Promise<number>;
}

/** What one page reads at most. */
const PAGE_READ_BYTES = 32 * 1024 * 1024;
const GROUPS_READ_BYTES = 256 * 1024 * 1024;

export class QueueTriage<Value> {
  readonly #source: TriageSource;
  readonly #codec: Codec<Value, never>;

  constructor(source: TriageSource, codec: Codec<Value, never>) {
    this.#source = source;
    this.#codec = codec;
  }

  async peek(options: PageOptions = {}): Promise<PeekedPage<Value>> {
    return await this.search({}, options);
  }

  async search(
    filter: TriageFilter<PeekedMessage<Value>>,
    options: PageOptions = {},
  ): Promise<PeekedPage<Value>> {
    checkFilter(filter);
    const { max, after } = resolvePage(options, this.#source.queue);
    const messages: PeekedMessage<Value>[] = [];
    const next = await scan({
      partitions: await this.#source.partitions(),
      from: placeOf(after),
      bytesMax: PAGE_READ_BYTES,
      wanted: 'unfinished',
      visit: async (record, partition) => {
        if (messages.length === max) return false;
        if (!matches(filter, record)) return true;
        const message = await this.#peeked(record, partition);
        if (filter.where?.(message) !== false) messages.push(message);
        return true;
      },
    });
    return { messages, next: textOfPlace(next) };
  }

  async groupByError({
    filter = {},
    after,
  }: {
    readonly filter?: TriageFilter<PeekedMessage<Value>> | undefined;
    readonly after?: string | undefined;
  } = {}): Promise<ErrorGroupsPage<Value>> {
    checkFilter(filter);
    const groups = new ErrorGroups<{ record: LogRecord; partition: ScannedPartition }>();
    const next = await scan({
      partitions: await this.#source.partitions(),
      from: placeOf(after),
      bytesMax: GROUPS_READ_BYTES,
      wanted: 'unfinished',
      visit: async (record, partition) => {
        if (await this.#isWanted(filter, record, partition)) {
          groups.add(record, () => ({ record: record.copy(), partition }));
        }
        return true;
      },
    });
    const listed = groups.list.map(async ({ sample, ...group }) => ({
      ...group,
      sample: await this.#peeked(sample.record, sample.partition),
    }));
    return {
      groups: await Promise.all(listed),
      messages: groups.messages,
      next: textOfPlace(next),
    };
  }

  async redrive({
    filter = {},
    ...options
  }: RedriveOptions<PeekedMessage<Value>> = {}): Promise<Redriven> {
    checkFilter(filter);
    const { to, ...move } = resolveMove(options, this.#source.queue);
    const named = to === undefined ? undefined : this.#target(to);
    const origins = new Map<string, TriageTarget | undefined>();
    const { moved, passedOver } = await new TriageMove({
      ...(await this.#moveParts()),
      ...move,
      isWanted: (record, partition) => this.#isWanted(filter, record, partition),
      targetOf: (record) => {
        const note = noteIn(record.headers);
        if (note?.omitted !== undefined) return undefined;
        return named ?? this.#origin(note, origins);
      },
    }).move();
    return { moved, passedOver };
  }

  async purge(options: PurgeOptions<PeekedMessage<Value>> = {}): Promise<{ purged: number }> {
    const { queue, clock } = this.#source;
    const filter = resolvePurge(options, queue, clock.nowMs());
    if (filter === undefined) return { purged: await this.#source.purgeAll() };
    const { moved } = await new TriageMove({
      ...(await this.#moveParts()),
      max: Number.POSITIVE_INFINITY,
      rate: undefined,
      signal: undefined,
      isWanted: (record, partition) => this.#isWanted(filter, record, partition),
      targetOf: () => 'archive',
    }).move();
    return { purged: moved };
  }

  async replay({ fromMs, untilMs, after, ...options }: ReplayOptions): Promise<Replayed> {
    checkWindow(fromMs, untilMs);
    const { to, ...move } = resolveMove(options, this.#source.queue);
    const target = this.#target(to ?? this.#source.queue);
    const endMs = untilMs ?? this.#source.clock.nowMs();
    const { moved, next } = await new TriageMove({
      ...(await this.#moveParts()),
      ...move,
      isWanted: ({ offset, timestamp }, { state }) =>
        timestamp >= fromMs && timestamp < endMs && !state.ledger.isArchived(offset),
      targetOf: () => target,
    }).copy(placeOf(after));
    return { replayed: moved, next: textOfPlace(next) };
  }

  async #moveParts() {
    const { transactions, clock } = this.#source;
    return { partitions: await this.#source.partitions(), transactions, clock };
  }

  /** Throws UNKNOWN_QUEUE. */
  #target(name: string): TriageTarget {
    const target = this.#source.target(name);
    if (target === undefined) throw unknownQueue(name);
    return target;
  }

  /** One object for all messages of one origin, which are sent together. */
  #origin(
    note: DeadLetterNote | undefined,
    origins: Map<string, TriageTarget | undefined>,
  ): TriageTarget | undefined {
    if (note === undefined) return undefined;
    const name = note.queue ?? note.topic;
    if (!origins.has(name)) origins.set(name, this.#source.target(name));
    return origins.get(name);
  }

  async #isWanted(
    filter: TriageFilter<PeekedMessage<Value>>,
    record: LogRecord,
    partition: ScannedPartition,
  ): Promise<boolean> {
    if (!matches(filter, record)) return false;
    return filter.where?.(await this.#peeked(record, partition)) !== false;
  }

  async #peeked(record: LogRecord, { partition }: ScannedPartition): Promise<PeekedMessage<Value>> {
    const { key, headers, timestamp, offset } = record;
    return {
      id: messageId(partition, offset),
      ...(await this.#valueOf(record)),
      key,
      headers: sentHeaders(headers),
      timestamp,
      priority: partition,
      offset,
      group: groupIn(headers),
      deadLetter: noteIn(headers),
    };
  }

  async #valueOf({ value }: LogRecord): Promise<{ value: Value | null; error: Error | undefined }> {
    try {
      return { value: value === null ? null : await this.#codec.decode(value), error: undefined };
    } catch (error) {
      return { value: null, error: asInvalid(this.#codec, error) };
    }
  }
}
