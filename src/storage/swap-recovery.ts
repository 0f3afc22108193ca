/**
 * What names in a folder mean when a swap was under way, and what finishes or undoes it.
 *
 * A pure decision over names, and over where each committed segment ends. The same table tells a
 * writer what to do and a reader which file speaks for a segment meanwhile. The invariants it
 * rests on are those of the protocol in `compaction-swap.ts`; the phases of a recovery keep them,
 * with the directory synced behind each, so a recovery that is cut short starts again anywhere.
 */

import { assert } from '../base/assert.js';
import {
  cleanedName,
  parseFileName,
  type SegmentSuffix,
  segmentFileName,
  sideSuffixes,
  swapName,
} from './segment-files.js';

/** What is known of one kind of side file of the segment at X. */
export interface SideFileFacts {
  /** `X.log.swap` is there. */
  readonly isCommitted: boolean;
  /** `X.log` is there too: it is an old one, and no file of the new segment has its name yet. */
  readonly hasOldLog: boolean;
  readonly hasSwap: boolean;
  readonly hasCleaned: boolean;
}

export interface SideFileRow {
  readonly name: string;
  readonly when: Partial<SideFileFacts>;
  /** Which file speaks for the segment, if it is there; the others are to go. */
  readonly current: 'plain' | 'swap' | 'cleaned' | 'none';
}

/** Exactly one row fits each combination of facts. */
export const sideFileTable: readonly SideFileRow[] = [
  { name: 'nothing was replaced', when: { isCommitted: false }, current: 'plain' },
  { name: 'not placed yet', when: { isCommitted: true, hasSwap: true }, current: 'swap' },
  {
    name: 'committed without its rename',
    when: { isCommitted: true, hasSwap: false, hasCleaned: true },
    current: 'cleaned',
  },
  {
    name: 'the new segment has none; an old one is to go',
    when: { isCommitted: true, hasSwap: false, hasCleaned: false, hasOldLog: true },
    current: 'none',
  },
  {
    name: 'placed',
    when: { isCommitted: true, hasSwap: false, hasCleaned: false, hasOldLog: false },
    current: 'plain',
  },
];

export function judgeSideFile(facts: SideFileFacts): SideFileRow {
  const row = sideFileTable.find(({ when }) => fits(facts, when));
  assert(row !== undefined, 'a row fits every combination');
  return row;
}

function fits(facts: SideFileFacts, when: Partial<SideFileFacts>): boolean {
  return (
    (when.isCommitted ?? facts.isCommitted) === facts.isCommitted &&
    (when.hasOldLog ?? facts.hasOldLog) === facts.hasOldLog &&
    (when.hasSwap ?? facts.hasSwap) === facts.hasSwap &&
    (when.hasCleaned ?? facts.hasCleaned) === facts.hasCleaned
  );
}

/** Base offsets of segments whose swap is committed and not finished, in order. */
export function committedSwaps(names: readonly string[]): readonly number[] {
  return names
    .map((name) => parseFileName(name))
    .flatMap((parsed) =>
      parsed.kind === 'swap' && parsed.suffix === 'log' ? [parsed.baseOffset] : [],
    )
    .sort((one, two) => one - two);
}

/** Under which names the files of a segment with a committed swap lie now. */
export function committedNames(
  present: ReadonlySet<string>,
  baseOffset: number,
): ReadonlyMap<SegmentSuffix, string> {
  const names = new Map<SegmentSuffix, string>([['log', swapName(baseOffset, 'log')]]);
  for (const suffix of sideSuffixes) {
    // A file that the segment does not have must not be looked for under an old one's name.
    names.set(suffix, currentName(present, baseOffset, suffix) ?? swapName(baseOffset, suffix));
  }
  return names;
}

function currentName(
  present: ReadonlySet<string>,
  baseOffset: number,
  suffix: SegmentSuffix,
): string | undefined {
  const names = {
    plain: segmentFileName(baseOffset, suffix),
    swap: swapName(baseOffset, suffix),
    cleaned: cleanedName(baseOffset, suffix),
  };
  const { current } = judgeSideFile({
    isCommitted: present.has(swapName(baseOffset, 'log')),
    hasOldLog: present.has(segmentFileName(baseOffset, 'log')),
    hasSwap: present.has(names.swap),
    hasCleaned: present.has(names.cleaned),
  });
  if (current === 'none') return undefined;
  return present.has(names[current]) ? names[current] : undefined;
}

export type SwapOperation =
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }
  | { readonly kind: 'unlink'; readonly name: string };

export interface SwapRecoveryPhase {
  readonly name: 'settle' | 'clear side files' | 'clear logs' | 'place side files' | 'place log';
  readonly operations: readonly SwapOperation[];
}

/**
 * The phases that end every swap in the folder; the directory is synced behind each. Empty when
 * there is nothing to do. `ends` has the exclusive end of each committed segment.
 */
export function planSwapRecovery(
  names: readonly string[],
  ends: ReadonlyMap<number, number>,
): readonly SwapRecoveryPhase[] {
  const present = new Set(names);
  const sides: SwapOperation[] = [];
  const logs: SwapOperation[] = [];
  const placedSides: SwapOperation[] = [];
  const placedLogs: SwapOperation[] = [];
  const current = new Set<string>();
  for (const baseOffset of committedSwaps(names)) {
    assert(ends.has(baseOffset), 'the end of a committed segment is known');
    for (const [suffix, from] of committedNames(present, baseOffset)) {
      if (!present.has(from)) continue;
      current.add(from);
      const to = segmentFileName(baseOffset, suffix);
      if (from === to) continue;
      (suffix === 'log' ? placedLogs : placedSides).push({ kind: 'rename', from, to });
    }
  }
  for (const name of names) {
    if (current.has(name)) continue;
    const parsed = parseFileName(name);
    const { kind } = parsed;
    const isWork = kind === 'cleaned' || kind === 'swap' || kind === 'deleted';
    const isOld = kind === 'segment' && isReplaced(parsed.baseOffset, ends);
    if (!isWork && !isOld) continue;
    const isLog = isOld && parsed.suffix === 'log';
    (isLog ? logs : sides).push({ kind: 'unlink', name });
  }
  const phases: readonly SwapRecoveryPhase[] = [
    { name: 'clear side files', operations: sides },
    { name: 'clear logs', operations: logs },
    { name: 'place side files', operations: placedSides },
    { name: 'place log', operations: placedLogs },
  ];
  const needed = phases.filter(({ operations }) => operations.length > 0);
  // Renames of a process that died may be seen and not be durable: what is built on them waits.
  return needed.length === 0 ? [] : [{ name: 'settle', operations: [] }, ...needed];
}

/** Whether a plain name of this base offset belongs to a segment that a committed one replaces. */
export function isReplaced(baseOffset: number, ends: ReadonlyMap<number, number>): boolean {
  for (const [base, end] of ends) if (baseOffset >= base && baseOffset < end) return true;
  return false;
}
