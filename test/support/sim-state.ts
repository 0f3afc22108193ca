/**
 * What the imaginary disk holds: for every file and directory the newest state, the durable state,
 * and the ordered list of effects that separate them.
 *
 *     write    -> one `page` effect per 4,096-byte page, then one `size` effect if the file grew
 *     truncate -> one `size` effect, which also cuts
 *     create, unlink, rename, makeDirectory, removeDirectory
 *              -> one `entries` effect (two across directories)
 *
 * A page effect holds the whole page as it was after the write, because that is what a page cache
 * writes out. Pages are never changed in place, so states share them and a clone costs pointers.
 * `datasync` applies the page and size effects of one file to its durable state and says nothing
 * about its name; `syncDirectory` applies the effects on the names in one directory and, as a
 * journal would, those that they follow from.
 *
 * It knows no descriptors, faults or crashes: `sim-core.ts` and `sim-crash-state.ts` do.
 */

import { posix } from 'node:path';
import {
  closeOverDependencies,
  type Effect,
  type EntriesEffect,
  type EntryChange,
  type SizeEffect,
} from './sim-effects.js';
import { createSimErrno } from './sim-errors.js';
import {
  copyImage,
  createImage,
  type Image,
  overwritePage,
  pageBytes,
  trimImage,
} from './sim-image.js';

export interface FileNode {
  readonly kind: 'file';
  readonly id: number;
  readonly now: Image;
  readonly durable: Image;
  modifiedMs: number;
}

export interface DirectoryNode {
  readonly kind: 'directory';
  readonly id: number;
  /** Node ids by name. */
  readonly now: Map<string, number>;
  readonly durable: Map<string, number>;
  modifiedMs: number;
}

export type Node = FileNode | DirectoryNode;

const rootId = 1;

export class SimState {
  readonly nodes: Map<number, Node>;
  #pending: Effect[];
  #nextId: number;

  constructor() {
    this.nodes = new Map([[rootId, createDirectory(rootId, 0)]]);
    this.#pending = [];
    this.#nextId = rootId + 1;
  }

  /** Effects that a power loss may undo, oldest first. */
  get pending(): readonly Effect[] {
    return this.#pending;
  }

  /** An independent copy without the nodes that no name leads to any more. */
  clone(): SimState {
    const reachable = this.#reachable();
    const copy = new SimState();
    copy.nodes.clear();
    for (const [id, node] of this.nodes) if (reachable.has(id)) copy.nodes.set(id, copyNode(node));
    copy.#pending = [...this.#pending];
    copy.#nextId = this.#nextId;
    return copy;
  }

  /** A state with these nodes, all of them durable as they are now. */
  static durable(nodes: ReadonlyMap<number, Node>, nextId: number): SimState {
    const state = new SimState();
    for (const [id, node] of nodes) state.nodes.set(id, node);
    state.#nextId = nextId;
    const reachable = state.#reachable();
    for (const id of state.nodes.keys()) if (!reachable.has(id)) state.nodes.delete(id);
    return state;
  }

  get nextId(): number {
    return this.#nextId;
  }

  /** Drops the effects on files that no name, durable or not, can lead to after a power loss. */
  prune(): void {
    const reachable = this.#reachable();
    this.#pending = this.#pending.filter(
      (effect) => effect.kind === 'entries' || reachable.has(effect.file),
    );
  }

  #reachable(): Set<number> {
    const found = new Set<number>();
    const visit = (id: number): void => {
      const node = this.nodes.get(id);
      if (node === undefined || found.has(id)) return;
      found.add(id);
      if (node.kind === 'file') return;
      for (const child of node.now.values()) visit(child);
      for (const child of node.durable.values()) visit(child);
    };
    visit(rootId);
    for (const effect of this.#pending) {
      if (effect.kind !== 'entries') continue;
      for (const change of effect.changes) if (change.node !== undefined) visit(change.node);
    }
    return found;
  }

  // ---- Names.

  /** What a path names, or undefined; `ENOTDIR` when the path leads through a file. */
  find(path: string, call: string): Node | undefined {
    let node = this.#node(rootId);
    for (const name of namesOf(path)) {
      if (node.kind === 'file') throw createSimErrno('ENOTDIR', call, path);
      const child = node.now.get(name);
      if (child === undefined) return undefined;
      node = this.#node(child);
    }
    return node;
  }

  directory(path: string, call: string): DirectoryNode {
    const node = this.find(path, call);
    if (node === undefined) throw createSimErrno('ENOENT', call, path);
    if (node.kind === 'file') throw createSimErrno('ENOTDIR', call, path);
    return node;
  }

  /** The regular file at a path: `ENOENT` and `EISDIR` otherwise. */
  file(path: string, call: string): FileNode {
    const node = this.find(path, call);
    if (node === undefined) throw createSimErrno('ENOENT', call, path);
    if (node.kind === 'directory') throw createSimErrno('EISDIR', call, path);
    return node;
  }

  fileOf(id: number): FileNode {
    const node = this.#node(id);
    if (node.kind === 'directory') throw new Error('a descriptor names a file');
    return node;
  }

  /** Every file that has a name now. */
  filesNow(): FileNode[] {
    return this.pathsBelow('/').map((path) => this.file(path, 'list'));
  }

  /** The paths of all files below a directory, sorted. */
  pathsBelow(directory: string): string[] {
    const top = this.directory(directory, 'list');
    const paths: string[] = [];
    for (const [name, id] of top.now) {
      const path = posix.join(directory, name);
      if (this.#node(id).kind === 'file') paths.push(path);
      else paths.push(...this.pathsBelow(path));
    }
    return paths.sort();
  }

  #node(id: number): Node {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`the simulation lost node ${id}`);
    return node;
  }

  #parent(path: string, call: string): { directory: DirectoryNode; name: string } {
    const name = namesOf(path).at(-1);
    if (name === undefined) throw createSimErrno('EBUSY', call, path);
    return { directory: this.directory(posix.dirname(posix.resolve('/', path)), call), name };
  }

  #changeEntries(
    follows: EntriesEffect | undefined,
    text: string,
    changes: readonly EntryChange[],
    nowMs: number,
  ): EntriesEffect {
    const effect: EntriesEffect = { kind: 'entries', text, changes, follows };
    this.#pending.push(effect);
    for (const change of changes) {
      const directory = this.#node(change.directory);
      if (directory.kind === 'file') throw new Error('a directory holds names');
      setEntry(directory.now, change);
      directory.modifiedMs = nowMs;
    }
    return effect;
  }

  /** Makes an empty file or directory where nothing is; `EEXIST` otherwise. */
  make(path: string, kind: Node['kind'], call: string, nowMs: number): Node {
    if (namesOf(path).length === 0) throw createSimErrno('EEXIST', call, path);
    const { directory, name } = this.#parent(path, call);
    if (directory.now.has(name)) throw createSimErrno('EEXIST', call, path);
    const id = this.#nextId;
    this.#nextId += 1;
    const node = kind === 'file' ? createFile(id, nowMs) : createDirectory(id, nowMs);
    this.nodes.set(id, node);
    this.#changeEntries(
      undefined,
      `make ${path}`,
      [{ directory: directory.id, name, node: id }],
      nowMs,
    );
    return node;
  }

  /** Makes a directory and its missing parents, each an effect of its own. */
  makeDirectories(path: string, nowMs: number): void {
    const found = this.find(path, 'makeDirectory');
    if (found?.kind === 'directory') return;
    const parent = posix.dirname(posix.resolve('/', path));
    if (found === undefined) this.makeDirectories(parent, nowMs);
    this.make(path, 'directory', 'makeDirectory', nowMs);
  }

  unlink(path: string, nowMs: number): void {
    const { directory, name } = this.#parent(path, 'unlink');
    this.file(path, 'unlink');
    const change = { directory: directory.id, name, node: undefined };
    this.#changeEntries(undefined, `unlink ${path}`, [change], nowMs);
  }

  removeDirectory(path: string, nowMs: number): void {
    const { directory, name } = this.#parent(path, 'removeDirectory');
    const removed = this.directory(path, 'removeDirectory');
    if (removed.now.size > 0) throw createSimErrno('ENOTEMPTY', 'removeDirectory', path);
    const change = { directory: directory.id, name, node: undefined };
    this.#changeEntries(undefined, `remove ${path}`, [change], nowMs);
  }

  rename(from: string, to: string, nowMs: number): void {
    const source = this.#parent(from, 'rename');
    const target = this.#parent(to, 'rename');
    const moved = source.directory.now.get(source.name);
    if (moved === undefined) throw createSimErrno('ENOENT', 'rename', from);
    const replaced = target.directory.now.get(target.name);
    if (replaced === moved) return;
    this.#checkRename(from, to, this.#node(moved), replaced);
    const text = `rename ${from} -> ${to}`;
    const add = { directory: target.directory.id, name: target.name, node: moved };
    const remove = { directory: source.directory.id, name: source.name, node: undefined };
    if (add.directory === remove.directory) {
      this.#changeEntries(undefined, text, [remove, add], nowMs);
      return;
    }
    // Two directories are two blocks: the new name may be durable before the old one is gone, but
    // never the other way round, or the file could be lost.
    const added = this.#changeEntries(undefined, `${text}: new name`, [add], nowMs);
    this.#changeEntries(added, `${text}: old name`, [remove], nowMs);
  }

  #checkRename(from: string, to: string, moved: Node, replaced: number | undefined): void {
    const prefix = `${posix.resolve('/', from)}/`;
    if (posix.resolve('/', to).startsWith(prefix)) throw createSimErrno('EINVAL', 'rename', to);
    if (replaced === undefined) return;
    const node = this.#node(replaced);
    if (moved.kind === 'file') {
      if (node.kind === 'directory') throw createSimErrno('EISDIR', 'rename', to);
      return;
    }
    if (node.kind === 'file') throw createSimErrno('ENOTDIR', 'rename', to);
    if (node.now.size > 0) throw createSimErrno('ENOTEMPTY', 'rename', to);
  }

  // ---- Content.

  /** With a lie the pages read as written, and the disk puts them elsewhere or nowhere. */
  write(
    file: FileNode,
    source: Uint8Array,
    position: number,
    nowMs: number,
    lie?: 'dropped' | 'misdirected',
  ): void {
    const end = position + source.length;
    let at = position;
    while (at < end) {
      const page = Math.floor(at / pageBytes);
      const start = at - page * pageBytes;
      const count = Math.min(pageBytes - start, end - at);
      const part = source.subarray(at - position, at - position + count);
      const image = overwritePage(file.now.pages[page], part, start);
      file.now.pages[page] = image;
      const changed = { start, end: start + count };
      const effect = { kind: 'page', file: file.id, page, image, ...changed } as const;
      if (lie === undefined) this.#pending.push(effect);
      else this.#pending.push({ ...effect, astray: lie === 'dropped' ? 'nowhere' : page + 1 });
      at += count;
    }
    if (source.length > 0 && end > file.now.bytes) this.#resize(file, end, false);
    file.modifiedMs = nowMs;
  }

  truncate(file: FileNode, bytes: number, nowMs: number): void {
    if (bytes !== file.now.bytes) this.#resize(file, bytes, bytes < file.now.bytes);
    file.modifiedMs = nowMs;
  }

  #resize(file: FileNode, bytes: number, isCut: boolean): void {
    const effect: SizeEffect = { kind: 'size', file: file.id, bytes, isCut };
    applySize(file.now, effect);
    this.#pending.push(effect);
  }

  // ---- Durability.

  datasync(file: FileNode): void {
    this.#settle((effect) => effect.kind !== 'entries' && effect.file === file.id);
  }

  /**
   * A sync that failed and left the pages marked clean: they stay readable, are not durable and no
   * later sync writes them. With `every-other` every second one got to the disk before the failure.
   * A size that grew stays pending, for it travels another way than the pages; a cut went through,
   * since pages written after it must not be cut later.
   */
  losePages(file: FileNode, which: 'all' | 'every-other'): void {
    const lastCut = this.#pending.findLastIndex(
      (effect) => effect.kind === 'size' && effect.file === file.id && effect.isCut,
    );
    let count = 0;
    const isKept = (effect: Effect, index: number): boolean => {
      if (effect.kind === 'entries' || effect.file !== file.id) return false;
      if (effect.kind === 'size') return index <= lastCut;
      count += 1;
      return which === 'every-other' && count % 2 === 0;
    };
    this.#settle(isKept);
    this.#pending = this.#pending.filter(
      (effect) => effect.kind !== 'page' || effect.file !== file.id,
    );
  }

  syncDirectory(directory: DirectoryNode): void {
    const wanted = this.#pending.flatMap((effect, index) =>
      effect.kind === 'entries' &&
      effect.changes.some((change) => change.directory === directory.id)
        ? [index]
        : [],
    );
    const closed = closeOverDependencies(this.#pending, wanted);
    this.#settle((_, index) => closed.has(index));
  }

  /** Makes a file durable as it is read now, whatever a failed sync did to it. */
  makeContentDurable(file: FileNode): void {
    this.#pending = this.#pending.filter(
      (effect) => effect.kind === 'entries' || effect.file !== file.id,
    );
    file.durable.pages.splice(0, file.durable.pages.length, ...file.now.pages);
    file.durable.bytes = file.now.bytes;
  }

  #settle(isWanted: (effect: Effect, index: number) => boolean): void {
    const left: Effect[] = [];
    for (const [index, effect] of this.#pending.entries()) {
      if (isWanted(effect, index)) applyEffect(effect, (id) => this.nodes.get(id), 'durable');
      else left.push(effect);
    }
    this.#pending = left;
  }
}

// -----------------------------------------------------------------------------------------------

/** Applies one effect to the newest or the durable half of the nodes it is about. */
export function applyEffect(
  effect: Effect,
  nodeOf: (id: number) => Node | undefined,
  half: 'now' | 'durable',
): void {
  if (effect.kind === 'entries') {
    for (const change of effect.changes) {
      const directory = nodeOf(change.directory);
      if (directory?.kind === 'directory') setEntry(directory[half], change);
    }
    return;
  }
  const file = nodeOf(effect.file);
  if (file?.kind !== 'file') return;
  if (effect.kind === 'size') applySize(file[half], effect);
  else if (effect.astray !== 'nowhere') {
    file[half].pages[effect.astray ?? effect.page] = effect.image;
  }
}

function setEntry(entries: Map<string, number>, change: EntryChange): void {
  if (change.node === undefined) entries.delete(change.name);
  else entries.set(change.name, change.node);
}

function applySize(image: Image, effect: SizeEffect): void {
  if (effect.isCut) trimImage(image, effect.bytes);
  image.bytes = effect.bytes;
}

function copyNode(node: Node): Node {
  if (node.kind === 'file') {
    return { ...node, now: copyImage(node.now), durable: copyImage(node.durable) };
  }
  return { ...node, now: new Map(node.now), durable: new Map(node.durable) };
}

function createFile(id: number, modifiedMs: number): FileNode {
  return { kind: 'file', id, now: createImage(), durable: createImage(), modifiedMs };
}

function createDirectory(id: number, modifiedMs: number): DirectoryNode {
  return { kind: 'directory', id, now: new Map(), durable: new Map(), modifiedMs };
}

/** The names along a path; relative paths start at the root, since there is nowhere else. */
export function namesOf(path: string): readonly string[] {
  return posix.resolve('/', path).split('/').filter(Boolean);
}
