/**
 * Calls of the real kernel that fail: a process appends to a log while one of its system calls
 * fails, once or for ever, and then the log is opened without failures and held against what was
 * acknowledged.
 *
 * Two tools make calls fail, each where it is installed: strace, which changes what the kernel
 * answers, and a library that is loaded before the C library, which can also write short. strace
 * counts the calls of each thread, so the process has one thread for files beside the writer.
 */

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { hasCode } from '../../src/base/errors.js';
import { Prng } from '../../src/base/prng.js';
import { Log } from '../../src/storage/log.js';
import type { ChildOrder } from './kill-child.js';
import { type Findings, KillModel } from './kill-model.js';

export const failureTools = ['preload', 'strace'] as const;
export type FailureTool = (typeof failureTools)[number];

export interface FailedCallsReport extends Findings {
  readonly tool: FailureTool;
  readonly seed: number;
  cycles: number;
  /** How often a call was made to fail at all. */
  struck: number;
  acknowledged: number;
  /** Processes that ended with an error without a code, and logs that do not open. */
  failures: number;
  readonly details: string[];
}

interface Failure {
  readonly call: 'datasync' | 'sync' | 'write' | 'truncate' | 'rename';
  /** `half` writes short. */
  readonly how: keyof typeof constants.errno | 'half';
  /** The number of the call, from 1. */
  readonly first: number;
  readonly isForEver: boolean;
}

const CHILD = fileURLToPath(new URL('./kill-child.js', import.meta.url));
const build = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const LIBRARY_SOURCE = join(dirname(build), 'test', 'crash', 'failing-calls.c');
const SEGMENT_BYTES = 16 * 1024;
const DETAILS_MAX = 20;
const LIFE_MS_MAX = 250;
const START_MS_MAX = 60_000;
const FOR_EVER = 1_000_000;

const CALLS: readonly Failure['call'][] = [
  'datasync',
  'datasync',
  'sync',
  'write',
  'write',
  'truncate',
  'rename',
];
const ERRNOS = ['EIO', 'ENOSPC', 'EDQUOT', 'EROFS', 'EMFILE', 'EINTR'] as const;
/** The system calls that they are. */
const SYSTEM_CALLS = {
  datasync: 'fdatasync',
  sync: 'fsync',
  write: 'pwrite64',
  truncate: 'ftruncate',
  rename: 'rename,renameat,renameat2',
} as const;

/** Why the tool cannot be used here; undefined when it can. */
export function failureToolObstacle(tool: FailureTool): string | undefined {
  if (process.platform !== 'linux') return 'it needs Linux';
  const program = tool === 'strace' ? 'strace' : 'cc';
  const probe = tool === 'strace' ? ['-f', '-qq', '-e', 'trace=none', 'true'] : ['--version'];
  const { status, error, stderr } = spawnSync(program, probe, { encoding: 'utf8' });
  return status === 0 ? undefined : `${program}: ${error?.message ?? stderr.trim()}`;
}

export async function runFailedCalls(
  tool: FailureTool,
  cycles: number,
  seed: number,
): Promise<FailedCallsReport> {
  const report: FailedCallsReport = {
    tool,
    seed,
    cycles: 0,
    struck: 0,
    acknowledged: 0,
    lost: 0,
    holes: 0,
    phantom: 0,
    failures: 0,
    details: [],
  };
  const folder = mkdtempSync(join(tmpdir(), 'millrace-'));
  try {
    const library = join(folder, 'failing-calls.so');
    if (tool === 'preload') compileLibrary(library);
    const prng = new Prng(seed);
    for (let cycle = 0; cycle < cycles; cycle += 1) {
      await new Cycle(join(folder, `${cycle}`), library, prng, cycle, report).run();
      report.cycles += 1;
    }
    return report;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function compileLibrary(path: string): void {
  const options = ['-shared', '-fPIC', '-O1', '-o', path, LIBRARY_SOURCE, '-ldl'];
  const { status, stderr } = spawnSync('cc', options, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the library cannot be compiled: ${stderr}`);
}

/** One log, one process, one failure. */
class Cycle {
  readonly #directory: string;
  readonly #struckFile: string;
  readonly #library: string;
  readonly #prng: Prng;
  readonly #cycle: number;
  readonly #report: FailedCallsReport;
  readonly #failure: Failure;
  readonly #model: KillModel;

  constructor(
    folder: string,
    library: string,
    prng: Prng,
    cycle: number,
    report: FailedCallsReport,
  ) {
    this.#directory = join(folder, 'log');
    this.#struckFile = `${folder}-struck`;
    this.#library = library;
    this.#prng = prng;
    this.#cycle = cycle;
    this.#report = report;
    this.#failure = drawFailure(prng, report.tool);
    this.#model = new KillModel(report.seed, report, (text) => this.#explain(text));
  }

  async run(): Promise<void> {
    this.#model.begin(this.#cycle);
    await this.#live();
    try {
      await this.#recover();
    } catch (error) {
      this.#report.failures += 1;
      this.#explain(`the log cannot be read: ${String(error)}`);
    }
  }

  async #live(): Promise<void> {
    const { seed } = this.#report;
    const order: ChildOrder = {
      directory: this.#directory,
      seed,
      cycle: this.#cycle,
      segmentBytes: SEGMENT_BYTES,
      compression: 'none',
    };
    const program = [process.execPath, CHILD, JSON.stringify(order)];
    const [command = '', ...given] = [...this.#wrapping(), ...program];
    const child = spawn(command, given, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, UV_THREADPOOL_SIZE: '1', ...this.#preloading() },
      detached: true,
    });
    // strace passes no signal on: the whole group goes.
    const kill = () => process.kill(-(child.pid ?? 0), 'SIGKILL');
    const ended = once(child, 'close');
    let complaint = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaint += text;
    });
    let timer = setTimeout(kill, START_MS_MAX);
    for await (const line of createInterface({ input: child.stdout, crlfDelay: Infinity })) {
      if (line.startsWith('O')) {
        clearTimeout(timer);
        timer = setTimeout(kill, LIFE_MS_MAX + this.#prng.integer(LIFE_MS_MAX));
      }
      this.#note(line);
    }
    const [code, signal] = await ended;
    clearTimeout(timer);
    // What was merely written may go when a sync fails.
    this.#model.powerLost();
    if (this.#hasStruck()) this.#report.struck += 1;
    this.#checkNothingPromised();
    if (signal === 'SIGKILL' || complaint.includes('MillraceError')) return;
    this.#report.failures += 1;
    this.#explain(`the process ended with ${code ?? signal}: ${complaint.slice(0, 400)}`);
  }

  /** Nothing is durable where no sync has ever worked. */
  #checkNothingPromised(): void {
    const { call, how, first, isForEver } = this.#failure;
    // Node.js repeats a call that was interrupted until it works.
    if (how === 'EINTR') return;
    if (call !== 'datasync' || first !== 1 || !isForEver || !this.#model.hasPromises) return;
    this.#report.failures += 1;
    this.#explain('a record was acknowledged, and no sync has worked');
  }

  #wrapping(): readonly string[] {
    if (this.#report.tool !== 'strace') return [];
    const { call, how, first, isForEver } = this.#failure;
    const calls = SYSTEM_CALLS[call];
    const when = `${first}${isForEver ? '+' : ''}`;
    const inject = `inject=${calls}:error=${how}:when=${when}`;
    const output = ['-o', this.#struckFile, '-e', `trace=${calls}`, '-e', inject];
    return ['strace', '-f', '-qq', ...output];
  }

  #preloading(): Readonly<Record<string, string>> {
    if (this.#report.tool !== 'preload') return {};
    const { call, how, first, isForEver } = this.#failure;
    const errno = how === 'half' ? 0 : constants.errno[how];
    return {
      LD_PRELOAD: this.#library,
      MILLRACE_FAIL: `${call} ${errno} ${first} ${isForEver ? FOR_EVER : 1}`,
      MILLRACE_STRUCK: this.#struckFile,
    };
  }

  #hasStruck(): boolean {
    if (!existsSync(this.#struckFile)) return false;
    const text = readFileSync(this.#struckFile, 'utf8');
    return this.#report.tool === 'strace' ? text.includes('(INJECTED)') : text.length > 0;
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

  async #recover(): Promise<void> {
    let log: Log;
    try {
      log = await Log.open(this.#directory, { segmentBytes: SEGMENT_BYTES });
    } catch (error) {
      if (hasCode(error, 'LOG_NOT_FOUND') && !this.#model.hasPromises) return;
      throw error;
    }
    try {
      const { startOffset, durableOffset, damage } = log.describe();
      if (damage !== undefined) throw new Error(`damaged: ${JSON.stringify(damage)}`);
      const bounds = { startOffset, endOffset: durableOffset };
      await this.#model.check(bounds, log.read(), 'recovered');
    } finally {
      await log.close();
    }
  }

  #explain(text: string): void {
    const { details } = this.#report;
    const failure = JSON.stringify(this.#failure);
    if (details.length < DETAILS_MAX) details.push(`cycle ${this.#cycle}, ${failure}: ${text}`);
  }
}

/** Small numbers meet the opening, larger ones the work that follows; 1 for ever lets none be. */
function drawFailure(prng: Prng, tool: FailureTool): Failure {
  const call = prng.pick(CALLS);
  const isHalf = tool === 'preload' && call === 'write' && prng.boolean(0.4);
  const isForEver = prng.boolean(0.3);
  const isEarly = isForEver || call === 'rename' || prng.boolean();
  const first = isForEver && prng.boolean() ? 1 : 1 + prng.integer(isEarly ? 8 : 80);
  return { call, how: isHalf ? 'half' : prng.pick(ERRNOS), first, isForEver };
}
