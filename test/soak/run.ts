/**
 * `npm run soak -- --gigabytes N [--seed S] [--seconds-max N]`: long runs that must stay flat.
 *
 * First a reader that keeps up with the writer, then, over a tenth of the volume, one that is a
 * hundred times slower. Prints a sample a second; exit code 1 when memory or descriptors rise.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runSoak, type SoakReport } from './soak.js';
import { formatSample } from './soak-samples.js';

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;
const SAMPLE_MS = 1000;
const SLOW_LAG = 100;
const SLOW_SHARE = 0.1;

const { values } = parseArgs({
  options: {
    gigabytes: { type: 'string', default: '10' },
    seed: { type: 'string', default: '1' },
    'seconds-max': { type: 'string' },
  },
});
const bytes = number(values.gigabytes) * GIB;
const seed = number(values.seed);
const secondsMax = values['seconds-max'] === undefined ? undefined : number(values['seconds-max']);

const fast = await soak('a reader that keeps up', 1, bytes, 8 * MIB);
const slow = await soak(`a reader ${SLOW_LAG} times slower`, SLOW_LAG, bytes * SLOW_SHARE, MIB);
process.exitCode = fast.isFlat && slow.isFlat ? 0 : 1;

async function soak(
  name: string,
  lag: number,
  volume: number,
  segmentBytes: number,
): Promise<SoakReport> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-'));
  console.log(`${name}: ${(volume / GIB).toFixed(1)} GiB, seed ${seed}`);
  try {
    const report = await runSoak({
      directory: join(directory, 'log'),
      bytes: volume,
      seed,
      lag,
      segmentBytes,
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
