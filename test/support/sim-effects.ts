/**
 * The effects of calls that a power loss may undo, and which of them cannot survive without which.
 */

import { pageBytes } from './sim-image.js';

export interface PageEffect {
  readonly kind: 'page';
  readonly file: number;
  readonly page: number;
  readonly image: Uint8Array;
  /** The range within the page that the write changed, end exclusive. */
  readonly start: number;
  readonly end: number;
  /** The page of the file that the disk overwrites in place of this one, or none. */
  readonly astray?: number | 'nowhere';
}

export interface SizeEffect {
  readonly kind: 'size';
  readonly file: number;
  readonly bytes: number;
  /** Whether bytes beyond the new size were dropped. */
  readonly isCut: boolean;
}

export interface EntryChange {
  readonly directory: number;
  readonly name: string;
  /** The node that has the name from now on; undefined frees the name. */
  readonly node: number | undefined;
}

export interface EntriesEffect {
  readonly kind: 'entries';
  readonly text: string;
  readonly changes: readonly EntryChange[];
  /** The effect without which this one cannot be durable. */
  readonly follows: EntriesEffect | undefined;
}

export type Effect = PageEffect | SizeEffect | EntriesEffect;

/** One line for a failure report. */
export function describeEffect(effect: Effect): string {
  if (effect.kind === 'entries') return effect.text;
  if (effect.kind === 'size') return `size of #${effect.file} = ${effect.bytes}`;
  return `page ${effect.page} of #${effect.file}, bytes ${effect.start}-${effect.end}`;
}

/**
 * The wanted effects and all that they cannot be durable without: earlier changes of the same name,
 * earlier sizes of the same file, and the cut that a later write to a cut page builds on.
 */
export function closeOverDependencies(
  effects: readonly Effect[],
  wanted: Iterable<number>,
  needs: readonly (readonly number[])[] = dependenciesOf(effects),
): Set<number> {
  const closed = new Set(wanted);
  for (let index = effects.length - 1; index >= 0; index -= 1) {
    if (closed.has(index)) for (const need of needs[index] ?? []) closed.add(need);
  }
  return closed;
}

/** Of each effect, which earlier ones it cannot be durable without. */
export function dependenciesOf(effects: readonly Effect[]): number[][] {
  const lastOfName = new Map<string, number>();
  const lastSize = new Map<number, number>();
  const indexOf = new Map<Effect, number>();
  const cuts = new Map<number, { index: number; firstPage: number }[]>();
  return effects.map((effect, index) => {
    const needs: number[] = [];
    const need = (other: number | undefined): void => {
      if (other !== undefined) needs.push(other);
    };
    indexOf.set(effect, index);
    if (effect.kind === 'entries') {
      if (effect.follows !== undefined) need(indexOf.get(effect.follows));
      for (const change of effect.changes) {
        const name = `${change.directory}/${change.name}`;
        need(lastOfName.get(name));
        lastOfName.set(name, index);
      }
    } else if (effect.kind === 'size') {
      need(lastSize.get(effect.file));
      lastSize.set(effect.file, index);
      if (effect.isCut) {
        const firstPage = Math.floor(effect.bytes / pageBytes);
        cuts.set(effect.file, [...(cuts.get(effect.file) ?? []), { index, firstPage }]);
      }
    } else {
      need(cuts.get(effect.file)?.findLast((cut) => cut.firstPage <= effect.page)?.index);
    }
    return needs;
  });
}
