/**
 * Options of one read, and their check: unknown names and wrong values are refused before anything
 * is read, with the option, what was expected and what was found.
 */

import { createError } from '../base/errors.js';
import { limits } from '../base/limits.js';
import type { Durability, Isolation } from './read-source.js';
import { checkFrom, type ReadFrom } from './read-start.js';

export interface ReadOptions {
  /** Default `'earliest'`. */
  readonly from?: ReadFrom | undefined;
  /** Whether to wait at the end for more. Default false. */
  readonly follow?: boolean | undefined;
  /** Whether to see only what is on the disk (the default), or also what is merely written. */
  readonly durability?: Durability | undefined;
  /**
   * Whether to pass over records of aborted transactions, and to stop where the oldest open one
   * starts (`committed`, the default), or to see them too.
   */
  readonly isolation?: Isolation | undefined;
  /** Whether each batch's checksum is verified. Default true. */
  readonly checkCrcs?: boolean | undefined;
  /** Whether control batches, such as the marks of transactions, are handed out. Default false. */
  readonly control?: boolean | undefined;
  /**
   * The largest single read, 8 KiB to 4 MiB (the default); reads begin small and grow. A reader
   * holds up to two of them.
   */
  readonly readBytesMax?: number | undefined;
  /** Ends the read with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Called with the offset that comes next whenever a read that follows waits for more. Batches
   * that nobody is to see, such as marks and those of aborted transactions, lie before it.
   */
  readonly onWaiting?: ((nextOffset: number) => void) | undefined;
}

export interface CheckedReadOptions {
  readonly from: ReadFrom;
  readonly follow: boolean;
  readonly durability: Durability;
  readonly isolation: Isolation;
  readonly checkCrcs: boolean;
  readonly control: boolean;
  readonly readBytesMax: number;
  readonly signal: AbortSignal | undefined;
  readonly onWaiting: ((nextOffset: number) => void) | undefined;
}

const names = [
  'from',
  'follow',
  'durability',
  'isolation',
  'checkCrcs',
  'control',
  'readBytesMax',
  'signal',
  'onWaiting',
];

export function checkReadOptions(options: ReadOptions): CheckedReadOptions {
  for (const name of Object.keys(options)) {
    if (!names.includes(name)) {
      throw createError('OPTION_UNKNOWN', { option: name, expected: names.join(', ') });
    }
  }
  const from = options.from ?? 'earliest';
  checkFrom(from);
  const durability = options.durability ?? 'durable';
  if (durability !== 'durable' && durability !== 'written') {
    throw invalid('durability', "'durable' or 'written'", durability);
  }
  const isolation = options.isolation ?? 'committed';
  if (isolation !== 'committed' && isolation !== 'uncommitted') {
    throw invalid('isolation', "'committed' or 'uncommitted'", isolation);
  }
  const { signal, onWaiting, readBytesMax = limits.readBytesMax } = options;
  const { readBytesMin: min, readBytesMax: max } = limits;
  if (!Number.isSafeInteger(readBytesMax) || readBytesMax < min || readBytesMax > max) {
    throw invalid('readBytesMax', `a whole number from ${min} to ${max} (bytes)`, readBytesMax);
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw invalid('signal', 'an AbortSignal', signal);
  }
  if (onWaiting !== undefined && typeof onWaiting !== 'function') {
    throw invalid('onWaiting', 'a function', onWaiting);
  }
  return {
    from,
    follow: flag(options, 'follow', false),
    durability,
    isolation,
    checkCrcs: flag(options, 'checkCrcs', true),
    control: flag(options, 'control', false),
    readBytesMax,
    signal,
    onWaiting,
  };
}

function flag(
  options: ReadOptions,
  name: 'follow' | 'checkCrcs' | 'control',
  fallback: boolean,
): boolean {
  const value: unknown = options[name] ?? fallback;
  if (typeof value !== 'boolean') throw invalid(name, 'true or false', value);
  return value;
}

function invalid(option: string, expected: string, actual: unknown): Error {
  return createError('OPTION_INVALID', { option, expected, actual: String(actual).slice(0, 64) });
}
