/**
 * Records and batches drawn from a generator: every codec that is there, every kind of field.
 */

import type { Prng } from '../src/base/prng.js';
import { compressBatch } from '../src/storage/batch-compress.js';
import type { ProducerFields } from '../src/storage/batch-encoder.js';
import { HEADER_BYTES } from '../src/storage/batch-format.js';
import { type CodecName, codecNamed, codecNames } from '../src/storage/compression.js';
import type { RecordInput } from '../src/storage/record.js';
import { batchOf } from '../test/support/batch-fixtures.js';

/** The codecs that work here. */
export const availableCodecs: readonly CodecName[] = codecNames().filter((name) =>
  codecNamed(name).isAvailable(),
);

export interface DrawnBatch {
  readonly bytes: Buffer;
  readonly codec: CodecName;
  readonly baseOffset: number;
  readonly records: readonly RecordInput[];
}

export function drawBatch(prng: Prng): DrawnBatch {
  const count = prng.boolean(0.5) ? 1 + prng.integer(4) : 1 + prng.integer(40);
  const records = Array.from({ length: count }, () => drawRecord(prng));
  const baseOffset = prng.pick([0, 1, prng.integer(1_000_000), 2 ** 40, 2 ** 53 - 100]);
  const epoch = prng.integer(5);
  const isPlain = prng.boolean(0.7);
  const fixture = { baseOffset, epoch };
  const plain = batchOf(records, isPlain ? fixture : { ...fixture, producer: drawProducer(prng) });
  const codec = prng.pick(availableCodecs);
  return { bytes: compressed(plain, codec), codec, baseOffset, records };
}

export function drawRecord(prng: Prng): RecordInput {
  const headers = Array.from({ length: prng.boolean(0.8) ? 0 : 1 + prng.integer(3) }, () => ({
    key: `h${prng.integer(10)}`,
    value: drawContent(prng),
  }));
  return {
    key: drawContent(prng),
    value: drawContent(prng),
    headers,
    timestamp: prng.boolean(0.9)
      ? 1_700_000_000_000 + prng.integer(100_000)
      : prng.integer(2 ** 45),
  };
}

/** Bytes, mostly few, sometimes with nothing to compress in them; or null. */
function drawContent(prng: Prng): Uint8Array | null {
  if (prng.boolean(0.15)) return null;
  const count = prng.pick([0, 1, 8, 30, prng.integer(200), prng.integer(2000)]);
  return prng.boolean() ? prng.bytes(count) : new Uint8Array(count).fill(prng.integer(256));
}

function drawProducer(prng: Prng): ProducerFields {
  return {
    producerId: prng.pick([0, 7, 2n ** 63n - 1n]),
    producerEpoch: prng.integer(100),
    baseSequence: prng.integer(1000),
    isTransactional: prng.boolean(),
    isControl: prng.boolean(0.2),
    timestampType: prng.pick(['create', 'log-append']),
  };
}

function compressed(plain: Buffer, codec: CodecName): Buffer {
  if (codec === 'none') return plain;
  const target = Buffer.alloc(2 * plain.length + 1024 + HEADER_BYTES);
  const count = compressBatch(codec, plain, 0, target, 0, target.length);
  if (count === 'does-not-fit') return plain;
  return Buffer.from(target.subarray(0, count));
}
