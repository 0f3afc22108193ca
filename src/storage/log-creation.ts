/**
 * Making a new log, and making a folder of another engine ours.
 *
 * The order is such that every prefix of the steps recovers: `log.json` comes last, and a folder
 * without it that holds nothing but one empty segment is made again.
 */

import { dirname, join } from 'node:path';
import type { FileSystem } from '../base/file-system.js';
import type { Epochs } from './epochs.js';
import { encodeLogJson, encodeMetadata, type LogIdentity } from './log-json.js';
import type { Segment } from './segment.js';
import { segmentPath, sideFiles } from './segment-files.js';
import { sealSteps } from './segment-roll.js';
import { type AbortedTransactions, encodeTxnIndex } from './transactions.js';
import type { Writer, WriterStep } from './writer.js';

/** Makes the folder and its missing parents, durably. */
export async function makeFolder(
  fileSystem: FileSystem,
  writer: Writer,
  directory: string,
): Promise<void> {
  const missing: string[] = [];
  let path = directory;
  while ((await fileSystem.facts(path)) === undefined) {
    missing.push(path);
    const parent = dirname(path);
    if (parent === path) break;
    path = parent;
  }
  const made: WriterStep[] = [{ kind: 'makeDirectory', path: directory }];
  for (const name of missing.reverse()) made.push({ kind: 'syncDirectory', path: dirname(name) });
  await writer.run(made);
}

/** The steps that give a log its small files; the watermark follows when the log is open. */
export function identitySteps(directory: string, identity: LogIdentity): readonly WriterStep[] {
  return [
    {
      kind: 'replace',
      path: join(directory, sideFiles.metadata),
      bytes: encodeMetadata(identity.logId),
    },
    { kind: 'syncDirectory', path: directory },
    { kind: 'replace', path: join(directory, sideFiles.options), bytes: encodeLogJson(identity) },
    { kind: 'syncDirectory', path: directory },
  ];
}

export function epochsStep(directory: string, epochs: Epochs): WriterStep {
  return {
    kind: 'replace',
    path: join(directory, sideFiles.epochs),
    bytes: epochs.encode(),
  };
}

/** Seals the segments of another engine, whose offsets may skip, and takes over its epochs. */
export function adoptionSteps(
  directory: string,
  logId: string,
  segments: readonly Segment[],
  epochs: Epochs,
  aborted: AbortedTransactions,
): readonly WriterStep[] {
  const steps: WriterStep[] = [];
  for (const [index, { baseOffset }] of segments.entries()) {
    const end = segments[index + 1]?.baseOffset ?? Number.POSITIVE_INFINITY;
    const entries = aborted.endingIn(baseOffset, end);
    if (entries.length === 0) continue;
    const path = segmentPath(directory, baseOffset, 'txnIndex');
    steps.push({ kind: 'replace', path, bytes: encodeTxnIndex(entries) });
  }
  let runningMaxTimestamp = -1;
  for (const segment of segments.slice(0, -1)) {
    const files = segment.toSealedFiles(logId, epochs, runningMaxTimestamp);
    runningMaxTimestamp = segment.seal?.runningMaxTimestamp ?? runningMaxTimestamp;
    steps.push(...sealSteps(segment, files));
    // From here on the files say it; readers load what they need, within their bound.
    segment.indexer = undefined;
    segment.totals = undefined;
  }
  steps.push(epochsStep(directory, epochs), { kind: 'syncDirectory', path: directory });
  return steps;
}
