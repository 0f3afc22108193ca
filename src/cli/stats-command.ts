/**
 * `millrace stats`: what a log holds, and why its cleaning does or does not give space back.
 */

import type { LogStats, SegmentStats } from '../storage/main.js';
import { type Command, EXIT_OK, firstOf, type Invocation } from './command.js';
import { followLinks } from './input-lines.js';
import { type OpenLog, withMaintainedLog } from './maintained-log.js';

export function makeStatsCommand(open: OpenLog): Command {
  return {
    name: 'stats',
    synopsis: '<dir>',
    positionals: [1, 1],
    summary: 'Shows the segments of a log and why they are cleaned or not; it changes nothing.',
    options: [],
    run: (invocation) => run(invocation, open),
  };
}

async function run(invocation: Invocation, open: OpenLog): Promise<number> {
  const { output, signal } = invocation;
  const directory = followLinks(firstOf(invocation));
  const stats = await withMaintainedLog(directory, open, true, signal, (log) => log.stats());
  if (output.isJson) {
    await output.line('', stats);
    return EXIT_OK;
  }
  const rows = [tableHead, ...stats.segments.map(rowOf)];
  for (const row of aligned(rows)) await output.write(`${row}\n`);
  await output.write(`\n${summaryOf(stats).join('\n')}\n`);
  return EXIT_OK;
}

/** Numbers stand right, texts left; the last column is as wide as it likes. */
const tableHead = ['offset', 'to', 'bytes', 'records', 'newest record', 'state', 'cleaning'];
const NUMBER_COLUMNS = 4;

function rowOf(segment: SegmentStats): readonly string[] {
  const { baseOffset, endOffset, bytes, records, maxTimestamp, state, isEligible } = segment;
  const compaction = `compaction ${isEligible ? 'takes it' : 'does not'}: ${segment.why}`;
  return [
    String(baseOffset),
    String(endOffset),
    String(bytes),
    records === null ? '?' : String(records),
    maxTimestamp === null ? '?' : timeText(maxTimestamp),
    state,
    `${compaction}; retention: ${segment.retention}`,
  ];
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = tableHead.map((_, column) =>
    rows.reduce((most, row) => Math.max(most, row[column]?.length ?? 0), 0),
  );
  return rows.map((row) => {
    const cells = row.map((cell, column) => {
      const width = widths[column] ?? 0;
      return column < NUMBER_COLUMNS ? cell.padStart(width) : cell.padEnd(width);
    });
    return cells.join('  ').trimEnd();
  });
}

function summaryOf(stats: LogStats): string[] {
  const { startOffset, endOffset, segmentCount, bytes, cleanup, lastFailure, pool } = stats;
  const dirty = `${stats.dirtyRatio.toFixed(2)} dirty, from offset ${stats.firstDirtyOffset}`;
  const lines = [
    ['log', `offsets ${startOffset} to ${endOffset}, ${segmentCount} segments, ${bytes} bytes`],
    ['cleanup', `${cleanup}; ${dirty}`],
    ['compaction', `${stats.isEligible ? 'due' : 'not due'}: ${stats.why}`],
  ];
  if (stats.cleaning !== null) lines.push(['cleaner', stats.cleaning]);
  if (lastFailure !== null) {
    const { message, atMs, count, delayMs } = lastFailure;
    const when = `${timeText(atMs)}, ${count} in a row, tried again after ${delayMs} ms`;
    lines.push(['failure', `${message} (${when})`]);
  }
  if (pool !== null) {
    const { threads, threadsMax, queued, completed, failed, restarts } = pool;
    const counts = `${completed} completed, ${failed} failed, ${restarts} restarts`;
    lines.push(['threads', `${threads} of ${threadsMax}, ${queued} tasks wait, ${counts}`]);
    for (const { kind, directory, bytes: done, sinceMs } of pool.running) {
      lines.push(['running', `${kind} of ${directory} since ${timeText(sinceMs)}, ${done} bytes`]);
    }
  }
  return lines.map(([name = '', text]) => `${name.padEnd(10)}  ${text}`);
}

/** As ISO 8601 writes it; a number for times that it cannot write. */
function timeText(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? String(ms) : date.toISOString();
}
