/**
 * File names of a log: the only place that spells them.
 *
 * A segment's files share a stem of 20 decimal digits, its base offset, so that a sorted listing is
 * the order of the log. Everything that is not in the table is left alone and never deleted.
 */

import { join } from 'node:path';
import { assert } from '../base/assert.js';
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

/** Files of a segment beside its batches. */
export const sideSuffixes: readonly SegmentSuffix[] = [
  'offsetIndex',
  'timeIndex',
  'txnIndex',
  'snapshot',
  'seal',
];

/** All files of a segment in the order in which they go: a rest is never a segment. */
export const segmentSuffixesInOrder: readonly SegmentSuffix[] = [...sideSuffixes, 'log'];

export const sideFiles = {
  options: 'log.json',
  watermark: 'watermark',
  epochs: 'leader-epoch-checkpoint',
  metadata: 'partition.metadata',
  lock: '.lock',
  socket: '.socket',
  reserve: 'reserve',
  /** There while a folder of another engine is made ours: it is that engine's still. */
  adoption: 'adopting',
} as const;

/** Work in progress: a whole file that has not got its name yet; removed at open. */
export const TEMPORARY_SUFFIX = '.tmp';
/** Bytes that a recovery or a repair cut away, kept for people. */
export const BROKEN_SUFFIX = '.broken';
/** A file of a cleaned segment that has not replaced anything yet; open removes it. */
export const CLEANED_SUFFIX = '.cleaned';
/** A file of a cleaned segment that is about to get its name; open finishes or undoes it. */
export const SWAP_SUFFIX = '.swap';
/** A file of a segment that was replaced and that a reader may still be in; open removes it. */
export const DELETED_SUFFIX = '.deleted';

const DIGITS = 20;
const BROKEN_NAME = /^\d{20}\.\d+\.broken$/;
const WORK_NAME = /^(\d{20}\.[a-z]+)(?:\.([1-9]\d{0,14}))?\.(cleaned|swap|deleted)$/;

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
  | WorkFileName
  | { readonly kind: 'foreign' };

/** A file of a segment that is being put in the place of others, or was replaced. */
export type WorkFileName =
  | {
      readonly kind: 'cleaned' | 'swap';
      readonly baseOffset: number;
      readonly suffix: SegmentSuffix;
    }
  | {
      readonly kind: 'deleted';
      readonly baseOffset: number;
      readonly suffix: SegmentSuffix;
      /** Which replacement it was; 1 or more. */
      readonly number: number;
    };

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

export function cleanedName(baseOffset: number, suffix: SegmentSuffix): string {
  return segmentFileName(baseOffset, suffix) + CLEANED_SUFFIX;
}

export function swapName(baseOffset: number, suffix: SegmentSuffix): string {
  return segmentFileName(baseOffset, suffix) + SWAP_SUFFIX;
}

/** What a replaced file is called; `number` keeps it apart from one that is still pinned. */
export function deletedName(baseOffset: number, suffix: SegmentSuffix, number: number): string {
  assert(Number.isSafeInteger(number) && number >= 1, 'a replacement has a number');
  return `${segmentFileName(baseOffset, suffix)}.${number}${DELETED_SUFFIX}`;
}

/** What a name in the folder of a log means. */
export function parseFileName(name: string): FileName {
  const suffix = segmentSuffixOf(name);
  if (suffix !== undefined) {
    const baseOffset = Number(name.slice(0, DIGITS));
    return baseOffset > limits.offsetMax
      ? { kind: 'foreign' }
      : { kind: 'segment', baseOffset, suffix };
  }
  if (sideNames.has(name)) return { kind: 'side' };
  if (name.endsWith(TEMPORARY_SUFFIX)) {
    const target = parseFileName(name.slice(0, -TEMPORARY_SUFFIX.length));
    return target.kind === 'segment' || target.kind === 'side'
      ? { kind: 'temporary' }
      : { kind: 'foreign' };
  }
  if (BROKEN_NAME.test(name)) return { kind: 'broken' };
  const work = WORK_NAME.exec(name);
  if (work !== null) return parseWorkName(work[1] ?? '', work[2], work[3]);
  return { kind: 'foreign' };
}

/**
 * Of a name that is a stem and one of the suffixes; most of a large folder are, so it is found out
 * without a pattern. The offset may still be too large.
 */
function segmentSuffixOf(name: string): SegmentSuffix | undefined {
  for (let at = 0; at < DIGITS; at += 1) {
    const digit = name.charCodeAt(at) - 48;
    if (!(digit >= 0 && digit <= 9)) return undefined;
  }
  return suffixKinds.get(name.slice(DIGITS));
}

/** Whether a name may be that of a file on its way in or out; cheaper than what it means. */
export function isWorkName(name: string): boolean {
  return (
    name.endsWith(CLEANED_SUFFIX) || name.endsWith(SWAP_SUFFIX) || name.endsWith(DELETED_SUFFIX)
  );
}

/** `number` belongs to `.deleted` names, and to them alone. */
function parseWorkName(
  name: string,
  number: string | undefined,
  kind: string | undefined,
): FileName {
  const parsed = parseFileName(name);
  if (parsed.kind !== 'segment') return { kind: 'foreign' };
  const { baseOffset, suffix } = parsed;
  if (kind === 'deleted') {
    if (number === undefined) return { kind: 'foreign' };
    return { kind, baseOffset, suffix, number: Number(number) };
  }
  if (number !== undefined) return { kind: 'foreign' };
  return { kind: kind === 'cleaned' ? 'cleaned' : 'swap', baseOffset, suffix };
}
