/**
 * Progress on stderr, with rate and remaining time: only where a person sees it, a few times per
 * second, on one line that is removed at the end.
 */

import { systemClock } from '../base/clock.js';
import type { Invocation } from './command.js';
import type { Streams } from './streams.js';

const INTERVAL_MS = 200;
const MIB = 1024 * 1024;

export class Progress {
  readonly #verb: string;
  readonly #stderr: Streams['stderr'];
  readonly #isShown: boolean;
  readonly #startedMs = systemClock.monotonicMs();
  #nextMs = this.#startedMs + INTERVAL_MS;
  #hasLine = false;

  constructor(verb: string, { output, streams }: Invocation) {
    this.#verb = verb;
    this.#stderr = streams.stderr;
    this.#isShown = streams.stderr.isTTY === true && !output.isJson;
  }

  /** `total` is undefined when the end is not known. */
  show(bytes: number, total: number | undefined): void {
    if (!this.#isShown) return;
    const nowMs = systemClock.monotonicMs();
    if (nowMs < this.#nextMs) return;
    this.#nextMs = nowMs + INTERVAL_MS;
    this.#hasLine = true;
    this.#stderr.write(
      `\r\x1b[K${progressText(this.#verb, bytes, total, nowMs - this.#startedMs)}`,
    );
  }

  end(): void {
    if (this.#hasLine) this.#stderr.write('\r\x1b[K');
    this.#hasLine = false;
  }
}

export function progressText(
  verb: string,
  bytes: number,
  total: number | undefined,
  elapsedMs: number,
): string {
  const perSecond = elapsedMs === 0 ? 0 : (bytes * 1000) / elapsedMs;
  const rate = `${(perSecond / MIB).toFixed(1)} MiB/s`;
  const done = `${verb} ${(bytes / MIB).toFixed(1)}`;
  if (total === undefined || total === 0) return `${done} MiB, ${rate}`;
  const percent = Math.min(100, Math.floor((bytes * 100) / total));
  const left = perSecond === 0 ? '?' : Math.ceil(Math.max(0, total - bytes) / perSecond);
  return `${done} of ${(total / MIB).toFixed(1)} MiB (${percent}%), ${rate}, ${left} s left`;
}
