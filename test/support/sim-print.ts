/**
 * Prints of simulated disks: short texts that are equal only for equal disks, so that what was
 * found out of one disk holds for the next one like it. A page is looked at once, however many
 * disks share it.
 */

import { crc32c } from '../../src/base/crc32c.js';
import { describeEffect } from './sim-effects.js';
import type { Image } from './sim-image.js';
import type { DirectoryNode, Node, SimState } from './sim-state.js';

interface NumberedPage {
  readonly bytes: Uint8Array;
  readonly number: number;
}

/** Every page that was printed, by its checksum; pages with equal ones are compared. */
const numbered = new Map<number, NumberedPage[]>();
const known = new WeakMap<Uint8Array, number>();
let pages = 0;
/** Beyond so many, pages are forgotten; numbers are not given again. */
const NUMBERED_MAX = 20_000;

/** Names, sizes and content of files as they are read now. */
export function contentPrint(state: SimState, isWanted: (path: string) => boolean): string {
  const parts: string[] = [];
  walk(state, state.directory('/', 'print'), '', (path, node) => {
    if (!isWanted(path)) return;
    parts.push(node.kind === 'file' ? `${path}=${imageText(node.now)}` : `${path}/`);
  });
  return parts.sort().join('|');
}

function walk(
  state: SimState,
  directory: DirectoryNode,
  above: string,
  visit: (path: string, node: Node) => void,
): void {
  for (const [name, id] of directory.now) {
    const node = state.nodes.get(id);
    if (node === undefined) continue;
    const path = `${above}/${name}`;
    visit(path, node);
    if (node.kind === 'directory') walk(state, node, path, visit);
  }
}

/** All that matters of a disk: where effects are pending, the durable half as well. */
export function diskPrint(state: SimState): string {
  const parts: string[] = [contentPrint(state, () => true)];
  for (const effect of state.pending) {
    parts.push(describeEffect(effect));
    if (effect.kind !== 'page') continue;
    parts.push(`${pageNumber(effect.image)} ${effect.astray ?? ''}`);
  }
  if (state.pending.length === 0) return parts.join('|');
  for (const [id, node] of state.nodes) {
    if (node.kind === 'file') parts.push(`#${id}=${imageText(node.durable)}`);
  }
  return parts.join('|');
}

function imageText({ pages, bytes }: Image): string {
  let text = `${bytes}`;
  for (const page of pages) text += page === undefined ? ',-' : `,${pageNumber(page)}`;
  return text;
}

function pageNumber(page: Uint8Array): number {
  const found = known.get(page);
  if (found !== undefined) return found;
  const sum = crc32c(page, 0, page.length);
  const alike = numbered.get(sum) ?? [];
  if (alike.length === 0) numbered.set(sum, alike);
  const same = alike.find(({ bytes }) => Buffer.compare(bytes, page) === 0);
  if (same === undefined) {
    if (pages % NUMBERED_MAX === NUMBERED_MAX - 1) numbered.clear();
    alike.push({ bytes: page, number: pages });
    pages += 1;
  }
  const number = same?.number ?? pages - 1;
  known.set(page, number);
  return number;
}
