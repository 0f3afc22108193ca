/**
 * Statistics of a log that is open for reading only: what its files say; it cleans nothing.
 */

import type { LogSource } from './log-source.js';
import { buildStats, type LogStats } from './log-stats.js';
import { decideRetention } from './retention-decision.js';
import type { KnownSegment } from './segment-facts.js';
import { readSeal } from './segment-loader.js';

/** Reads the seals that were not read yet. */
export async function readOnlyStats(source: LogSource): Promise<LogStats> {
  const { core } = source;
  const { config, offsets } = core;
  await source.refresh();
  const segments: KnownSegment[] = [];
  const all = core.segments.all().slice();
  for (const [index, segment] of all.entries()) {
    const next = all[index + 1];
    const { baseOffset } = segment;
    const endOffset = next?.baseOffset ?? Math.max(baseOffset, offsets.durable);
    const read = segment.seal ?? (await readSeal(source.segmentContext, segment));
    if (typeof read !== 'string' && next !== undefined) segments.push({ ...read, endOffset });
    else segments.push({ ...(await bareFacts(source, segment)), baseOffset, endOffset });
  }
  const nowMs = core.clock.nowMs();
  const totalBytes = segments.reduce((sum, { logBytes }) => sum + logBytes, 0);
  const totalRecords = segments.reduce((sum, { records }) => sum + Math.max(0, records), 0);
  const common = { segments, durableEnd: offsets.durable, newestMs: nowMs, nowMs };
  const { verdicts } = decideRetention(config, {
    ...common,
    isComplete: true,
    totalBytes,
    totalRecords,
    startOffset: offsets.start,
    // What groups have reported, only a writer knows: nothing is said to be protected.
    floor: { offset: Number.POSITIVE_INFINITY, group: undefined, hasReported: true },
    mayRoll: false,
  });
  const compaction = {
    ...common,
    firstDirtyOffset: Math.max(core.firstDirtyOffset, offsets.start),
    lastStableOffset: core.producers.transactions.stableOffset(offsets.durable),
    isEverCompacted: core.isEverCompacted,
    openedMs: nowMs,
    horizonMs: undefined,
  };
  return buildStats(core, { compaction, retention: verdicts, cleaning: null, pool: null });
}

/** Of a segment without a seal: its size. */
async function bareFacts(
  source: LogSource,
  segment: KnownPath,
): Promise<Omit<KnownSegment, 'baseOffset' | 'endOffset'>> {
  const facts = await source.core.fileSystem.facts(segment.logPath);
  return {
    logBytes: facts?.bytes ?? 0,
    batches: -1,
    records: -1,
    maxTimestamp: -1,
    firstAppendMs: 0,
  };
}

interface KnownPath {
  readonly logPath: string;
}
