/**
 * What a log knows of its producers and transactions when it is opened, as far as sealed files say.
 *
 * A snapshot tells of producers and open transactions where a segment begins; the transaction
 * indexes tell what was aborted before. A snapshot has a checksum of its own. It is true for as
 * long as the log lasts: what lies before it was on the disk when it was written. The size and the
 * checksum of a transaction index are in the seal, and so is whether there must be a snapshot.
 *
 * Where one of them is missing or does not fit, the batches are walked, from the newest place on of
 * which enough is known.
 */

import { crc32c } from '../base/crc32c.js';
import type { SegmentFileNames } from './log-folder.js';
import { readSmallFile } from './log-folder.js';
import { decodeSnapshot, type SnapshotEntry } from './producer-snapshot.js';
import { ProducerStates } from './producer-states.js';
import type { Seal } from './seal.js';
import { Segment } from './segment.js';
import { segmentPath } from './segment-files.js';
import { readSeal, rebuildSegment, type SegmentContext } from './segment-loader.js';
import { type AbortedTransaction, decodeTxnIndex } from './transactions.js';

export interface ProducerFiles {
  readonly context: SegmentContext;
  readonly directory: string;
  /** All segments of the log, the active one last. */
  readonly segments: readonly SegmentFileNames[];
}

/** What is known where the log ends, after a clean close that left `seal`. */
export async function producersAtEnd(
  files: ProducerFiles,
  seal: Seal,
): Promise<ProducerStates | 'doubt'> {
  const { context, directory } = files;
  let entries: readonly SnapshotEntry[] | 'doubt' = [];
  if (seal.hasProducers) {
    const path = segmentPath(directory, seal.nextOffset, 'snapshot');
    entries = await readSnapshot(context, path);
  }
  if (entries === 'doubt') return 'doubt';
  const states = new ProducerStates();
  for (const [index, names] of files.segments.entries()) {
    const isActive = index === files.segments.length - 1;
    const aborted = await readAborted(files, names, isActive ? seal : undefined);
    if (aborted === 'doubt') return 'doubt';
    for (const entry of aborted) states.transactions.aborted.add(entry);
  }
  states.load(entries);
  return states;
}

/** What is known where the active segment begins; its batches are still to be walked. */
export async function producersBeforeActive(files: ProducerFiles): Promise<ProducerStates> {
  const sealed = files.segments.slice(0, -1);
  const listed: (readonly AbortedTransaction[])[] = [];
  for (const names of sealed) {
    const aborted = await readAborted(files, names, undefined);
    if (aborted === 'doubt') break;
    listed.push(aborted);
  }
  const start = await findStart(files, listed.length);
  const states = new ProducerStates();
  for (const aborted of listed.slice(0, start.index)) {
    for (const entry of aborted) states.transactions.aborted.add(entry);
  }
  states.load(start.entries);
  const all = Number.POSITIVE_INFINITY;
  for (const names of sealed.slice(start.index)) {
    const segment = Segment.listed(files.directory, names);
    await rebuildSegment(files.context, segment, true, all, states);
  }
  return states;
}

/** The newest segment at or before `index` of whose beginning everything is known. */
async function findStart(
  files: ProducerFiles,
  index: number,
): Promise<{ readonly index: number; readonly entries: readonly SnapshotEntry[] }> {
  const { context, directory, segments } = files;
  for (let at = index; at > 0; at -= 1) {
    const [before, names] = [segments[at - 1], segments[at]];
    if (names?.suffixes.has('snapshot') === true) {
      const path = Segment.listed(directory, names).path('snapshot');
      const entries = await readSnapshot(context, path);
      if (entries !== 'doubt') return { index: at, entries };
    }
    if (before === undefined) continue;
    const seal = await readSeal(context, Segment.listed(directory, before));
    if (typeof seal !== 'string' && !seal.hasProducers) return { index: at, entries: [] };
  }
  // What was deleted from the front is forgotten, unless a snapshot tells of it.
  const [first] = segments;
  if (first?.suffixes.has('snapshot') !== true) return { index: 0, entries: [] };
  const path = Segment.listed(directory, first).path('snapshot');
  const entries = await readSnapshot(context, path);
  return { index: 0, entries: entries === 'doubt' ? [] : entries };
}

async function readSnapshot(
  context: SegmentContext,
  path: string,
): Promise<readonly SnapshotEntry[] | 'doubt'> {
  const bytes = await readSmallFile(context.fileSystem, path);
  const entries = bytes === undefined ? 'invalid' : decodeSnapshot(bytes);
  return entries === 'invalid' ? 'doubt' : entries;
}

/** Aborted transactions that end in a segment; only one that is closed has a seal in memory. */
async function readAborted(
  files: ProducerFiles,
  names: SegmentFileNames,
  known: Seal | undefined,
): Promise<readonly AbortedTransaction[] | 'doubt'> {
  const { context, directory } = files;
  if (known === undefined && !names.suffixes.has('txnIndex')) return [];
  const segment = Segment.listed(directory, names);
  const seal = known ?? (await readSeal(context, segment));
  if (typeof seal === 'string') return 'doubt';
  const { txnIndexBytes, txnIndexCrc } = seal;
  if (txnIndexBytes === 0) return [];
  const bytes = await readSmallFile(context.fileSystem, segment.path('txnIndex'));
  if (bytes?.length !== txnIndexBytes) return 'doubt';
  if (crc32c(bytes, 0, txnIndexBytes) !== txnIndexCrc) return 'doubt';
  const entries = decodeTxnIndex(bytes);
  return entries === 'invalid' ? 'doubt' : entries;
}
