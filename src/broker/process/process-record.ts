/**
 * What a handler gets, and what it counts against the bound.
 *
 * A record is copied when it is taken in: it may stay for as long as retries take, and would keep
 * the whole chunk that was read in memory.
 */

import type { LogRecord } from '../../storage/main.js';
import type { Codec, ConsumerRecord } from '../topic/codec.js';

export interface ProcessRecord<Output> extends ConsumerRecord<Output> {
  readonly topic: string;
  readonly partition: number;
}

export interface ProcessContext {
  /** Aborts when the handler is to end: the worker stops, or its partition goes to another one. */
  readonly signal: AbortSignal;
  /** 1 at first. */
  readonly attempt: number;
  readonly topic: string;
  readonly partition: number;
}

/** The record is done when this returns, or when its promise resolves. */
export type ProcessHandler<Output> = (
  record: ProcessRecord<Output>,
  context: ProcessContext,
) => unknown;

/** A record's objects, beside its bytes. */
const RECORD_OVERHEAD_BYTES = 256;

/** Memory that the record takes, about. */
export function memoryBytes(record: LogRecord): number {
  return RECORD_OVERHEAD_BYTES + record.contentBytes;
}

/** The record with its value as the codec reads it; rejects or throws what the codec does. */
export function decodeRecord<Output>(
  record: LogRecord,
  at: { readonly topic: string; readonly partition: number },
  codec: Codec<Output, never>,
): ProcessRecord<Output> | Promise<ProcessRecord<Output>> {
  const { value } = record;
  if (value === null) return withValue<Output>(record, at, null);
  const decoded = codec.decode(value);
  if (!(decoded instanceof Promise)) return withValue(record, at, decoded);
  return decoded.then((settled) => withValue(record, at, settled));
}

function withValue<Output>(
  { offset, timestamp, key, headers }: LogRecord,
  { topic, partition }: { readonly topic: string; readonly partition: number },
  value: Output | null,
): ProcessRecord<Output> {
  return { topic, partition, offset, timestamp, key, value, headers };
}
