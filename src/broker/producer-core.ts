/**
 * How a producer works: records become shares, shares find room, and go out by partition.
 *
 * What is sent in one turn, or while earlier batches are on their way, goes as one batch per
 * partition. `send` resolves when its records are as safe as `acks` says. Records of one key, and
 * of one partition, keep the order of the calls. After an error the caller decides: a send that
 * failed is not tried again.
 */

import { createError, hasCode } from '../base/errors.js';
import { Prng } from '../base/prng.js';
import type { Acks } from '../storage/main.js';
import type { BrokerEnvironment } from './broker-environment.js';
import type { Codec } from './codec.js';
import type { HostedTopic } from './hosted-topic.js';
import type { PartitionLog } from './partition-log.js';
import { keyPartition, type Partitioner, StickyPartition } from './partitioner.js';
import { ProducerBuffer } from './producer-buffer.js';
import type { ProducerIdentity, ProducerIds } from './producer-ids.js';
import {
  type ProducerConfig,
  type ProducerTableOptions,
  resolveProducerOptions,
} from './producer-options.js';
import { ProducerPace } from './producer-pace.js';
import { PartitionSender, type SenderSurroundings } from './producer-partition.js';
import {
  dealOut,
  type EncodedRecord,
  type EncodedRecords,
  encodeRecords,
  ownRecords,
  type TopicRecord,
} from './producer-records.js';
import { type OpenSend, PendingSend, type SendShare, type SentRecords } from './producer-send.js';

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
}

/** Where a send goes, and how its values become bytes. */
export interface SendTarget<Value> {
  readonly topic: HostedTopic;
  readonly codec: Codec<unknown, Value>;
}

interface TopicSenders {
  readonly sticky: StickyPartition;
  readonly byPartition: Map<number, PartitionSender>;
}

export class ProducerCore {
  readonly #config: ProducerConfig;
  readonly #partitioner: Partitioner | undefined;
  readonly #prng: Prng;
  readonly #buffer: ProducerBuffer;
  readonly #pace: ProducerPace;
  readonly #around: SenderSurroundings;
  readonly #topics = new WeakMap<HostedTopic, TopicSenders>();
  readonly #pending = new Set<OpenSend>();
  readonly #settled = (over: OpenSend): void => void this.#pending.delete(over);
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

  constructor(options: ProducerOptions, environment: BrokerEnvironment, ids: ProducerIds) {
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
      left: (share) => this.#line.delete(share),
      handedOver: (topic, partition, log) => {
        if (this.#config.acks !== 'durable') this.#touched.add(log);
        this.#sendersOf(topic).sticky.handedOver(partition, topic.partitions);
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

  /** `resultOf` makes what the promise resolves to. */
  send<Value, Result>(
    target: SendTarget<Value>,
    records: readonly TopicRecord<Value>[],
    resultOf: (sent: SentRecords) => Result,
    { signal }: SendOptions = {},
  ): Promise<Result> {
    try {
      const { topic } = target;
      this.#checkSendable(topic, records, signal);
      const encoded = encodeRecords(records, target.codec);
      const send = new PendingSend(topic.name, this.#settled, resultOf);
      this.#pending.add(send);
      if (this.#encoding === undefined && !(encoded instanceof Promise)) {
        this.#submitOrFail(send, topic, encoded, signal);
      } else {
        this.#submitLater(send, topic, encoded, signal);
      }
      return send.promise;
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

  #checkSendable(
    topic: HostedTopic,
    records: readonly unknown[],
    signal: AbortSignal | undefined,
  ): void {
    if (this.#isClosed) throw createError('PRODUCER_CLOSED', { topic: topic.name });
    topic.checkOpen();
    if (signal !== undefined && !(signal instanceof AbortSignal)) {
      throw createError('OPTION_INVALID', { option: 'signal', expected: 'an AbortSignal' });
    }
    signal?.throwIfAborted();
    if (this.#encodingCount >= this.#config.waitingSendsMax) throw this.#buffer.fullError();
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
    const { config } = topic.definition;
    const dealt = dealOut(send, encoded.records, config, (one) => this.#partitionOf(topic, one));
    let bytes = 0;
    for (const share of dealt) bytes += share.bytes;
    const records = encoded.records.length;
    const refusal = this.#buffer.refusal(bytes, records);
    if (refusal !== undefined) throw refusal;
    send.expect(dealt.length, records);
    const hasRoom = this.#takeRoom(bytes, records);
    const left = hasRoom ? dealt.filter((share) => !this.#handOver(topic, share)) : dealt;
    const shares = encoded.isBorrowed ? left.map(ownShare) : left;
    if (hasRoom) this.#enqueue(topic, shares, signal);
    else if (this.#config.onFull !== 'wait') throw this.#buffer.fullError();
    else this.#waitForRoom(send, topic, shares, { bytes, records }, signal);
  }

  /** Whether the share went out at once: then nothing of it need be copied. */
  #handOver(topic: HostedTopic, share: SendShare): boolean {
    return this.#senderFor(topic, share.partition).handOverNow(share);
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

  #partitionOf(topic: HostedTopic, record: EncodedRecord): number {
    const { partitions } = topic;
    const { partition } = record;
    if (partition !== undefined) {
      topic.checkPartition(partition);
      return partition;
    }
    const key = record.key ?? null;
    if (this.#partitioner !== undefined) {
      const chosen = this.#partitioner({ key }, partitions);
      topic.checkPartition(chosen);
      return chosen;
    }
    if (key !== null) return keyPartition(key, partitions);
    return this.#sendersOf(topic).sticky.choose(partitions);
  }

  #sendersOf(topic: HostedTopic): TopicSenders {
    const known = this.#topics.get(topic);
    if (known !== undefined) return known;
    const made = { sticky: new StickyPartition(this.#prng), byPartition: new Map() };
    this.#topics.set(topic, made);
    return made;
  }

  #senderFor(topic: HostedTopic, partition: number): PartitionSender {
    const { byPartition } = this.#sendersOf(topic);
    const known = byPartition.get(partition);
    if (known !== undefined) return known;
    const made = new PartitionSender(topic, partition, this.#around);
    byPartition.set(partition, made);
    return made;
  }
}

/** A log that is closed has made durable what it took, or is gone with its topic. */
async function flushUnlessClosed(log: PartitionLog): Promise<void> {
  try {
    await log.flush();
  } catch (error) {
    if (!hasCode(error, 'LOG_CLOSED')) throw error;
  }
}

function owned({ records, isBorrowed }: EncodedRecords): EncodedRecords {
  if (!isBorrowed) return { records, isBorrowed };
  // The copies of `ownRecords` leave out where a record was asked to go.
  const copies = records.map((record) => {
    const [copy] = ownRecords([record]);
    return { ...copy, partition: record.partition };
  });
  return { records: copies, isBorrowed: false };
}

function ownShare(share: SendShare): SendShare {
  return { ...share, records: ownRecords(share.records) };
}
