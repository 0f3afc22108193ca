/**
 * What a long run costs, sampled: memory, descriptors and disk; and the verdict whether it is flat.
 *
 * After the first tenth of a run, by bytes written, RSS may rise by 32 MiB and descriptors not at
 * all: no later sample has more than the most of the first tenth.
 */

import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const MIB = 1024 * 1024;
export const RSS_RISE_BYTES_MAX = 32 * MIB;

export interface Sample {
  readonly seconds: number;
  /** Share of the run that is done, 0 to 1. */
  readonly progress: number;
  readonly rssBytes: number;
  readonly externalBytes: number;
  readonly heapBytes: number;
  readonly descriptors: number;
  readonly diskBytes: number;
}

export interface FlatVerdict {
  readonly isFlat: boolean;
  readonly rssRiseBytes: number;
  readonly descriptorsRise: number;
  readonly diskBytesMax: number;
}

const LOOK_MS = 25;

/**
 * Counts descriptors many times between two samples and gives the least: a file that is open for a
 * moment, such as the next segment while one is rolled, is not one that stays open.
 */
export class DescriptorWatch {
  readonly #timer: NodeJS.Timeout;
  #least = countDescriptors();

  constructor() {
    this.#timer = setInterval(() => {
      this.#least = Math.min(this.#least, countDescriptors());
    }, LOOK_MS);
    this.#timer.unref();
  }

  /** The least since the last time it was asked for. */
  take(): number {
    const now = countDescriptors();
    const least = Math.min(this.#least, now);
    this.#least = now;
    return least;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

function countDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

export function takeSample(
  seconds: number,
  progress: number,
  directory: string,
  descriptors: number,
): Sample {
  const { rss, external, heapUsed } = process.memoryUsage();
  return {
    seconds,
    progress,
    rssBytes: rss,
    externalBytes: external,
    heapBytes: heapUsed,
    descriptors,
    diskBytes: folderBytes(directory),
  };
}

/** Compares what comes after the first tenth with its end. */
export function judgeFlat(samples: readonly Sample[]): FlatVerdict {
  const early = samples.filter(({ progress }) => progress <= 0.1);
  const base = early.at(-1) ?? samples[0];
  const later = samples.slice(Math.max(1, early.length));
  if (base === undefined) throw new RangeError('there are no samples');
  const rssRiseBytes = Math.max(0, ...later.map(({ rssBytes }) => rssBytes - base.rssBytes));
  const descriptorsBase = Math.max(...[...early, base].map(({ descriptors }) => descriptors));
  const descriptorsRise = Math.max(0, ...later.map((one) => one.descriptors - descriptorsBase));
  return {
    isFlat: rssRiseBytes <= RSS_RISE_BYTES_MAX && descriptorsRise === 0,
    rssRiseBytes,
    descriptorsRise,
    diskBytesMax: Math.max(...samples.map(({ diskBytes }) => diskBytes)),
  };
}

export function formatSample(sample: Sample): string {
  const { seconds, progress, rssBytes, externalBytes, heapBytes, descriptors, diskBytes } = sample;
  const mib = (bytes: number): string => (bytes / MIB).toFixed(0).padStart(5);
  return (
    `${seconds.toFixed(1).padStart(7)} s ${(progress * 100).toFixed(0).padStart(3)} %` +
    `  rss ${mib(rssBytes)}  external ${mib(externalBytes)}  heap ${mib(heapBytes)}` +
    `  disk ${mib(diskBytes)} MiB  descriptors ${descriptors}`
  );
}

function folderBytes(directory: string): number {
  let bytes = 0;
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    try {
      bytes += statSync(join(directory, name)).size;
    } catch {
      // Deleted between the two calls.
    }
  }
  return bytes;
}
