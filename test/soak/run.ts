/**
 * `npm run soak -- --gigabytes N [--seed S] [--seconds-max N] [--compact]`, or
 * `npm run soak -- --queue [--messages N]`: long runs that must stay flat.
 *
 * First a reader that keeps up with the writer, then, over a tenth of the volume, one that is a
 * hundred times slower. With `--compact` instead a log that is compacted and bounded while it is
 * written; with `--queue` a queue whose backlog swings between nothing and a tenth of the messages,
 * a million as a rule. Prints a sample a second; exit code 1 when memory or descriptors rise.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runCompactingSoak } from './compacting-soak.js';
import { runQueueSoak } from './queue-soak.js';
import { runSoak, type SoakReport } from './soak.js';
import { formatChart } from './soak-chart.js';
import { type FlatVerdict, formatSample, type Sample } from './soak-samples.js';

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;
const SAMPLE_MS = 1000;
const SLOW_LAG = 100;
const SLOW_SHARE = 0.4;
/** Of the log that is compacted. */
const KEYS = 100_000;
/** Less than compaction alone leaves at its peaks: both give space back. */
const KEPT_BYTES = 96 * MIB;

const { values } = parseArgs({
  options: {
    gigabytes: { type: 'string', default: '10' },
    seed: { type: 'string', default: '1' },
    'seconds-max': { type: 'string' },
    compact: { type: 'boolean', default: false },
    queue: { type: 'boolean', default: false },
    messages: { type: 'string', default: '10000000' },
  },
});
const bytes = number(values.gigabytes) * GIB;
const seed = number(values.seed);
const secondsMax = values['seconds-max'] === undefined ? undefined : number(values['seconds-max']);

process.exitCode = (await soakAsked()) ? 0 : 1;

function soakAsked(): Promise<boolean> {
  if (values.queue) return soakQueue(number(values.messages));
  return values.compact ? soakCompacting() : soakReaders();
}

async function soakReaders(): Promise<boolean> {
  const fast = await soak('a reader that keeps up', 1, bytes, 8 * MIB);
  const slow = await soak(`a reader ${SLOW_LAG} times slower`, SLOW_LAG, bytes * SLOW_SHARE, MIB);
  return fast.isFlat && slow.isFlat;
}

async function soakCompacting(): Promise<boolean> {
  const name = `updates of ${KEYS} keys, compacted, with three followers`;
  const report = await inFolder(name, bytes, (common) =>
    runCompactingSoak({
      ...common,
      keys: KEYS,
      segmentBytes: 8 * MIB,
      retentionBytes: KEPT_BYTES,
    }),
  );
  const { passes, keysLeft, startOffset } = report;
  console.log(`${passes} passes of compaction, ${keysLeft} keys left from ${startOffset} on`);
  for (const line of formatChart(report.samples)) console.log(line);
  return report.isFlat;
}

/** Ten swings. */
async function soakQueue(messages: number): Promise<boolean> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-'));
  const backlog = Math.ceil(messages / 10);
  console.log(`a queue of ${messages} messages, ${backlog} of them at once`);
  try {
    const report = await runQueueSoak({
      directory: join(directory, 'broker'),
      messages,
      backlog,
      sampleMs: SAMPLE_MS,
      onSample: (sample) => console.log(formatSample(sample)),
    });
    const { isFlat, rssRiseBytes, descriptorsRise, diskBytesMax, emptyDiskBytesMax } = report;
    console.log(
      `${isFlat ? 'flat' : 'NOT FLAT'}: rss rose ${(rssRiseBytes / MIB).toFixed(1)} MiB, ` +
        `descriptors ${descriptorsRise}, disk at most ${(diskBytesMax / MIB).toFixed(0)} MiB, ` +
        `${(emptyDiskBytesMax / MIB).toFixed(0)} MiB when empty, ` +
        `${report.acknowledged} acknowledged, ${report.swings} swings, ` +
        `${report.seconds.toFixed(1)} s`,
    );
    for (const line of formatChart(report.samples)) console.log(line);
    return isFlat;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function soak(
  name: string,
  lag: number,
  volume: number,
  segmentBytes: number,
): Promise<SoakReport> {
  return await inFolder(name, volume, (common) => runSoak({ ...common, lag, segmentBytes }));
}

interface CommonOptions {
  readonly directory: string;
  readonly bytes: number;
  readonly seed: number;
  readonly sampleMs: number;
  readonly onSample: (sample: Sample) => void;
  readonly secondsMax?: number;
}

interface CommonReport extends FlatVerdict {
  readonly readRecords: number;
  readonly jumps: number;
  readonly seconds: number;
}

async function inFolder<Report extends CommonReport>(
  name: string,
  volume: number,
  run: (common: CommonOptions) => Promise<Report>,
): Promise<Report> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-'));
  console.log(`${name}: ${(volume / GIB).toFixed(1)} GiB, seed ${seed}`);
  try {
    const report = await run({
      directory: join(directory, 'log'),
      bytes: volume,
      seed,
      sampleMs: SAMPLE_MS,
      onSample: (sample) => console.log(formatSample(sample)),
      ...(secondsMax === undefined ? {} : { secondsMax }),
    });
    const { isFlat, rssRiseBytes, descriptorsRise, diskBytesMax, jumps, seconds } = report;
    console.log(
      `${isFlat ? 'flat' : 'NOT FLAT'}: rss rose ${(rssRiseBytes / MIB).toFixed(1)} MiB, ` +
        `descriptors ${descriptorsRise}, disk at most ${(diskBytesMax / MIB).toFixed(0)} MiB, ` +
        `${report.readRecords} records read, ${jumps} jumps, ${seconds.toFixed(1)} s`,
    );
    return report;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function number(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new RangeError(`not a number above 0: ${text}`);
  return value;
}
