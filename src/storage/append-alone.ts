/**
 * Batches that stand alone: those of a producer, ready-made ones, and markers.
 *
 * They are never joined with other appends. Whether one comes next is decided when it gets its
 * place, not when it is asked for: by then everything before it has its own. What is decided and
 * what is noted happens in one synchronous step.
 */

import { createError, type MillraceError } from '../base/errors.js';
import { copyRecords } from './append-admission.js';
import { type AppendLimits, boundOf, type CheckedRecords } from './append-bounds.js';
import {
  type AppendBatchOptions,
  type BatchProducer,
  type CheckedMarker,
  checkMarker,
  checkProducer,
  type ProducerStamp,
  type TransactionMarker,
} from './append-options.js';
import type { AppendResult } from './append-waiters.js';
import { controlKey, controlValue } from './batch-control.js';
import { BatchBuilder, type ProducerFields } from './batch-encoder.js';
import { NO_SEQUENCE } from './batch-format.js';
import { checkReadyBatch } from './batch-ready.js';
import type { WritableLogCore } from './log-core.js';
import { judgeSequence, sequenceAfter } from './producer-sequence.js';
import type { ProducerState } from './producer-states.js';
import type { RecordInput } from './record.js';

/** What there is to be placed. */
export interface LoneBatch {
  /** Bound of its bytes. */
  readonly bytes: number;
  readonly content:
    | { readonly kind: 'records'; readonly records: readonly RecordInput[] }
    | { readonly kind: 'ready'; readonly batch: Uint8Array }
    | { readonly kind: 'marker'; readonly marker: CheckedMarker };
  /** Offsets that it takes. */
  readonly count: number;
  readonly producer: BatchProducer | undefined;
}

/** Where lone batches go; each answers the base offset, or 'full' when there is no room now. */
export interface LonePlaces {
  placeAlone(
    records: readonly RecordInput[],
    bytes: number,
    producer: ProducerFields,
  ): number | 'full';
  placeReady(batch: Uint8Array): number | 'full';
}

export interface PlacedBatch {
  readonly result: AppendResult;
  /** Everything below must be as safe as was asked for. */
  readonly target: number;
}

/** Throws what `append` rejects with. */
export function producerBatch(
  records: readonly RecordInput[],
  stamp: ProducerStamp,
  limits: AppendLimits,
  checked?: CheckedRecords,
): LoneBatch {
  const producer = checkProducer(stamp);
  const bytes = boundOf(records, limits, checked);
  return { bytes, content: { kind: 'records', records }, count: records.length, producer };
}

/** Throws what `appendBatch` rejects with. */
export function readyBatch(
  batch: Uint8Array,
  limits: AppendLimits,
  unreadable?: AppendBatchOptions['unreadable'],
): LoneBatch {
  const { count, producer } = checkReadyBatch(batch, limits, unreadable);
  return { bytes: batch.length, content: { kind: 'ready', batch }, count, producer };
}

/** Throws what `appendMarker` rejects with. */
export function markerBatch(given: TransactionMarker): LoneBatch {
  const marker = checkMarker(given);
  const content = { kind: 'marker', marker } as const;
  return { bytes: MARKER_BYTES_MAX, content, count: 1, producer: undefined };
}

/** The same in memory of its own: the caller's is free to be used again. */
export function copyLone(batch: LoneBatch): LoneBatch {
  const { content } = batch;
  if (content.kind === 'records') {
    return { ...batch, content: { kind: 'records', records: copyRecords(content.records) } };
  }
  if (content.kind === 'ready') {
    return { ...batch, content: { kind: 'ready', batch: new Uint8Array(content.batch) } };
  }
  return batch;
}

/** A marker: a header and one record of a few bytes. */
const MARKER_BYTES_MAX = 128;

/**
 * Gives the batch its place, or finds where it is stored. Throws PRODUCER_FENCED,
 * OUT_OF_ORDER_SEQUENCE, TRANSACTION_STATE_INVALID, COORDINATOR_FENCED, PRODUCERS_FULL.
 */
export function placeLone(
  core: WritableLogCore,
  places: LonePlaces,
  batch: LoneBatch,
): PlacedBatch | 'full' {
  const { content, producer, count } = batch;
  const nowMs = core.clock.nowMs();
  if (content.kind === 'marker') return placeMarker(core, places, content.marker, nowMs);
  if (producer !== undefined) {
    const stored = judgeProducer(core, producer, count, nowMs);
    if (stored !== undefined) return stored;
  }
  const baseOffset =
    content.kind === 'ready'
      ? places.placeReady(content.batch)
      : places.placeAlone(content.records, batch.bytes, producer ?? NO_PRODUCER);
  if (baseOffset === 'full') return 'full';
  const lastOffset = baseOffset + count - 1;
  if (producer !== undefined) {
    const { baseSequence } = producer;
    const lastSequence = sequenceAfter(baseSequence, count - 1);
    const stored = { baseSequence, lastSequence, baseOffset, lastOffset };
    core.producers.noteBatch(producer, stored, nowMs, core.offsets);
  }
  return { result: { baseOffset, lastOffset, isDuplicate: false }, target: lastOffset + 1 };
}

const NO_PRODUCER: ProducerFields = { producerId: -1, producerEpoch: -1, baseSequence: -1 };

/** Where the batch is stored already; undefined when it comes next. */
function judgeProducer(
  core: WritableLogCore,
  producer: BatchProducer,
  count: number,
  nowMs: number,
): PlacedBatch | undefined {
  const { producers } = core;
  const { producerId, producerEpoch, baseSequence, isTransactional } = producer;
  const known = producers.known(producerId, nowMs);
  const lastSequence = sequenceAfter(baseSequence, count - 1);
  const verdict = judgeSequence(known, { producerEpoch, baseSequence, lastSequence });
  switch (verdict.kind) {
    case 'duplicate': {
      const { baseOffset, lastOffset } = verdict.stored;
      return { result: { baseOffset, lastOffset, isDuplicate: true }, target: lastOffset + 1 };
    }
    case 'old-duplicate': {
      const result = { baseOffset: -1, lastOffset: -1, isDuplicate: true };
      return { result, target: verdict.endOffset };
    }
    case 'fenced':
      throw fenced(producerId, producerEpoch, known);
    case 'out-of-order':
      throw createError('OUT_OF_ORDER_SEQUENCE', {
        producerId: producerId.toString(),
        expected: verdict.expected,
        actual: baseSequence,
      });
    case 'next': {
      const transactionOffset = producers.transactions.openOffset(producerId);
      if (transactionOffset !== undefined && !isTransactional) {
        throw createError('TRANSACTION_STATE_INVALID', {
          producerId: producerId.toString(),
          expected: 'a batch of the transaction that is open',
          transactionOffset,
        });
      }
      makeRoom(core, producerId);
      return undefined;
    }
  }
}

function placeMarker(
  core: WritableLogCore,
  places: LonePlaces,
  marker: CheckedMarker,
  nowMs: number,
): PlacedBatch | 'full' {
  const { producers, offsets } = core;
  const { producerId, producerEpoch, coordinatorEpoch, kind } = marker;
  const known = producers.known(producerId, nowMs);
  if (producerEpoch < (known?.producerEpoch ?? -1)) {
    throw fenced(producerId, producerEpoch, known);
  }
  if (coordinatorEpoch < (known?.coordinatorEpoch ?? -1)) {
    throw createError('COORDINATOR_FENCED', {
      producerId: producerId.toString(),
      expected: `${known?.coordinatorEpoch} or later`,
      actual: coordinatorEpoch,
    });
  }
  makeRoom(core, producerId);
  const offset = places.placeReady(encodeMarker(marker, nowMs));
  if (offset === 'full') return 'full';
  const isAborted = kind === 'abort';
  const noted = { producerId, producerEpoch, coordinatorEpoch, isAborted, offset };
  producers.noteMarker(noted, nowMs, offsets);
  const result = { baseOffset: offset, lastOffset: offset, isDuplicate: false };
  return { result, target: offset + 1 };
}

/** Markers are not compressed, whatever the log's codec is. */
function encodeMarker(marker: CheckedMarker, nowMs: number): Uint8Array {
  const { producerId, producerEpoch, kind, coordinatorEpoch } = marker;
  const memory = Buffer.alloc(MARKER_BYTES_MAX);
  const builder = new BatchBuilder();
  builder.begin(memory, 0, memory.length, 0, 0);
  builder.producer({
    producerId,
    producerEpoch,
    baseSequence: NO_SEQUENCE,
    isTransactional: true,
    isControl: true,
  });
  builder.add(controlKey(kind), controlValue(coordinatorEpoch), undefined, nowMs);
  return memory.subarray(0, builder.finish());
}

function makeRoom(core: WritableLogCore, producerId: bigint): void {
  if (core.producers.makeRoom(producerId)) return;
  throw createError('PRODUCERS_FULL', { path: core.directory, producers: core.producers.count });
}

function fenced(
  producerId: bigint,
  producerEpoch: number,
  known: ProducerState | undefined,
): MillraceError {
  return createError('PRODUCER_FENCED', {
    producerId: producerId.toString(),
    expected: `epoch ${known?.producerEpoch} or later`,
    actual: producerEpoch,
  });
}
