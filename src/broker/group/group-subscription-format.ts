/**
 * The bytes of Kafka's consumer protocol: what a member subscribes to, and what it is assigned.
 *
 *     subscription   int16 version, [topic], bytes userData, from 1 on: [topic, [partition]] owned,
 *                    from 2 on: int32 generation, from 3 on: string rack
 *     assignment     int16 version, [topic, [partition]], bytes userData
 *     userData of `sticky`   [topic, [partition]] previous assignment, int32 generation
 *
 * Big-endian; a string has an int16 length, an array or bytes an int32 length, -1 is null. A newer
 * version appends fields, so what follows the known ones is passed over. Members write these bytes
 * themselves: whatever does not fit is `undefined`, and no length is believed before the bytes are
 * there.
 */

import type { TopicPartition } from './group-topics.js';

export interface Subscription {
  readonly topics: readonly string[];
  readonly owned: readonly TopicPartition[];
  /** In which the owned partitions were assigned; -1 when unknown. */
  readonly generation: number;
}

const SUBSCRIPTION_VERSION = 3;
const ASSIGNMENT_VERSION = 3;
const UNKNOWN_GENERATION = -1;

export function encodeSubscription(subscription: Subscription): Uint8Array {
  const writer = new FieldWriter();
  writer.int16(SUBSCRIPTION_VERSION);
  writer.int32(subscription.topics.length);
  for (const topic of subscription.topics) writer.text(topic);
  writer.bytes(encodePrevious(subscription));
  writer.partitions(subscription.owned);
  writer.int32(subscription.generation);
  writer.int16(-1);
  return writer.finish();
}

export function decodeSubscription(bytes: Uint8Array): Subscription | undefined {
  try {
    const reader = new FieldReader(bytes);
    const version = reader.int16();
    if (version < 0) return undefined;
    const topics = reader.array(() => reader.text());
    const userData = reader.bytes();
    const owned = version >= 1 ? reader.partitions() : [];
    const generation = version >= 2 ? reader.int32() : UNKNOWN_GENERATION;
    // An eager client gives up what it owns before it joins, and says here what it had.
    const previous = owned.length === 0 ? decodePrevious(userData) : undefined;
    return previous === undefined ? { topics, owned, generation } : { topics, ...previous };
  } catch (error) {
    return undefinedUnlessBug(error);
  }
}

export function encodeAssignment(partitions: readonly TopicPartition[]): Uint8Array {
  const writer = new FieldWriter();
  writer.int16(ASSIGNMENT_VERSION);
  writer.partitions(partitions);
  writer.int32(-1);
  return writer.finish();
}

/** No bytes at all are an empty assignment: a leader may leave a member out. */
export function decodeAssignment(bytes: Uint8Array): TopicPartition[] | undefined {
  if (bytes.length === 0) return [];
  try {
    const reader = new FieldReader(bytes);
    return reader.int16() < 0 ? undefined : reader.partitions();
  } catch (error) {
    return undefinedUnlessBug(error);
  }
}

function encodePrevious({ owned, generation }: Subscription): Uint8Array {
  const writer = new FieldWriter();
  writer.partitions(owned);
  writer.int32(generation);
  return writer.finish();
}

/** User data of other assignors looks different: what does not fit exactly says nothing. */
function decodePrevious(
  userData: Uint8Array | undefined,
): Pick<Subscription, 'owned' | 'generation'> | undefined {
  if (userData === undefined || userData.length === 0) return undefined;
  try {
    const reader = new FieldReader(userData);
    const owned = reader.partitions();
    const generation = reader.isAtEnd ? UNKNOWN_GENERATION : reader.int32();
    return reader.isAtEnd ? { owned, generation } : undefined;
  } catch (error) {
    return undefinedUnlessBug(error);
  }
}

/** The bytes do not hold what they claim to. */
class Misshapen extends Error {}

function undefinedUnlessBug(error: unknown): undefined {
  if (!(error instanceof Misshapen)) throw error;
  return undefined;
}

/** The smallest array element, a partition or an empty text, takes two bytes or more. */
const ELEMENT_BYTES_MIN = 2;

class FieldReader {
  readonly #bytes: Buffer;
  #position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get isAtEnd(): boolean {
    return this.#position === this.#bytes.length;
  }

  int16(): number {
    return this.#bytes.readInt16BE(this.#take(2));
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.#take(4));
  }

  text(): string {
    const count = this.int16();
    if (count < 0) throw new Misshapen();
    const start = this.#take(count);
    return this.#bytes.toString('utf8', start, start + count);
  }

  bytes(): Uint8Array | undefined {
    const count = this.int32();
    if (count < 0) return undefined;
    const start = this.#take(count);
    return this.#bytes.subarray(start, start + count);
  }

  array<T>(element: () => T): T[] {
    const count = this.int32();
    if (count < 0) return [];
    if (count > (this.#bytes.length - this.#position) / ELEMENT_BYTES_MIN) throw new Misshapen();
    return Array.from({ length: count }, element);
  }

  partitions(): TopicPartition[] {
    return this.array(() => {
      const topic = this.text();
      return this.array(() => {
        const partition = this.int32();
        if (partition < 0) throw new Misshapen();
        return { topic, partition };
      });
    }).flat();
  }

  #take(count: number): number {
    const start = this.#position;
    if (count > this.#bytes.length - start) throw new Misshapen();
    this.#position = start + count;
    return start;
  }
}

class FieldWriter {
  readonly #parts: Uint8Array[] = [];

  int16(value: number): void {
    const bytes = Buffer.alloc(2);
    bytes.writeInt16BE(value);
    this.#parts.push(bytes);
  }

  int32(value: number): void {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32BE(value);
    this.#parts.push(bytes);
  }

  text(value: string): void {
    const bytes = Buffer.from(value);
    this.int16(bytes.length);
    this.#parts.push(bytes);
  }

  bytes(value: Uint8Array): void {
    this.int32(value.length);
    this.#parts.push(value);
  }

  partitions(partitions: readonly TopicPartition[]): void {
    const byTopic = new Map<string, number[]>();
    for (const { topic, partition } of partitions) {
      const known = byTopic.get(topic);
      if (known === undefined) byTopic.set(topic, [partition]);
      else known.push(partition);
    }
    this.int32(byTopic.size);
    for (const [topic, numbers] of byTopic) {
      this.text(topic);
      this.int32(numbers.length);
      for (const number of numbers) this.int32(number);
    }
  }

  finish(): Uint8Array {
    return Buffer.concat(this.#parts);
  }
}
