/**
 * A log whose disk is looked after: by the process that holds it, asked over its socket, or opened
 * here when nobody does.
 */

import { createError } from '../base/errors.js';
import {
  connectHolder,
  type HeldMaintenance,
  type HolderClient,
  type HolderReply,
  hasCode,
  type LogStats,
  type PassReport,
  requestStats,
} from '../storage/main.js';

export interface MaintainedLog {
  stats(): Promise<LogStats>;
  compact(): Promise<PassReport>;
  retain(): Promise<RetainSummary>;
  close(): Promise<void>;
}

export interface RetainSummary {
  /** Where the log starts now. */
  readonly startOffset: number;
  /** What was given back. */
  readonly segments: number;
  readonly bytes: number;
  readonly rolled: boolean;
  /** Why the oldest segment that stays does. */
  readonly kept: string;
}

/** Opens a log in this process. */
export type OpenLog = (
  directory: string,
  options: { readonly readOnly: boolean; readonly create: false },
) => Promise<HeldMaintenance & { close(): Promise<void> }>;

/** A compaction of a large log takes long; whoever is tired of waiting presses Ctrl-C. */
const REPLY_MS_MAX = 24 * 60 * 60 * 1000;

/**
 * Runs `work` on the log and closes it. When `signal` aborts, what runs here is ended, what the
 * holder does goes on without being waited for, and this rejects with the signal's reason.
 */
export async function withMaintainedLog<T>(
  directory: string,
  open: OpenLog,
  readOnly: boolean,
  signal: AbortSignal,
  work: (log: MaintainedLog) => Promise<T>,
): Promise<T> {
  const log = await connectOrOpen(directory, open, readOnly);
  const stop = (): void => void log.close().catch(() => undefined);
  signal.addEventListener('abort', stop, { once: true });
  try {
    signal.throwIfAborted();
    return await work(log);
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener('abort', stop);
    await log.close();
  }
}

async function connectOrOpen(
  directory: string,
  open: OpenLog,
  readOnly: boolean,
): Promise<MaintainedLog> {
  for (let attempt = 1; ; attempt += 1) {
    const holder = await connectHolder(directory, { replyMsMax: REPLY_MS_MAX });
    if (holder !== 'no-holder') return heldLog(holder);
    try {
      return openedLog(await open(directory, { readOnly, create: false }));
    } catch (error) {
      // Somebody took the folder in between: then it can be asked.
      if (!hasCode(error, 'LOG_LOCKED') || attempt === 2) throw error;
    }
  }
}

function openedLog(log: Awaited<ReturnType<OpenLog>>): MaintainedLog {
  return {
    stats: () => log.stats(),
    compact: () => log.compact(),
    async retain() {
      const { deleted, ...report } = await log.retain();
      return { ...report, segments: deleted.length };
    },
    close: () => log.close(),
  };
}

function heldLog(holder: HolderClient): MaintainedLog {
  return {
    stats: () => requestStats((request) => holder.request(request)),
    async compact() {
      const values = valuesOf(await holder.request({ kind: 'compact' }));
      return {
        outcome: values['outcome'] === 'cleaned' ? 'cleaned' : 'nothing',
        hasMore: values['hasMore'] === true,
        bytesIn: Number(values['bytesIn']),
        bytesOut: Number(values['bytesOut']),
        recordsIn: Number(values['recordsIn']),
        recordsOut: Number(values['recordsOut']),
        keylessRecords: Number(values['keylessRecords']),
      };
    },
    async retain() {
      const values = valuesOf(await holder.request({ kind: 'retain' }));
      return {
        startOffset: Number(values['startOffset']),
        segments: Number(values['segments']),
        bytes: Number(values['bytes']),
        rolled: values['rolled'] === true,
        kept: String(values['kept']),
      };
    },
    close: async () => holder.close(),
  };
}

function valuesOf(reply: HolderReply) {
  if (reply.ok) return reply.values;
  throw createError(reply.code, { ...reply.facts, message: reply.message });
}
