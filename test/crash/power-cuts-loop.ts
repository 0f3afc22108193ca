/**
 * The loop of the power cuts, within the mount namespace: a process appends to a log on the image
 * until the file system is shut down under it; then the image is mounted again, and the log is
 * opened and held against what was acknowledged as durable. What was merely written may be gone.
 */

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { hasCode } from '../../src/base/errors.js';
import { Prng } from '../../src/base/prng.js';
import { Log } from '../../src/storage/log.js';
import type { ChildOrder } from './kill-child.js';
import { KillModel } from './kill-model.js';
import { type CutOrder, type CutReport, MOUNT, makeScript, SHUTDOWN } from './power-cuts.js';

const CHILD = fileURLToPath(new URL('./kill-child.js', import.meta.url));
const SEGMENT_BYTES = 16 * 1024;
const CYCLES_PER_LOG = 10;
const DETAILS_MAX = 20;
const START_MS_MAX = 30_000;
const LIFE_MS_MAX = 300;
/** Descriptors of a reader may close a moment after it. */
const UNMOUNT_ATTEMPTS = 100;

export async function runCutLoop(order: CutOrder): Promise<CutReport> {
  const { fileSystem, cycles, seed, folder } = order;
  const startedMs = performance.now();
  const report: CutReport = {
    fileSystem,
    seed,
    cycles: 0,
    acknowledged: 0,
    lost: 0,
    holes: 0,
    phantom: 0,
    failures: 0,
    seconds: 0,
    details: [],
  };
  shell(makeScript(fileSystem), folder);
  const loop = new CutLoop(folder, new Prng(seed), report);
  for (let cycle = 0; cycle < cycles; cycle += 1) {
    await loop.cycle(cycle);
    report.cycles += 1;
  }
  report.seconds = Math.round((performance.now() - startedMs) / 100) / 10;
  return report;
}

class CutLoop {
  readonly #folder: string;
  readonly #prng: Prng;
  readonly #report: CutReport;
  #model: KillModel;
  #directory = '';
  #cycle = 0;

  constructor(folder: string, prng: Prng, report: CutReport) {
    this.#folder = folder;
    this.#prng = prng;
    this.#report = report;
    this.#model = this.#newModel();
  }

  async cycle(cycle: number): Promise<void> {
    this.#cycle = cycle;
    if (cycle % CYCLES_PER_LOG === 0) {
      this.#directory = join(this.#folder, 'mount', `log-${cycle}`);
      this.#model = this.#newModel();
    }
    this.#model.begin(cycle);
    await this.#live(cycle);
    await this.#mountAgain();
    this.#model.powerLost();
    try {
      await this.#recover();
    } catch (error) {
      if (hasCode(error, 'LOG_NOT_FOUND') && !this.#model.hasPromises) return;
      this.#report.failures += 1;
      this.#explain(`the log cannot be read: ${String(error)}`);
    }
  }

  /** One process, whose file system goes away; what it says before counts. */
  async #live(cycle: number): Promise<void> {
    const order: ChildOrder = {
      directory: this.#directory,
      seed: this.#report.seed,
      cycle,
      segmentBytes: SEGMENT_BYTES,
      compression: this.#prng.pick(['none', 'none', 'gzip'] as const),
    };
    // Started before, so that the cut comes at once when it is asked for.
    const cutter = spawn('perl', ['-e', SHUTDOWN, join(this.#folder, 'mount')], {
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    const cut = once(cutter, 'close');
    const child = spawn(process.execPath, [CHILD, JSON.stringify(order)], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const ended = once(child, 'close');
    const isEarly = this.#prng.boolean(0.15);
    const lifeMs = this.#prng.integer(LIFE_MS_MAX);
    let timer = setTimeout(() => cutter.stdin.end('\n'), isEarly ? lifeMs : START_MS_MAX);
    let kill: NodeJS.Timeout | undefined;
    cut.then(() => {
      // A process whose calls fail may go on for a while, or end by itself.
      kill = setTimeout(() => child.kill('SIGKILL'), 50);
    });
    for await (const line of createInterface({ input: child.stdout, crlfDelay: Infinity })) {
      if (line.startsWith('O') && !isEarly) {
        clearTimeout(timer);
        timer = setTimeout(() => cutter.stdin.end('\n'), lifeMs);
      }
      this.#note(line);
    }
    await ended;
    clearTimeout(timer);
    if (!cutter.stdin.writableEnded) cutter.stdin.end('\n');
    const [code] = await cut;
    clearTimeout(kill);
    if (code !== 0) throw new Error(`the file system was not shut down: ${String(code)}`);
  }

  #note(line: string): void {
    const [kind, ...rest] = line.split(' ');
    const [first = 0, second = 0, count = 0] = rest.map(Number);
    if (kind === 'S') this.#model.sent(first);
    else if (kind === 'X') this.#model.deleting(first);
    else if (kind === 'x') this.#model.deleted(first);
    else if (kind === 'D' || kind === 'W') {
      if (kind === 'D') this.#report.acknowledged += count;
      this.#model.acknowledged(first, second, count, kind === 'D' ? 'durable' : 'written');
    }
  }

  async #mountAgain(): Promise<void> {
    const mount = join(this.#folder, 'mount');
    for (let left = UNMOUNT_ATTEMPTS; left > 0; left -= 1) {
      if (spawnSync('umount', [mount]).status === 0) break;
      await sleep(20);
    }
    shell(MOUNT, this.#folder);
  }

  async #recover(): Promise<void> {
    const log = await Log.open(this.#directory, { segmentBytes: SEGMENT_BYTES });
    try {
      const { startOffset, durableOffset, damage } = log.describe();
      if (damage !== undefined) throw new Error(`damaged: ${JSON.stringify(damage)}`);
      const bounds = { startOffset, endOffset: durableOffset };
      await this.#model.check(bounds, log.read(), 'recovered');
    } finally {
      await log.close();
    }
  }

  #newModel(): KillModel {
    return new KillModel(this.#report.seed, this.#report, (text) => this.#explain(text));
  }

  #explain(text: string): void {
    const { details } = this.#report;
    if (details.length < DETAILS_MAX) details.push(`cycle ${this.#cycle}: ${text}`);
  }
}

function shell(script: string, folder: string): void {
  const { status, stderr } = spawnSync('sh', ['-c', script, folder], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${script}: ${stderr}`);
}
