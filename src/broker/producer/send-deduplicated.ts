/**
 * `send(record, { deduplicationId })`: the record gets its id as one more header, and is sent once.
 */

import { assert } from '../../base/assert.js';
import { createError } from '../../base/errors.js';
import { type Acks, checkOne, type RecordHeaderInput } from '../../storage/main.js';
import { bytes } from '../topic/codec.js';
import { checkDeduplicationId, DEDUPLICATION_HEADER } from './deduplication-header.js';
import type { StoredPlace } from './deduplication-window.js';
import type { ProducerCore, SendOptions, SendTarget } from './producer-core.js';
import {
  type EncodedRecord,
  type EncodedRecords,
  encodeRecords,
  ownRecords,
  type TopicRecord,
} from './producer-records.js';
import type { SentRecord, SentRecords } from './producer-send.js';
import type { RecordWithId } from './topic-deduplication.js';

/**
 * Rejects like `send`, and with OPTION_INVALID for what is no id, and for a producer with
 * `acks: 'none'`, which never learns whether a record was stored.
 */
export async function sendDeduplicated<Value>(
  producer: ProducerCore,
  target: SendTarget<Value>,
  record: TopicRecord<Value>,
  { deduplicationId: id, signal }: SendOptions,
): Promise<SentRecord> {
  checkDeduplicationId(id);
  if (producer.acks === 'none') throw idInvalid("acks 'durable' or 'written'");
  producer.checkSend(target.topic, signal);
  const topic = target.topic.name;
  const sending = new RecordToSend(producer, target, record, { id, signal });
  const sent = producer.deduplications.of(target.topic).send(sending);
  producer.noteSend(sent);
  const { isDuplicate, ...place } = await sent;
  return isDuplicate ? { topic, ...place, isDuplicate } : { topic, ...place };
}

/** A list has no id: its records may be stored apart. */
export function idInvalid(expected: string): Error {
  return createError('OPTION_INVALID', { option: 'deduplicationId', expected });
}

class RecordToSend<Value> implements RecordWithId {
  readonly id: string;
  readonly signal: AbortSignal | undefined;
  readonly #producer: ProducerCore;
  readonly #target: SendTarget<Value>;
  readonly #record: TopicRecord<Value>;
  /** Once the caller may change its memory. */
  #detached: EncodedRecord | undefined;

  constructor(
    producer: ProducerCore,
    target: SendTarget<Value>,
    record: TopicRecord<Value>,
    { id, signal }: { readonly id: string; readonly signal: AbortSignal | undefined },
  ) {
    this.id = id;
    this.signal = signal;
    this.#producer = producer;
    this.#target = target;
    this.#record = record;
  }

  get acks(): Acks {
    return this.#producer.acks;
  }

  send(header: string, after: Promise<void> | undefined): Promise<StoredPlace> {
    const options = { signal: this.signal, after };
    const detached = this.#detached;
    if (detached === undefined) {
      const record = withHeader(this.#record, header);
      return this.#producer.send(this.#target, [record], placeOf, options);
    }
    const target = { topic: this.#target.topic, codec: bytes };
    return this.#producer.send(target, [withHeader(detached, header)], placeOf, options);
  }

  async detach(): Promise<number> {
    if (this.#detached === undefined) {
      const [record] = await owned(encodeRecords([this.#record], this.#target.codec));
      this.#detached = record;
    }
    assert(this.#detached !== undefined, 'a record that is encoded is one still');
    return checkOne(this.#detached, this.#target.topic.definition.config, 0);
  }
}

/** Copied before this returns, when there is something to copy. */
function owned(
  encoded: EncodedRecords | Promise<EncodedRecords>,
): readonly EncodedRecord[] | Promise<readonly EncodedRecord[]> {
  if (encoded instanceof Promise) return encoded.then(({ records }) => records);
  const { records, isBorrowed } = encoded;
  if (!isBorrowed) return records;
  const copies = ownRecords(records);
  return records.map(({ partition }, index) => ({ ...copies[index], partition }));
}

/** What is no record, or no list of headers, stays as it is: sending it is refused. */
function withHeader<Value>(record: TopicRecord<Value>, value: string): TopicRecord<Value> {
  if (typeof record !== 'object' || record === null) return record;
  const given: unknown = record.headers ?? [];
  if (!isList(given)) return record;
  return { ...record, headers: [...given, { key: DEDUPLICATION_HEADER, value }] };
}

function isList(headers: unknown): headers is readonly RecordHeaderInput[] {
  return Array.isArray(headers);
}

function placeOf({ ranges }: SentRecords): StoredPlace {
  const [range] = ranges;
  return { partition: range?.partition ?? -1, offset: range?.baseOffset ?? -1 };
}
