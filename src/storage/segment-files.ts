/**
 * File names of a log: the only place that spells them.
 *
 * A segment's files share a stem of 20 decimal digits, its base offset, so that a sorted listing is
 * the order of the log. Everything that is not in the table is left alone and never deleted.
 */

import { join } from 'node:path';
import { limits } from '../base/limits.js';

export const segmentSuffixes = {
  log: '.log',
  offsetIndex: '.index',
  timeIndex: '.timeindex',
  txnIndex: '.txnindex',
  snapshot: '.snapshot',
  seal: '.seal',
} as const;

export type SegmentSuffix = keyof typeof segmentSuffixes;

export const sideFiles = {
  options: 'log.json',
  watermark: 'watermark',
  epochs: 'leader-epoch-checkpoint',
  metadata: 'partition.metadata',
  lock: '.lock',
  socket: '.socket',
} as const;

/** Work in progress: a whole file that has not got its name yet; removed at open. */
export const TEMPORARY_SUFFIX = '.tmp';
/** Bytes that a recovery or a repair cut away, kept for people. */
export const BROKEN_SUFFIX = '.broken';

const DIGITS = 20;
const SEGMENT_NAME = /^(\d{20})(\.[a-z]+)$/;
const BROKEN_NAME = /^\d{20}\.\d+\.broken$/;

const suffixKinds = new Map<string, SegmentSuffix>([
  ['.log', 'log'],
  ['.index', 'offsetIndex'],
  ['.timeindex', 'timeIndex'],
  ['.txnindex', 'txnIndex'],
  ['.snapshot', 'snapshot'],
  ['.seal', 'seal'],
]);
const sideNames = new Set<string>(Object.values(sideFiles));

export type FileName =
  | { readonly kind: 'segment'; readonly baseOffset: number; readonly suffix: SegmentSuffix }
  | { readonly kind: 'side' }
  | { readonly kind: 'temporary' }
  | { readonly kind: 'broken' }
  | { readonly kind: 'foreign' };

export function segmentFileName(baseOffset: number, suffix: SegmentSuffix): string {
  return String(baseOffset).padStart(DIGITS, '0') + segmentSuffixes[suffix];
}

export function segmentPath(directory: string, baseOffset: number, suffix: SegmentSuffix): string {
  return join(directory, segmentFileName(baseOffset, suffix));
}

/** Where bytes cut away from a segment are kept; `number` makes the name unique. */
export function brokenPath(directory: string, baseOffset: number, number: number): string {
  return join(directory, `${String(baseOffset).padStart(DIGITS, '0')}.${number}${BROKEN_SUFFIX}`);
}

/** What a name in the folder of a log means. */
export function parseFileName(name: string): FileName {
  if (sideNames.has(name)) return { kind: 'side' };
  if (name.endsWith(TEMPORARY_SUFFIX)) {
    const target = parseFileName(name.slice(0, -TEMPORARY_SUFFIX.length));
    return target.kind === 'segment' || target.kind === 'side'
      ? { kind: 'temporary' }
      : { kind: 'foreign' };
  }
  if (BROKEN_NAME.test(name)) return { kind: 'broken' };
  const match = SEGMENT_NAME.exec(name);
  const digits = match?.[1];
  const suffix = suffixKinds.get(match?.[2] ?? '');
  if (digits === undefined || suffix === undefined) return { kind: 'foreign' };
  const baseOffset = Number(digits);
  if (baseOffset > limits.offsetMax) return { kind: 'foreign' };
  return { kind: 'segment', baseOffset, suffix };
}
