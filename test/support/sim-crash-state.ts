/**
 * What is on the disk after a power loss: the durable state, plus the pending effects that happened
 * to get through, plus pages that got through in part.
 *
 * Any subset of the effects may get through, in any order, but for what a journal keeps in order:
 * the changes of one name, the sizes of one file, a write after a cut of the same page. A choice
 * that names an effect therefore takes those along that it follows from.
 */

import { closeOverDependencies, type Effect, type PageEffect } from './sim-effects.js';
import { copyImage, overwritePage, pageBytes, sectorBytes, trimImage } from './sim-image.js';
import { applyEffect, type Node, SimState } from './sim-state.js';

export interface CrashChoice {
  /** Indexes of the pending effects that got through. */
  readonly kept: readonly number[];
  /** Page effects that got through in part; one that is also kept got through whole. */
  readonly torn?: readonly TornPage[];
}

export interface TornPage {
  /** Index of a page effect. */
  readonly effect: number;
  /** Bit n: the n-th of the eight sectors has the new bytes. */
  readonly sectors: number;
  /** In place of sectors: this many bytes from the start of the changed range are new. */
  readonly bytes?: number;
}

/** The state that a choice leaves; `state` itself stays as it is. */
export function createCrashState(state: SimState, choice: CrashChoice): SimState {
  const nodes = new Map<number, Node>();
  for (const [id, node] of state.nodes) nodes.set(id, durableCopy(node));
  const kept = keptEffects(state.pending, choice);
  const torn = new Map((choice.torn ?? []).map((page) => [page.effect, page]));
  const nodeOf = (id: number): Node | undefined => nodes.get(id);
  for (const [index, effect] of state.pending.entries()) {
    const part = torn.get(index);
    if (kept.has(index)) applyEffect(effect, nodeOf, 'now');
    else if (part !== undefined && effect.kind === 'page') applyTorn(effect, part, nodeOf);
  }
  return SimState.durable(
    new Map([...nodes].map(([id, node]) => [id, atRest(node)])),
    state.nextId,
  );
}

/** The effects that get through whole: those chosen and those they follow from. */
export function keptEffects(
  effects: readonly Effect[],
  choice: CrashChoice,
  needs?: readonly (readonly number[])[],
): Set<number> {
  const chosen = new Set(choice.kept);
  const torn = (choice.torn ?? []).map((page) => page.effect).filter((index) => !chosen.has(index));
  const closed = closeOverDependencies(effects, [...chosen, ...torn], needs);
  for (const index of torn) closed.delete(index);
  return closed;
}

function applyTorn(
  effect: PageEffect,
  part: TornPage,
  nodeOf: (id: number) => Node | undefined,
): void {
  const file = nodeOf(effect.file);
  if (file?.kind !== 'file') return;
  let page = file.now.pages[effect.page];
  if (part.bytes !== undefined) {
    const end = Math.min(effect.start + part.bytes, effect.end);
    page = overwritePage(page, effect.image.subarray(effect.start, end), effect.start);
  } else {
    for (let start = 0; start < pageBytes; start += sectorBytes) {
      if ((part.sectors & (1 << (start / sectorBytes))) === 0) continue;
      page = overwritePage(page, effect.image.subarray(start, start + sectorBytes), start);
    }
  }
  file.now.pages[effect.page] = page;
}

/** A node whose newest state is its durable one. */
function durableCopy(node: Node): Node {
  return node.kind === 'file'
    ? { ...node, now: copyImage(node.durable) }
    : { ...node, now: new Map(node.durable) };
}

/** A node that is durable as it is; bytes beyond the size of a file are gone. */
function atRest(node: Node): Node {
  if (node.kind === 'directory') return { ...node, durable: new Map(node.now) };
  trimImage(node.now, node.now.bytes);
  return { ...node, durable: copyImage(node.now) };
}
