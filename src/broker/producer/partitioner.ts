/**
 * Which partition a record goes to.
 *
 * A key goes by its murmur2 hash, so that every client of Kafka puts it where we do; this holds as
 * long as the number of partitions stays. Records without a key stick to one partition until a
 * batch of it was handed over: batches are larger, and over time all partitions get their share.
 */

import type { Prng } from '../../base/prng.js';
import { murmur2, murmur2Ascii } from './murmur2.js';

export interface PartitionedRecord {
  readonly key: Uint8Array | string | null;
}

/** A partition from 0 to `partitions - 1`; called for records with and without a key. */
export type Partitioner = (record: PartitionedRecord, partitions: number) => number;

/** Kafka's partition of a key. */
export function keyPartition(key: Uint8Array | string, partitions: number): number {
  return (hashOf(key) & 0x7fff_ffff) % partitions;
}

/** Longer text is written faster than it is read character by character. */
const ASCII_UNITS_MAX = 64;
/** Text of this many UTF-16 units fits into the scratch memory, whatever it is. */
const SCRATCH_UNITS = 256;
const scratch = Buffer.alloc(3 * SCRATCH_UNITS);

function hashOf(key: Uint8Array | string): number {
  if (typeof key !== 'string') return murmur2(key);
  const hash = key.length <= ASCII_UNITS_MAX ? murmur2Ascii(key) : undefined;
  if (hash !== undefined) return hash;
  if (key.length > SCRATCH_UNITS) return murmur2(Buffer.from(key));
  return murmur2(scratch, scratch.write(key));
}

/** The partition that the keyless records of one producer stick to, in one topic. */
export class StickyPartition {
  readonly #prng: Prng;
  #partition: number | undefined;

  constructor(prng: Prng) {
    this.#prng = prng;
  }

  choose(partitions: number): number {
    this.#partition ??= this.#prng.integer(partitions);
    return this.#partition;
  }

  /** A batch of `partition` was handed over: another one is next, each as likely. */
  handedOver(partition: number, partitions: number): void {
    if (partition !== this.#partition || partitions < 2) return;
    const step = 1 + this.#prng.integer(partitions - 1);
    this.#partition = (partition + step) % partitions;
  }
}
