/**
 * The end of a writable log: sealed, marked clean, and given back.
 */

import type { HolderLock } from './holder-lock.js';
import type { LogDamage } from './log-damage.js';
import type { LogMaintenance } from './log-maintenance.js';
import type { OpenedLog } from './log-opening.js';
import type { LogWriting } from './log-writing.js';
import type { MarkKeeper } from './mark-keeper.js';
import { closeSteps } from './segment-roll.js';

/** What a log that is written to consists of, beside what readers need. */
export interface WritingParts {
  readonly opened: OpenedLog;
  readonly marks: MarkKeeper;
  readonly writing: LogWriting;
  readonly lock: HolderLock;
  readonly maintenance: LogMaintenance;
}

/** Seals the active segment, settles the watermark as clean, and gives everything back. */
export async function closeWriting(
  parts: WritingParts,
  damage: LogDamage | undefined,
): Promise<void> {
  const { opened, marks, writing, lock, maintenance } = parts;
  const { core } = opened;
  const { writer } = core;
  const mayBeMarked = damage === undefined && writing.state === 'closing';
  try {
    if (
      mayBeMarked &&
      (writing.hasWritten || !opened.wasClean || core.segments.active.seal === undefined)
    ) {
      await writer.run(closeSteps(core));
      await marks.settle(writing.appender.markContent({ isClean: true }));
    }
  } catch {
    // Without the clean mark the next open recovers, from records that are durable already.
  } finally {
    if (writing.state === 'closing' || writing.state === 'poisoned') writing.markClosed();
    writing.appender.abandon();
    marks.close();
    const files = [core.segments.active.writerFile, marks.file];
    for (const file of files) {
      if (file !== undefined) await writer.run([{ kind: 'close', file }]).catch(() => undefined);
    }
    await maintenance.release();
    await writer.release();
    await lock.release();
  }
}
