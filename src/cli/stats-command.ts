/**
 * `millrace stats`: what a log holds, and why its cleaning does or does not give space back.
 */

import type { LogStats, SegmentStats } from '../main.js';
import { type Command, EXIT_OK, firstOf, type Invocation } from './command.js';
import { followLinks } from './input-lines.js';
import { type OpenLog, withMaintainedLog } from './maintained-log.js';

export function makeStatsCommand(open: OpenLog): Command {
  return {
    name: 'stats',
    synopsis: '<dir>',
    positionals: [1, 1],
    summary: 'Shows segments, what is clean or dirty, and why; it changes nothing.',
    options: [],
    run: (invocation) => run(invocation, open),
  };
}

async function run(invocation: Invocation, open: OpenLog): Promise<number> {
  const { output, signal } = invocation;
  const directory = followLinks(firstOf(invocation));
  const stats = await withMaintainedLog(directory, open, true, signal, (log) => log.stats());
  const { segments, ...log } = stats;
  for (const segment of segments) {
    await output.line(segmentText(segment), { type: 'segment', ...segment });
  }
  await output.line(logText(stats), { type: 'log', ...log });
  return EXIT_OK;
}

function segmentText(segment: SegmentStats): string {
  const { baseOffset, endOffset, bytes, records, maxTimestamp, state } = segment;
  const facts = [
    `${bytes} bytes`,
    records === null ? [] : [`${records} records`],
    maxTimestamp === null ? [] : [`newest ${timeText(maxTimestamp)}`],
  ].flat();
  const eligible = segment.isEligible ? 'eligible' : 'not eligible';
  return [
    `segment ${baseOffset} to ${endOffset}: ${facts.join(', ')}`,
    `  ${state}, ${eligible}: ${segment.why}`,
    `  retention: ${segment.retention}`,
  ].join('\n');
}

function logText(stats: LogStats): string {
  const { startOffset, endOffset, segmentCount, bytes, cleanup, lastFailure, pool } = stats;
  const ratio = stats.dirtyRatio.toFixed(2);
  const lines = [
    `offsets ${startOffset} to ${endOffset}, ${segmentCount} segments, ${bytes} bytes`,
    `cleanup ${cleanup}, dirty from offset ${stats.firstDirtyOffset}, ratio ${ratio}`,
    `compaction ${stats.isEligible ? 'is due' : 'is not due'}: ${stats.why}`,
  ];
  if (stats.cleaning !== null) lines.push(`cleaning ${stats.cleaning}`);
  if (lastFailure !== null) {
    const { message, atMs, count, delayMs } = lastFailure;
    const when = `${timeText(atMs)}, ${count} in a row, tried again after ${delayMs} ms`;
    lines.push(`last failure: ${message} (${when})`);
  }
  if (pool !== null) {
    const { threads, threadsMax, queued, completed, failed, restarts } = pool;
    const counts = `${completed} completed, ${failed} failed, ${restarts} restarts`;
    lines.push(`threads ${threads} of ${threadsMax}, ${queued} tasks wait, ${counts}`);
    for (const { kind, directory, bytes: done, sinceMs } of pool.running) {
      lines.push(`running ${kind} of ${directory} since ${timeText(sinceMs)}, ${done} bytes`);
    }
  }
  return lines.join('\n');
}

/** As ISO 8601 writes it; a number for times that it cannot write. */
function timeText(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? String(ms) : date.toISOString();
}
