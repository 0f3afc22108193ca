/**
 * Opens a log with one flipped bit for writing, and holds what opening, appending and closing did
 * to the folder against what lay there: nothing acknowledged is cut, moved or changed.
 */

import { hasCode } from '../../src/base/errors.js';
import { Log } from '../../src/storage/log.js';
import type { RecordInput } from '../../src/storage/record.js';
import { type FolderImage, IMAGE_DIRECTORY } from './flips-image.js';
import type { FlipFailure, FlipJudge, FlipVerdict, Questions } from './flips-judge.js';
import { isFailure } from './flips-judge.js';
import { imageEnvironment } from './flips-log.js';

const NEW_RECORD: RecordInput = { key: 'new', value: 'behind the flip', timestamp: 1 };
const NO_QUESTIONS: Questions = { offsets: [], timestamps: [] };

/** `image` is changed. */
export async function judgeWriting(judge: FlipJudge, image: FolderImage): Promise<FlipVerdict> {
  const before = image.clone();
  judge.expectNoExtra();
  try {
    const verdict = await openAndAppend(judge, image);
    if (isFailure(verdict)) return verdict;
    return changeOf(judge, before, image) ?? verdict;
  } finally {
    judge.expectNoExtra();
  }
}

async function openAndAppend(judge: FlipJudge, image: FolderImage): Promise<FlipVerdict> {
  let log: Log;
  try {
    log = await Log.open(IMAGE_DIRECTORY, {}, imageEnvironment(image));
  } catch (error) {
    return judge.judgeError(error);
  }
  let verdict: FlipVerdict;
  let isWritable = false;
  try {
    verdict = await judge.judgeLog(log, NO_QUESTIONS);
    if (isFailure(verdict)) return verdict;
    const { damage } = log.describe();
    isWritable = damage === undefined;
    const appended = await append(judge, log);
    if (isFailure(appended)) return appended;
    if (isWritable !== (appended === 'harmless')) {
      return { kind: 'wrong', text: 'a damaged log takes appends, or a whole one refuses them' };
    }
  } finally {
    await log.close();
  }
  if (!isWritable) return 'detected';
  const again = await judge.judgeReading(image, NO_QUESTIONS);
  return isFailure(again) || verdict === 'harmless' ? again : verdict;
}

async function append(judge: FlipJudge, log: Log): Promise<FlipVerdict> {
  try {
    const { baseOffset } = await log.append([NEW_RECORD]);
    judge.expectExtra(baseOffset, NEW_RECORD);
    if (baseOffset >= judge.log.acknowledgedEnd) return 'harmless';
    return { kind: 'wrong', text: `an acknowledged offset was given again: ${baseOffset}` };
  } catch (error) {
    return hasCode(error, 'LOG_CORRUPT')
      ? 'detected'
      : { kind: 'wrong', text: `append failed with ${String(error)}` };
  }
}

/** Stored batches lie where they lay, the flipped bit included: nothing is repaired in silence. */
function changeOf(
  judge: FlipJudge,
  before: FolderImage,
  after: FolderImage,
): FlipFailure | undefined {
  for (const name of before.names.filter((file) => file.endsWith('.log'))) {
    if (!after.has(name)) return { kind: 'missing', text: `${name} was removed` };
    const was = before.bytesOf(name);
    const bytes = name === judge.log.activeLog ? judge.log.acknowledgedBytes : was.length;
    const is = after.bytesOf(name).subarray(0, bytes);
    if (Buffer.compare(is, was.subarray(0, bytes)) !== 0) {
      return { kind: 'missing', text: `${name} was changed below ${bytes}` };
    }
  }
  return undefined;
}
