/**
 * From a place in a batch to a record with a typed value, and what becomes of a value that its
 * codec refuses.
 *
 *     'fail'      the loop gets VALUE_INVALID with the place; nothing behind it is committed
 *     'skip'      the record is passed over, and told on `millrace:consumer:value-skipped`
 *     a function  it gets the record and the error, and the record is passed over; what it returns
 *                 is awaited before anything of the batch is committed, and fails the commit
 */

import { createError, hasCode } from '../../base/errors.js';
import {
  decodeHeaders,
  LogRecord,
  type RecordHeader,
  type RecordPlace,
  viewOf,
} from '../../storage/main.js';
import { asInvalid, type Codec, type ConsumerRecord } from '../topic/codec.js';
import { consumerDiagnostics } from './consumer-diagnostics.js';

/** A record whose value does not fit the codec, as it is stored. */
export interface InvalidRecord {
  readonly topic: string;
  readonly partition: number;
  readonly record: LogRecord;
  /** VALUE_INVALID, with what the codec threw as its cause. */
  readonly error: Error;
}

export type InvalidValuePolicy = 'fail' | 'skip' | ((invalid: InvalidRecord) => unknown);

/** Throws OPTION_INVALID. */
export function checkInvalidValuePolicy(policy: unknown): asserts policy is InvalidValuePolicy {
  if (policy === 'fail' || policy === 'skip' || typeof policy === 'function') return;
  const expected = "'fail', 'skip' or a function";
  throw createError('OPTION_INVALID', { option: 'onInvalidValue', expected, where: 'consumer' });
}

/** Where the records are, for errors. */
export interface DecoderPlace {
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
  /** What a policy returned: awaited before a commit. */
  later(pending: Promise<unknown>): void;
}

export class RecordDecoder<Value> {
  readonly #codec: Codec<Value, never>;
  readonly #policy: InvalidValuePolicy;

  constructor(codec: Codec<Value, never>, policy: InvalidValuePolicy) {
    this.#codec = codec;
    this.#policy = policy;
  }

  /** Undefined when the record is passed over. Throws VALUE_INVALID. */
  read(place: RecordPlace, at: DecoderPlace): ConsumerRecord<Value> | undefined {
    const codec = this.#codec;
    if (codec.recordAt !== undefined) return codec.recordAt(place);
    const bytes = viewOf(place.bytes, place.valueStart, place.valueEnd);
    if (bytes === null) return new DecodedRecord<Value>(place, null);
    let value: Value | Promise<Value>;
    try {
      value = codec.decode(bytes);
    } catch (error) {
      return this.#refuse(new LogRecord(place), at, error);
    }
    if (!(value instanceof Promise)) return new DecodedRecord(place, value);
    value.catch(ignore);
    const reason = 'the codec answers later: use `for await` over the batch';
    throw createError('VALUE_INVALID', { codec: codec.name, reason });
  }

  /** The same of a codec that may answer later. */
  async readLater(record: LogRecord, at: DecoderPlace): Promise<ConsumerRecord<Value> | undefined> {
    const { offset, timestamp, key, value, headers } = record;
    const rest = { offset, timestamp, key, headers };
    if (value === null) return { ...rest, value: null };
    try {
      return { ...rest, value: await this.#codec.decode(value) };
    } catch (error) {
      return this.#refuse(record, at, error);
    }
  }

  #refuse(record: LogRecord, at: DecoderPlace, thrown: unknown): undefined {
    const { group, topic, partition } = at;
    const { offset } = record;
    const refusal = asInvalid(this.#codec, thrown);
    const facts = { ...refusal.facts, topic, partition, offset };
    const error = hasCode(refusal, 'VALUE_INVALID')
      ? createError('VALUE_INVALID', facts, refusal)
      : refusal;
    const policy = this.#policy;
    if (policy === 'fail') throw error;
    if (policy === 'skip') {
      consumerDiagnostics.valueSkipped.publish({ group, topic, partition, offset, cause: error });
      return undefined;
    }
    const pending = policy({ topic, partition, record, error });
    if (pending instanceof Promise) at.later(pending);
    return undefined;
  }
}

/** A record and its value; key and headers are views, made when they are asked for. */
class DecodedRecord<Value> implements ConsumerRecord<Value> {
  readonly offset: number;
  readonly timestamp: number;
  readonly value: Value | null;
  readonly #bytes: Buffer;
  readonly #keyStart: number;
  readonly #keyEnd: number;
  readonly #headerCount: number;
  readonly #headersStart: number;

  constructor(place: RecordPlace, value: Value | null) {
    this.offset = place.offset;
    this.timestamp = place.timestamp;
    this.value = value;
    this.#bytes = place.bytes;
    this.#keyStart = place.keyStart;
    this.#keyEnd = place.keyEnd;
    this.#headerCount = place.headerCount;
    this.#headersStart = place.headersStart;
  }

  get key(): Buffer | null {
    return viewOf(this.#bytes, this.#keyStart, this.#keyEnd);
  }

  get headers(): readonly RecordHeader[] {
    return decodeHeaders(this.#bytes, this.#headersStart, this.#headerCount);
  }
}

function ignore(): void {}
