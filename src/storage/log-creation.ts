/**
 * Making a new log, and making a folder of another engine ours.
 *
 * The order is such that every prefix of the steps recovers: `log.json` comes last, and a folder
 * without it that holds nothing but one empty segment is made again.
 */

import { dirname, join, resolve } from 'node:path';
import { errnoOf } from '../base/errors.js';
import type { FileSystem } from '../base/file-system.js';
import type { Epochs } from './epochs.js';
import type { LogFolder } from './log-folder.js';
import { encodeLogJson, encodeMetadata, type LogIdentity } from './log-json.js';
import type { ProducerStates } from './producer-states.js';
import type { Segment } from './segment.js';
import { segmentPath, sideFiles } from './segment-files.js';
import { sealSteps } from './segment-roll.js';
import { encodeTxnIndex } from './transactions.js';
import type { Writer, WriterStep } from './writer.js';

/**
 * Makes every name on the way to the folder durable, from the root down: any of them may come from
 * a process that died before it could. One in a directory that this user may not open is not ours.
 */
export async function syncWayTo(writer: Writer, directory: string): Promise<void> {
  const parents: string[] = [];
  let path = resolve(directory);
  for (let parent = dirname(path); parent !== path; parent = dirname(path)) {
    parents.push(parent);
    path = parent;
  }
  for (const parent of parents.reverse()) {
    try {
      await writer.run([{ kind: 'syncDirectory', path: parent }]);
    } catch (error) {
      const errno = errnoOf(error);
      if (errno !== 'EACCES' && errno !== 'EPERM') throw error;
    }
  }
}

/** No log, or one whose creation was cut short: `log.json` comes last. */
export async function isUnmade(fileSystem: FileSystem, folder: LogFolder): Promise<boolean> {
  if (folder.kind === 'empty') return true;
  const [only, ...others] = folder.segments;
  if (folder.hasOptions || others.length > 0 || only?.baseOffset !== 0) return false;
  return (await fileSystem.facts(segmentPath(folder.directory, 0, 'log')))?.bytes === 0;
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

/** From the first file of ours on, until `log.json` is there, the folder is another engine's. */
export function beginAdoption(directory: string): readonly WriterStep[] {
  const path = join(directory, sideFiles.adoption);
  return [
    { kind: 'replace', path, bytes: new Uint8Array(0) },
    { kind: 'syncDirectory', path: directory },
  ];
}

export function endAdoption(directory: string): readonly WriterStep[] {
  return [
    { kind: 'unlink', path: join(directory, sideFiles.adoption) },
    { kind: 'syncDirectory', path: directory },
  ];
}

/** Seals the segments of another engine, whose offsets may skip, and takes over its epochs. */
export function adoptionSteps(
  directory: string,
  logId: string,
  segments: readonly Segment[],
  epochs: Epochs,
  producers: ProducerStates,
): readonly WriterStep[] {
  const steps: WriterStep[] = [];
  const { aborted } = producers.transactions;
  let runningMaxTimestamp = -1;
  for (const [index, segment] of segments.slice(0, -1).entries()) {
    const end = segments[index + 1]?.baseOffset ?? Number.POSITIVE_INFINITY;
    const entries = aborted.endingIn(segment.baseOffset, end);
    const files = segment.toSealedFiles(logId, epochs, runningMaxTimestamp, {
      txnIndex: entries.length === 0 ? undefined : encodeTxnIndex(entries),
      // Where there is no snapshot, whoever needs one walks what lies before.
      snapshot: undefined,
      hasProducers: !producers.isEmpty,
    });
    runningMaxTimestamp = segment.seal?.runningMaxTimestamp ?? runningMaxTimestamp;
    steps.push(...sealSteps(segment, files));
    // From here on the files say it; readers load what they need, within their bound.
    segment.indexer = undefined;
    segment.totals = undefined;
  }
  steps.push(epochsStep(directory, epochs), { kind: 'syncDirectory', path: directory });
  return steps;
}
