/**
 * A folder as Kafka leaves it: segments and nothing else, with transactions that were committed or
 * aborted, their marks, producers with sequences, compressed batches, and offsets that skip.
 */

import type { Prng } from '../../src/base/prng.js';
import { controlKey, controlValue } from '../../src/storage/batch-control.js';
import type { ProducerFields } from '../../src/storage/batch-encoder.js';
import { batchBytes, batchMaxTimestamp, batchProducerId } from '../../src/storage/batch-header.js';
import type { CodecName } from '../../src/storage/compression.js';
import type { RecordInput } from '../../src/storage/record.js';
import { segmentPath } from '../../src/storage/segment-files.js';
import { batchOf } from '../support/batch-fixtures.js';
import { codecsHere, compressed, transactional } from '../support/compaction-fixture.js';
import { OracleViolation } from '../support/log-oracle.js';
import { LOG_DIRECTORY } from '../support/log-workload-session.js';
import type { SimDisk } from '../support/sim-file-system.js';
import { type KeyedOracle, type ModelRecord, modelRecord } from './history-oracle.js';
import { drawRecord } from './history-plan.js';

const codecs = codecsHere().filter((codec) => codec !== 'none');
const PRODUCERS = 3;

/** The last batch of a producer, as it was when it was written. */
export interface LastBatch {
  readonly baseOffset: number;
  readonly timestamp: number;
}

/** Puts the segments on the disk and into the oracle; the last batch of each producer. */
export function putForeign(
  disk: SimDisk,
  oracle: KeyedOracle,
  prng: Prng,
  nowMs: number,
): Map<number, LastBatch> {
  const folder = new ForeignFolder(disk, oracle, prng, nowMs);
  const batches = 4 + prng.integer(14);
  for (let drawn = 0; drawn < batches; drawn += 1) folder.draw();
  folder.finish();
  return folder.lastBatches;
}

class ForeignFolder {
  readonly lastBatches = new Map<number, LastBatch>();
  readonly #disk: SimDisk;
  readonly #oracle: KeyedOracle;
  readonly #prng: Prng;
  readonly #nowMs: number;
  /** Records of each transaction that is open, by its producer. */
  readonly #open = new Map<number, number[]>();
  readonly #sequences = new Map<number, number>();
  #baseOffset = 0;
  #segment: Buffer[] = [];
  #ids = 1_000_000;

  constructor(disk: SimDisk, oracle: KeyedOracle, prng: Prng, nowMs: number) {
    this.#disk = disk;
    this.#oracle = oracle;
    this.#prng = prng;
    this.#nowMs = nowMs;
  }

  draw(): void {
    const prng = this.#prng;
    const producerId = prng.integer(PRODUCERS);
    const isOpen = this.#open.has(producerId);
    if (isOpen && prng.boolean(0.4)) this.#end(producerId);
    else if (isOpen || prng.boolean(0.7)) this.#data(producerId, true);
    else this.#data(producerId, false);
    if (prng.boolean(0.3)) this.#roll();
  }

  finish(): void {
    for (const producerId of [...this.#open.keys()]) this.#end(producerId);
    this.#write();
    const end = this.#oracle.records.length;
    this.#oracle.noteEnds(end, end);
  }

  #data(producerId: number, isTransactional: boolean): void {
    const prng = this.#prng;
    const count = 1 + prng.integer(5);
    const records: RecordInput[] = [];
    for (let index = 0; index < count; index += 1) {
      records.push(drawRecord(prng, this.#ids, this.#nowMs, true));
      this.#ids += 1;
    }
    const baseSequence = this.#sequences.get(producerId) ?? 0;
    this.#sequences.set(producerId, baseSequence + count);
    const producer = { ...transactional(producerId, baseSequence), isTransactional };
    if (prng.boolean(0.1)) this.#skip(1 + prng.integer(3));
    const first = this.#oracle.records.length;
    this.#add(
      records,
      records.map((record) => modelRecord(record)),
      producer,
    );
    if (!isTransactional) return;
    const offsets = this.#open.get(producerId) ?? [];
    offsets.push(...records.map((_, index) => first + index));
    this.#open.set(producerId, offsets);
  }

  #end(producerId: number): void {
    const end = this.#prng.boolean(0.4) ? 'abort' : 'commit';
    const offsets = this.#open.get(producerId) ?? [];
    this.#open.delete(producerId);
    for (const offset of offsets) {
      const record = this.#oracle.records[offset];
      if (record !== undefined) record.isAborted = end === 'abort';
    }
    const mark = { key: controlKey(end), value: controlValue(0), timestamp: this.#nowMs };
    const producer = { ...transactional(producerId, -1), isControl: true };
    this.#add([mark], [modelRecord(mark, { marks: offsets })], producer);
  }

  #add(
    records: readonly RecordInput[],
    models: readonly ModelRecord[],
    producer: ProducerFields,
  ): void {
    const baseOffset = this.#oracle.records.length;
    const plain = batchOf(records, { baseOffset, producer });
    const isCompressed = producer.isControl !== true && this.#prng.boolean(0.2);
    const codec: CodecName = isCompressed ? this.#prng.pick(codecs) : 'none';
    this.#segment.push(codec === 'none' ? plain : compressed(plain, codec));
    this.#oracle.append(baseOffset, models);
    const timestamp = batchMaxTimestamp(plain, 0);
    this.lastBatches.set(Number(producer.producerId), { baseOffset, timestamp });
  }

  /** Offsets that a cleaning of Kafka's took away; the next batch lies behind them. */
  #skip(count: number): void {
    if (this.#segment.length === 0) return;
    const nothing = Array.from({ length: count }, () => undefined);
    this.#oracle.append(this.#oracle.records.length, nothing);
  }

  #roll(): void {
    if (this.#segment.length === 0) return;
    this.#write();
    this.#segment = [];
    this.#baseOffset = this.#oracle.records.length;
  }

  #write(): void {
    const path = segmentPath(LOG_DIRECTORY, this.#baseOffset, 'log');
    this.#disk.put(path, Buffer.concat(this.#segment));
  }
}

/** The last batch of a producer stays for as long as its sequence may be asked for. */
export function checkLastBatches(
  disk: SimDisk,
  lastBatches: ReadonlyMap<number, LastBatch>,
  startOffset: number,
  expiredMs: number,
): void {
  const found = new Set<number>();
  for (const path of disk.list(LOG_DIRECTORY)) {
    if (!path.endsWith('.log')) continue;
    const bytes = Buffer.from(disk.readAll(path));
    for (let start = 0; start < bytes.length; start += batchBytes(bytes, start)) {
      found.add(Number(bytes.readBigInt64BE(start)));
      if (batchProducerId(bytes, start) < -1) throw new OracleViolation('a producer is below -1');
    }
  }
  for (const [producerId, { baseOffset, timestamp }] of lastBatches) {
    if (baseOffset < startOffset || timestamp <= expiredMs || found.has(baseOffset)) continue;
    throw new OracleViolation(`the last batch of producer ${producerId}, ${baseOffset}, is gone`);
  }
}
