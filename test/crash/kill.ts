/**
 * The SIGKILL loop: a process appends to a log on the real disk until it is killed, then the log is
 * held against what was acknowledged; over and over, mostly on the same log.
 *
 * Most processes are killed from outside after a random time, counted from their start or from the
 * moment their log was open; the others die by themselves at one exact call of the writer. After
 * most kills the log is recovered here and read; after the others it is only read, beside nobody,
 * and the next process recovers it, perhaps to be killed in the middle of that.
 *
 * Two such loops run side by side, since starting a process is most of the work; each has logs and
 * cycle numbers of its own.
 *
 * The page cache survives a kill: this finds what the process kept for itself, wrong orders and
 * locks that stay. What a power cut takes is the simulation's.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { hasCode } from '../../src/base/errors.js';
import { Prng } from '../../src/base/prng.js';
import { Log } from '../../src/storage/log.js';
import { acquireWorkerWriter } from '../../src/storage/worker-writer.js';
import type { ChildOrder } from './kill-child.js';
import { type Findings, KillModel } from './kill-model.js';
import { type KillPoint, killPlaces } from './kill-points.js';

export interface KillOptions {
  readonly cycles: number;
  readonly seed: number;
  readonly onCycle?: ((done: number, report: KillReport) => void) | undefined;
}

export interface KillReport extends Findings {
  cycles: number;
  readonly seed: number;
  seconds: number;
  /** How often a process died by itself at its named point. */
  atPoint: number;
  /** Processes that failed before they were killed, and logs that could not be opened or read. */
  failures: number;
  acknowledged: number;
  recovered: number;
  /** One line per finding, the first ones. */
  readonly details: string[];
}

const CHILD = fileURLToPath(new URL('./kill-child.js', import.meta.url));
const DETAILS_MAX = 20;
/** A process that dies at a named point gets this long to come there. */
const POINT_MS_MAX = 250;
const START_MS_MAX = 20_000;
const LANES = 2;
/** About when a process, counted from its start, begins to open the log. */
const START_MS = 90;
const CYCLES_PER_LOG = 25;
const SEGMENT_BYTES = [8 * 1024, 16 * 1024, 48 * 1024] as const;
const WHEN: readonly KillPoint['when'][] = ['half', 'before', 'after'];
const CODECS = ['none', 'none', 'gzip', 'snappy', 'lz4'] as const;

export async function runKillLoop(options: KillOptions): Promise<KillReport> {
  const { cycles, seed, onCycle } = options;
  const startedMs = performance.now();
  const report: KillReport = {
    cycles: 0,
    lost: 0,
    holes: 0,
    phantom: 0,
    seed,
    seconds: 0,
    atPoint: 0,
    failures: 0,
    acknowledged: 0,
    recovered: 0,
    details: [],
  };
  const folder = mkdtempSync(join(tmpdir(), 'millrace-'));
  // Held for the whole loop, so that each recovery finds the writer worker started.
  const writer = acquireWorkerWriter();
  const runLane = async (lane: number): Promise<void> => {
    const loop = new KillLoop(join(folder, `${lane}`), new Prng(seed * LANES + lane), report);
    for (let cycle = lane; cycle < cycles; cycle += LANES) {
      await loop.cycle(cycle);
      report.cycles += 1;
      report.seconds = Math.round((performance.now() - startedMs) / 100) / 10;
      onCycle?.(report.cycles, report);
    }
  };
  try {
    await Promise.all(Array.from({ length: LANES }, (_, lane) => runLane(lane)));
  } finally {
    await writer.release();
    rmSync(folder, { recursive: true, force: true });
  }
  return report;
}

function isHalfMark(point: KillPoint | undefined): boolean {
  return point?.when === 'half' && point.suffix === 'watermark';
}

class KillLoop {
  readonly #folder: string;
  readonly #prng: Prng;
  readonly #report: KillReport;
  #model: KillModel;
  #directory = '';
  #segmentBytes = 0;
  #cyclesLeft = 0;
  #cycle = 0;

  constructor(folder: string, prng: Prng, report: KillReport) {
    this.#folder = folder;
    this.#prng = prng;
    this.#report = report;
    this.#model = this.#newModel();
  }

  async cycle(cycle: number): Promise<void> {
    this.#cycle = cycle;
    if (this.#cyclesLeft === 0) this.#startLog();
    this.#cyclesLeft -= 1;
    this.#model.begin(cycle);
    const hasPoint = this.#prng.boolean(0.3);
    const order: ChildOrder = {
      directory: this.#directory,
      seed: this.#report.seed,
      cycle,
      segmentBytes: this.#segmentBytes,
      compression: this.#pick(CODECS),
      ...(hasPoint ? { point: this.#drawPoint() } : {}),
    };
    await this.#live(order);
    const isLast = this.#cyclesLeft === 0;
    try {
      if (isLast || this.#prng.boolean(0.7)) await this.#recover();
      else await this.#lookOnly(isHalfMark(order.point));
    } catch (error) {
      this.#report.failures += 1;
      this.#explain(`the log cannot be read: ${String(error)}`);
      this.#cyclesLeft = 0;
    }
  }

  get #markPath(): string {
    return join(this.#directory, 'watermark');
  }

  #startLog(): void {
    if (this.#directory !== '') rmSync(this.#directory, { recursive: true, force: true });
    this.#directory = join(this.#folder, `${this.#cycle}`);
    this.#segmentBytes = this.#pick(SEGMENT_BYTES);
    this.#cyclesLeft = 1 + this.#prng.integer(CYCLES_PER_LOG * 2 - 1);
    this.#model = this.#newModel();
  }

  #newModel(): KillModel {
    return new KillModel(this.#report.seed, this.#report, (text) => this.#explain(text));
  }

  #drawPoint(): KillPoint {
    const place = this.#pick(killPlaces);
    const when = this.#pick(place.call === 'write' ? WHEN : WHEN.slice(1));
    // Small numbers meet the opening, larger ones the work that follows.
    const skip = this.#prng.integer(this.#prng.boolean() ? 4 : 60);
    return { ...place, when, skip };
  }

  /** Runs one process to its death, noting what it reports. */
  async #live(order: ChildOrder): Promise<void> {
    const child = spawn(process.execPath, [CHILD, JSON.stringify(order)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const { stdout, stderr } = child;
    const kill = (): boolean => child.kill('SIGKILL');
    const isEarly = order.point === undefined && this.#prng.boolean(0.25);
    const lifeMs = this.#prng.integer(120);
    let timer = setTimeout(kill, isEarly ? START_MS + lifeMs : START_MS_MAX);
    const ended = once(child, 'close');
    let complaint = '';
    stderr.setEncoding('utf8').on('data', (text: string) => {
      complaint += text;
    });
    for await (const line of createInterface({ input: stdout, crlfDelay: Infinity })) {
      if (line.startsWith('O') && !isEarly) {
        clearTimeout(timer);
        timer = setTimeout(kill, order.point === undefined ? lifeMs : POINT_MS_MAX);
      }
      this.#note(line);
    }
    await ended;
    clearTimeout(timer);
    if (child.signalCode === 'SIGKILL' && !child.killed) this.#report.atPoint += 1;
    if (complaint !== '' || child.signalCode !== 'SIGKILL') {
      this.#report.failures += 1;
      this.#explain(`the process ended by itself (${child.exitCode}): ${complaint}`);
    }
  }

  #note(line: string): void {
    const [kind, ...rest] = line.split(' ');
    const [first = 0, second = 0, count = 0] = rest.map(Number);
    if (kind === 'S') this.#model.sent(first);
    else if (kind === 'X') this.#model.deleting(first);
    else if (kind === 'x') this.#model.deleted(first);
    else if (kind === 'D' || kind === 'W') {
      this.#report.acknowledged += count;
      this.#model.acknowledged(first, second, count, kind === 'D' ? 'durable' : 'written');
    }
  }

  async #recover(): Promise<void> {
    const log = await Log.open(this.#directory, { segmentBytes: this.#segmentBytes });
    try {
      const { startOffset, durableOffset, damage } = log.describe();
      if (damage !== undefined) throw new Error(`damaged: ${JSON.stringify(damage)}`);
      const bounds = { startOffset, endOffset: durableOffset };
      await this.#model.check(bounds, log.read(), 'recovered');
      this.#report.recovered += 1;
    } finally {
      await log.close();
    }
  }

  /**
   * A reader beside nobody. Of a process that died while it wrote a watermark one slot is half of
   * two: only a writer can tell what that one promised, and a reader says so where the other ends.
   */
  async #lookOnly(mayMissMark: boolean): Promise<void> {
    let log: Log;
    try {
      log = await Log.open(this.#directory, { readOnly: true });
    } catch (error) {
      // The process was killed before it had made the log.
      if (hasCode(error, 'LOG_NOT_FOUND') && !this.#model.hasPromises) return;
      throw error;
    }
    try {
      const { startOffset, durableOffset } = log.describe();
      await this.#model.check({ startOffset, endOffset: durableOffset }, log.read(), 'read-only');
    } catch (error) {
      const isOfMark = hasCode(error, 'LOG_CORRUPT') && error.facts['file'] === this.#markPath;
      if (!(mayMissMark && isOfMark)) throw error;
    } finally {
      await log.close();
    }
  }

  #pick<T>(choices: readonly T[]): T {
    const choice = choices[this.#prng.integer(choices.length)];
    if (choice === undefined) throw new RangeError('nothing to choose from');
    return choice;
  }

  #explain(text: string): void {
    const { details } = this.#report;
    if (details.length < DETAILS_MAX) details.push(`cycle ${this.#cycle}: ${text}`);
  }
}
