/**
 * How a producer works: records become shares, shares find room, and go out by partition.
 *
 * What is sent in one turn, or while earlier batches are on their way, goes as one batch per
 * partition. `send` resolves when its records are as safe as `acks` says. Records of one key, and
 * of one partition, keep the order of the calls. After an error the caller decides: a send that
 * failed is not tried again.
 */

import { createError, hasCode } from '../../base/errors.js';
import { Prng } from '../../base/prng.js';
import { type Acks, checkOne } from '../../storage/main.js';
import type { BrokerEnvironment } from '../broker-environment.js';
import type { Codec } from '../topic/codec.js';
import type { HostedTopic } from '../topic/hosted-topic.js';
import type { PartitionLog } from '../topic/partition-log.js';
import type { Deduplications } from './deduplications.js';
import type { Partitioner } from './partitioner.js';
import { ProducerBuffer } from './producer-buffer.js';
import { DraftMemory } from './producer-draft.js';
import type { ProducerIdentity, ProducerIds } from './producer-ids.js';
import {
  type ProducerConfig,
  type ProducerTableOptions,
  resolveProducerOptions,
} from './producer-options.js';
import { ProducerPace } from './producer-pace.js';
import type { PartitionSender, SenderSurroundings } from './producer-partition.js';
import {
  dealOut,
  type EncodedRecord,
  type EncodedRecords,
  encodeOne,
  encodeRecords,
  ownRecords,
  type TopicRecord,
} from './producer-records.js';
import {
  type OpenSend,
  ofOnlyOne,
  type Pending,
  PendingSend,
  type PlaceResult,
  SendShare,
  type SentRecords,
} from './producer-send.js';
import { ProducerTopic } from './producer-topic.js';

export interface ProducerOptions extends ProducerTableOptions {
  /** Chooses the partition of records that name none; by key, and sticky, when absent. */
  readonly partitioner?: Partitioner | undefined;
}

export interface SendOptions {
  /**
   * Ends the wait with the signal's reason: what waits for room or in line is not sent. What is on
   * its way already goes on, and the send settles with it.
   */
  readonly signal?: AbortSignal | undefined;
  /**
   * Of the records that are sent to the topic with this id within its `deduplicationWindowMs`, one
   * is stored; 1 to 256 UTF-8 bytes. For a single record, and not with `acks: 'none'`.
   */
  readonly deduplicationId?: string | undefined;
}

/** What this file knows of them: ids are seen to before. */
export interface CoreSendOptions extends Pick<SendOptions, 'signal'> {
  /** The send keeps its place, and goes on once this has resolved; it fails with it too. */
  readonly after?: Promise<void> | undefined;
}

/** Where a send goes, and how its values become bytes. */
export interface SendTarget<Value> {
  readonly topic: HostedTopic;
  readonly codec: Codec<unknown, Value>;
}

export class ProducerCore {
  readonly deduplications: Deduplications;
  readonly #config: ProducerConfig;
  readonly #partitioner: Partitioner | undefined;
  readonly #prng: Prng;
  readonly #buffer: ProducerBuffer;
  readonly #pace: ProducerPace;
  readonly #around: SenderSurroundings;
  readonly #topics = new WeakMap<HostedTopic, ProducerTopic>();
  /** The topic that was sent to last. */
  #last: ProducerTopic | undefined;
  readonly #pending = new Set<Pending>();
  readonly #settled = (over: Pending): void => void this.#pending.delete(over);
  /** In line, oldest first; kept for `drop-oldest` only. */
  readonly #line = new Map<SendShare, PartitionSender>();
  /** Logs that were written to since the last flush. */
  readonly #touched = new Set<PartitionLog>();
  #identity: Promise<ProducerIdentity> | undefined;
  /** The last send whose codec answers later; those behind it wait for it. */
  #encoding: Promise<void> | undefined;
  #encodingCount = 0;
  #isClosed = false;
  #closing: Promise<void> | undefined;

  constructor(
    options: ProducerOptions,
    environment: BrokerEnvironment,
    ids: ProducerIds,
    deduplications: Deduplications,
  ) {
    this.deduplications = deduplications;
    const { partitioner, ...given } = options;
    if (partitioner !== undefined && typeof partitioner !== 'function') {
      const expected = 'a function';
      throw createError('OPTION_INVALID', { option: 'partitioner', expected });
    }
    this.#config = resolveProducerOptions(given);
    this.#partitioner = partitioner;
    this.#prng = new Prng(environment.newSeed());
    this.#buffer = new ProducerBuffer(this.#config);
    this.#pace = new ProducerPace(environment.clock, this.#config);
    this.#around = {
      acks: this.#config.acks,
      identify: () => this.#identify(ids),
      pace: this.#pace,
      memory: new DraftMemory(),
      nowMs: () => environment.clock.nowMs(),
      begun: (draft) => this.#pending.add(draft),
      over: this.#settled,
      left: (share) => this.#line.delete(share),
      handedOver: (topic, partition, log) => {
        if (this.#config.acks !== 'durable') this.#touched.add(log);
        this.#topicOf(topic).sticky.handedOver(partition, topic.partitions);
      },
      ended: (bytes, records) => this.#buffer.give(bytes, records),
    };
  }

  get acks(): Acks {
    return this.#config.acks;
  }

  /** What is buffered or on its way, as a bound of the encoded size. */
  get bufferedBytes(): number {
    return this.#buffer.bytes;
  }

  get bufferedRecords(): number {
    return this.#buffer.records;
  }

  get waitingSends(): number {
    return this.#buffer.waitingCount;
  }

  /** Throws what a send is refused with, whatever its records are. */
  checkSend(topic: HostedTopic, signal: AbortSignal | undefined): void {
    this.#checkOpen(topic);
    if (signal !== undefined && !(signal instanceof AbortSignal)) {
      throw createError('OPTION_INVALID', { option: 'signal', expected: 'an AbortSignal' });
    }
    signal?.throwIfAborted();
  }

  /** A send that is seen to elsewhere, and may come here later: `flush` waits for it too. */
  noteSend(promise: Promise<unknown>): void {
    const pending = { promise };
    const over = (): void => this.#settled(pending);
    this.#pending.add(pending);
    promise.then(over, over);
  }

  /** `resultOf` makes what the promise resolves to. */
  send<Value, Result>(
    target: SendTarget<Value>,
    records: readonly TopicRecord<Value>[],
    resultOf: (sent: SentRecords) => Result,
    { signal, after }: CoreSendOptions = {},
  ): Promise<Result> {
    try {
      const { topic } = target;
      this.#checkSendable(topic, records, signal);
      const encoded = inTurn(encodeRecords(records, target.codec), after);
      return this.#begin(topic, encoded, resultOf, signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** One record without options, the shortest way; `resultOf` makes what it resolves to. */
  sendOne<Value, Result>(
    target: SendTarget<Value>,
    record: TopicRecord<Value>,
    resultOf: PlaceResult<Result>,
  ): Promise<Result> {
    try {
      const { topic } = target;
      this.#checkOpen(topic);
      const encoded = encodeOne(record, target.codec);
      if (encoded instanceof Promise)
        return this.#begin(topic, listed(encoded), ofOnlyOne(resultOf), undefined);
      if (this.#encoding === undefined && this.#config.onFull !== 'drop-oldest') {
        const bytes = checkOne(encoded, topic.definition.config, 0);
        const senders = this.#topicOf(topic);
        const sender = senders.sender(senders.partitionOf(encoded));
        if (this.#buffer.take(bytes, 1)) return sender.addRecord(encoded, bytes, resultOf);
      }
      const records = { records: [encoded], isBorrowed: true };
      return this.#begin(topic, records, ofOnlyOne(resultOf), undefined);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Resolves once every send that was called before has ended, well or not, and what they stored is
   * durable. Rejects with what a log says that cannot make it so.
   */
  async flush(): Promise<void> {
    await Promise.allSettled([...this.#pending].map((send) => send.promise));
    const touched = [...this.#touched];
    this.#touched.clear();
    await Promise.all(touched.map(flushUnlessClosed));
  }

  /** Sends what was accepted, then refuses. Idempotent. */
  close(): Promise<void> {
    this.#isClosed = true;
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    try {
      await this.flush();
    } finally {
      this.#pace.close();
      const identity = await this.#identity?.catch(() => undefined);
      identity?.giveUp();
    }
  }

  /** Who this producer is to the logs, from its first batch on; nobody when it is not numbered. */
  #identify(ids: ProducerIds): Promise<ProducerIdentity | undefined> {
    const { idempotent, name } = this.#config;
    if (!idempotent) return Promise.resolve(undefined);
    if (this.#identity === undefined) {
      const identity = name === '' ? ids.allot() : ids.claim(name);
      this.#identity = identity;
      identity.catch(() => {
        this.#identity = undefined;
      });
    }
    return this.#identity;
  }

  #begin<Result>(
    topic: HostedTopic,
    encoded: EncodedRecords | Promise<EncodedRecords>,
    resultOf: (sent: SentRecords) => Result,
    signal: AbortSignal | undefined,
  ): Promise<Result> {
    const send = new PendingSend(topic.name, this.#settled, resultOf);
    this.#pending.add(send);
    if (this.#encoding === undefined && !(encoded instanceof Promise)) {
      this.#submitOrFail(send, topic, encoded, signal);
    } else {
      this.#submitLater(send, topic, encoded, signal);
    }
    return send.promise;
  }

  #checkOpen(topic: HostedTopic): void {
    if (this.#isClosed) throw createError('PRODUCER_CLOSED', { topic: topic.name });
    topic.checkOpen();
    if (this.#encodingCount >= this.#config.waitingSendsMax) throw this.#buffer.fullError();
  }

  #checkSendable(
    topic: HostedTopic,
    records: readonly unknown[],
    signal: AbortSignal | undefined,
  ): void {
    this.checkSend(topic, signal);
    if (records.length > 0) return;
    const reason = 'a send takes at least one record';
    throw createError('RECORD_INVALID', { field: 'records', reason });
  }

  /** Behind the sends whose codecs have not answered: their order is kept. */
  #submitLater(
    send: OpenSend,
    topic: HostedTopic,
    given: EncodedRecords | Promise<EncodedRecords>,
    signal: AbortSignal | undefined,
  ): void {
    const before = this.#encoding;
    const encoded = given instanceof Promise ? given : owned(given);
    const turn = async (): Promise<void> => {
      const settled = await Promise.allSettled([encoded]);
      await before;
      const [outcome] = settled;
      if (outcome.status === 'rejected') send.fail(outcome.reason);
      else if (!send.isOver) this.#submitOrFail(send, topic, outcome.value, signal);
    };
    this.#encodingCount += 1;
    const encoding = turn().then(() => {
      this.#encodingCount -= 1;
      if (this.#encoding === encoding) this.#encoding = undefined;
    });
    this.#encoding = encoding;
  }

  #submitOrFail(
    send: OpenSend,
    topic: HostedTopic,
    encoded: EncodedRecords,
    signal: AbortSignal | undefined,
  ): void {
    try {
      signal?.throwIfAborted();
      this.#submit(send, topic, encoded, signal);
    } catch (error) {
      send.fail(error);
    }
  }

  /** Throws what the send is refused with. */
  #submit(
    send: OpenSend,
    topic: HostedTopic,
    encoded: EncodedRecords,
    signal: AbortSignal | undefined,
  ): void {
    const senders = this.#topicOf(topic);
    const dealt = dealOut(send, encoded.records, topic.definition.config, senders);
    let bytes = 0;
    for (const share of dealt) bytes += share.bytes;
    const records = encoded.records.length;
    const refusal = this.#buffer.refusal(bytes, records);
    if (refusal !== undefined) throw refusal;
    send.expect(dealt.length, records);
    const hasRoom = this.#takeRoom(bytes, records);
    const mayLeave = signal !== undefined || this.#config.onFull === 'drop-oldest';
    const left = hasRoom ? dealt.filter((share) => !this.#passOn(senders, share, mayLeave)) : dealt;
    if (left.length === 0) return;
    const shares = encoded.isBorrowed ? left.map(ownShare) : left;
    if (hasRoom) this.#enqueue(topic, shares, signal);
    else if (this.#config.onFull !== 'wait') throw this.#buffer.fullError();
    else this.#waitForRoom(send, topic, shares, { bytes, records }, signal);
  }

  /** Whether the share went out, or was encoded, at once: then nothing of it need be copied. */
  #passOn(senders: ProducerTopic, share: SendShare, mayLeave: boolean): boolean {
    const sender = senders.sender(share.partition);
    if (sender.handOverNow(share)) return true;
    if (mayLeave) return false;
    sender.addShare(share);
    return true;
  }

  #waitForRoom(
    send: OpenSend,
    topic: HostedTopic,
    shares: readonly SendShare[],
    size: { readonly bytes: number; readonly records: number },
    signal: AbortSignal | undefined,
  ): void {
    const request = {
      ...size,
      admit: (): void => {
        signal?.removeEventListener('abort', leave);
        this.#enqueue(topic, shares, signal);
      },
    };
    const leave = (): void => {
      this.#buffer.leave(request);
      send.fail(signal?.reason);
    };
    const refusal = this.#buffer.wait(request);
    if (refusal !== undefined) throw refusal;
    signal?.addEventListener('abort', leave, { once: true });
  }

  #takeRoom(bytes: number, records: number): boolean {
    if (this.#buffer.take(bytes, records)) return true;
    if (this.#config.onFull !== 'drop-oldest') return false;
    for (const [oldest, sender] of this.#line) {
      this.#drop(oldest, sender, createError('RECORD_DROPPED', { topic: oldest.send.topic }));
      if (this.#buffer.take(bytes, records)) return true;
    }
    return false;
  }

  #enqueue(
    topic: HostedTopic,
    shares: readonly SendShare[],
    signal: AbortSignal | undefined,
  ): void {
    for (const share of shares) {
      const sender = this.#senderFor(topic, share.partition);
      if (this.#config.onFull === 'drop-oldest') this.#line.set(share, sender);
      sender.push(share);
    }
    const [first] = shares;
    if (signal === undefined || first === undefined) return;
    const drop = (): void => {
      for (const share of shares) {
        this.#drop(share, this.#senderFor(topic, share.partition), signal.reason);
      }
    };
    signal.addEventListener('abort', drop, { once: true });
    const ignore = (): void => signal.removeEventListener('abort', drop);
    first.send.promise.then(ignore, ignore);
  }

  /** Takes a share out of the line, when it is in it, and fails its send. */
  #drop(share: SendShare, sender: PartitionSender, reason: unknown): void {
    this.#line.delete(share);
    if (!sender.remove(share)) return;
    share.send.fail(reason);
    this.#buffer.give(share.bytes, share.records.length);
  }

  #topicOf(topic: HostedTopic): ProducerTopic {
    if (this.#last?.topic === topic) return this.#last;
    const known = this.#topics.get(topic);
    const found = known ?? new ProducerTopic(topic, this.#partitioner, this.#prng, this.#around);
    if (known === undefined) this.#topics.set(topic, found);
    this.#last = found;
    return found;
  }

  #senderFor(topic: HostedTopic, partition: number): PartitionSender {
    return this.#topicOf(topic).sender(partition);
  }
}

async function listed(encoded: Promise<EncodedRecord>): Promise<EncodedRecords> {
  return { records: [await encoded], isBorrowed: false };
}

/** A log that is closed has made durable what it took, or is gone with its topic. */
async function flushUnlessClosed(log: PartitionLog): Promise<void> {
  try {
    await log.flush();
  } catch (error) {
    if (!hasCode(error, 'LOG_CLOSED')) throw error;
  }
}

/** Records that are to wait are copied before the caller gets its memory back. */
function inTurn(
  encoded: EncodedRecords | Promise<EncodedRecords>,
  after: Promise<void> | undefined,
): EncodedRecords | Promise<EncodedRecords> {
  if (after === undefined) return encoded;
  const kept = encoded instanceof Promise ? encoded : owned(encoded);
  return Promise.all([kept, after]).then(([records]) => records);
}

async function owned({ records, isBorrowed }: EncodedRecords): Promise<EncodedRecords> {
  if (!isBorrowed) return { records, isBorrowed };
  // The copies of `ownRecords` leave out where a record was asked to go.
  const copies = records.map((record) => {
    const [copy] = ownRecords([record]);
    return { ...copy, partition: record.partition };
  });
  return { records: copies, isBorrowed: false };
}

function ownShare({ send, partition, records, bytes, limits }: SendShare): SendShare {
  return new SendShare(send, partition, ownRecords(records), bytes, limits);
}
