/**
 * What the holder of a log does for other processes that ask over its socket.
 */

import { createError } from '../base/errors.js';
import type { PassReport } from './cleaning-loop.js';
import {
  type HolderReply,
  type HolderRequest,
  type HolderValue,
  isBrokerRequest,
  type LogRequest,
} from './holder-protocol.js';
import { statsPage } from './holder-stats.js';
import type { LogOptions } from './log-config.js';
import type { RetentionReport } from './log-retention.js';
import type { LogStats } from './log-stats.js';
import type { RecordInput } from './record.js';

/** The part of a log that others may use. */
export interface HeldLog {
  describe(): Readonly<Record<string, HolderValue>>;
  append(
    records: readonly RecordInput[],
  ): Promise<{ readonly baseOffset: number; readonly lastOffset: number }>;
  deleteRecordsBefore(offset: number): Promise<number>;
  alter(options: LogOptions): Promise<void>;
}

/** What others may ask of a log that looks after its disk. */
export interface HeldMaintenance {
  stats(): Promise<LogStats>;
  compact(): Promise<PassReport>;
  retain(): Promise<RetentionReport>;
}

/** Answers one request; errors are turned into error replies by the server. */
export async function serveHolder(
  log: HeldLog & HeldMaintenance,
  request: HolderRequest,
): Promise<HolderReply> {
  if (isBrokerRequest(request)) {
    throw createError('NOT_A_BROKER', { request: request.kind, actual: 'a log' });
  }
  switch (request.kind) {
    case 'describe':
      return { ok: true, values: log.describe() };
    case 'append': {
      const { baseOffset, lastOffset } = await log.append(request.records);
      return { ok: true, values: { baseOffset, lastOffset } };
    }
    case 'deleteRecordsBefore':
      return { ok: true, values: { startOffset: await log.deleteRecordsBefore(request.offset) } };
    case 'alter':
      await log.alter(request.options);
      return { ok: true, values: {} };
    default:
      return { ok: true, values: await maintain(log, request) };
  }
}

async function maintain(
  log: HeldMaintenance,
  request: LogRequest & { readonly kind: 'stats' | 'compact' | 'retain' },
): Promise<Readonly<Record<string, HolderValue>>> {
  switch (request.kind) {
    case 'stats':
      return statsPage(await log.stats(), request.fromOffset);
    case 'compact':
      return { ...(await log.compact()) };
    case 'retain': {
      // A log may give up more segments at once than a frame has room for: they are counted.
      const { deleted, ...report } = await log.retain();
      return { ...report, segments: deleted.length };
    }
  }
}
