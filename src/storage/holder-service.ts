/**
 * What the holder of a log does for other processes that ask over its socket.
 */

import type { HolderReply, HolderRequest, HolderValue } from './holder-protocol.js';
import type { LogOptions } from './log-config.js';
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

/** Answers one request; errors are turned into error replies by the server. */
export async function serveHolder(log: HeldLog, request: HolderRequest): Promise<HolderReply> {
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
  }
}
