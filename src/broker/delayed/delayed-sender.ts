/**
 * Stores messages that wait: checked, in parts of a bounded size, as far as there is room.
 *
 * A message is refused here when the queue's topic would refuse it: what waits can enter.
 */

import { abortable } from '../../base/abortable.js';
import { assert } from '../../base/assert.js';
import { createError, hasCode } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import { checkOne, type RecordHeaderInput, type RecordInput } from '../../storage/main.js';
import { type EncodedRecord, ownRecords } from '../producer/producer-records.js';
import { bytes } from '../topic/codec.js';
import type { HostedTopic } from '../topic/hosted-topic.js';
import type { Transaction } from '../transaction/transaction.js';
import { DUE_MS_MAX } from './delayed-entry.js';
import { type DelayedPlace, delayedHeader, enteredHeader } from './delayed-header.js';
import type { DelayedLimits } from './delayed-limits.js';
import type { DelayedStore } from './delayed-store.js';
import { MESSAGES } from './delayed-topic.js';

export interface DelayedMessage {
  readonly key?: Uint8Array | string | null | undefined;
  readonly value?: Uint8Array | string | null | undefined;
  readonly headers?: readonly RecordHeaderInput[] | undefined;
  /** Of the queue's topic, which it enters. */
  readonly partition: number;
  /** Wall time in milliseconds since 1970; it may be past. */
  readonly dueMs: number;
}

export interface ScheduleOptions {
  readonly acks?: 'durable' | 'written' | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Bytes and messages of one append. */
const APPEND_BYTES = 512 * 1024;
const APPEND_MESSAGES = 1_000;
/** What a message carries while it waits, in bytes, about. */
const HEADER_BYTES = 40;
const LONGEST_HEADER = enteredHeader(limits.offsetMax);

export interface SenderParts {
  readonly store: DelayedStore;
  /** The topic of the delayed messages, and that of the queue. */
  readonly topic: HostedTopic;
  readonly target: HostedTopic;
  readonly limits: DelayedLimits;
}

export class DelayedSender {
  readonly #parts: SenderParts;

  constructor(parts: SenderParts) {
    this.#parts = parts;
  }

  /** See `DelayedMessages.schedule`. */
  async send(
    messages: readonly DelayedMessage[],
    { acks = 'durable', signal }: ScheduleOptions,
  ): Promise<readonly number[]> {
    signal?.throwIfAborted();
    const appends = this.#split(messages).map((part) => this.#append(part, acks, signal));
    const ids = await Promise.all(appends);
    return ids.length === 1 ? (ids[0] ?? []) : ids.flat();
  }

  /** See `DelayedMessages.scheduleIn`. */
  async sendIn(
    transaction: Transaction,
    messages: readonly DelayedMessage[],
  ): Promise<readonly number[]> {
    const { topic, store } = this.#parts;
    for (const message of messages) this.#check(message);
    const records = messages.map((each) => ({ ...waitingRecord(each), partition: MESSAGES }));
    const sent = await transaction.sendTo({ topic, codec: bytes }, records);
    assert('ranges' in sent, 'a list has ranges');
    // The log is read from there on, once that can be seen.
    store.wake();
    return sent.ranges.flatMap(({ baseOffset, lastOffset }) =>
      Array.from({ length: lastOffset - baseOffset + 1 }, (_, index) => baseOffset + index),
    );
  }

  /** The messages in parts of a bounded size. Throws what makes one of them refused. */
  #split(messages: readonly DelayedMessage[]): MessagePart[] {
    const countMax = Math.min(APPEND_MESSAGES, Math.ceil(this.#parts.limits.memoryEntries / 2));
    const parts: MessagePart[] = [];
    let part: MessagePart = { messages: [], bytes: 0 };
    for (const message of messages) {
      const size = this.#check(message) + HEADER_BYTES;
      const isFull = part.bytes + size > APPEND_BYTES || part.messages.length === countMax;
      if (part.messages.length === 0 || isFull) {
        part = { messages: [], bytes: 0 };
        parts.push(part);
      }
      part.messages.push(message);
      part.bytes += size;
    }
    return parts;
  }

  async #append(
    { messages, bytes: size }: MessagePart,
    acks: 'durable' | 'written',
    signal: AbortSignal | undefined,
  ): Promise<readonly number[]> {
    const { store, topic } = this.#parts;
    const { room, messages: log } = store;
    const count = messages.length;
    let records: readonly RecordInput[] = messages.map(waitingRecord);
    const waiting = room.take(count);
    if (waiting !== undefined) {
      records = ownRecords(records);
      await abortable(waiting, signal).catch((error: unknown) => {
        // It may be given to us later all the same.
        waiting.then(() => room.give(count), ignore);
        throw error;
      });
    }
    try {
      const { baseOffset } = await log.append(records, { acks });
      store.appended(baseOffset, messages.map(placeOf), size);
      return messages.map((_, index) => baseOffset + index);
    } catch (error) {
      store.wake();
      if (!hasCode(error, 'LOG_CLOSED')) throw error;
      topic.checkOpen();
      throw createError('BROKER_CLOSED', { topic: topic.name }, error);
    } finally {
      room.give(count);
    }
  }

  /** About the bytes of a message in the queue's topic. Throws when it would be refused there. */
  #check(message: DelayedMessage): number {
    const target: HostedTopic = this.#parts.target;
    const { dueMs, partition, key, value, headers = [] } = message;
    if (!Number.isSafeInteger(dueMs) || dueMs < 0 || dueMs > DUE_MS_MAX) {
      const expected = `whole milliseconds since 1970, at most ${DUE_MS_MAX}`;
      throw createError('OPTION_INVALID', { option: 'dueMs', expected, actual: dueMs });
    }
    target.checkPartition(partition);
    const entering = { key, value, headers: [...headers, LONGEST_HEADER] };
    return checkOne(entering, target.definition.config, 0);
  }
}

interface MessagePart {
  readonly messages: DelayedMessage[];
  bytes: number;
}

function waitingRecord({ key, value, headers = [], ...place }: DelayedMessage): EncodedRecord {
  return { key, value, headers: [delayedHeader(placeOf(place)), ...headers] };
}

function placeOf({ dueMs, partition }: Pick<DelayedMessage, 'dueMs' | 'partition'>): DelayedPlace {
  return { dueMs, partition, id: undefined };
}

function ignore(): void {}
