/**
 * Waiting until a queue is deep, or its oldest message old: for monitors and for scaling.
 *
 * While somebody waits, the queue is looked at a few times a second; each look is the counts that
 * are there anyway. It costs nothing while nobody does.
 */

import type { Cancel, Clock } from '../../base/clock.js';
import { createError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import { optionTable, resolveOptions } from '../../base/options.js';

/** How often the queue is looked at, in milliseconds. */
export const WATCH_MS = 200;

const watchOptionTable = optionTable({
  depthAbove: {
    unit: 'messages',
    isLimit: true,
    default: 'unlimited',
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    doc: 'Resolves when more messages than this can be received.',
  },
  ageAboveMs: {
    unit: 'ms',
    isLimit: true,
    default: 'unlimited',
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    doc: 'Resolves when the oldest message that is not done with is older than this.',
  },
});

export interface WhenOptions {
  readonly depthAbove?: number | 'unlimited' | undefined;
  readonly ageAboveMs?: number | 'unlimited' | undefined;
  /** Ends the wait with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** How the queue was when the wait was over. */
export interface QueueLevel {
  readonly depth: number;
  /** 0 without a message. */
  readonly ageMs: number;
}

interface Watcher {
  readonly depthAbove: number;
  readonly ageAboveMs: number;
  resolve(level: QueueLevel): void;
  reject(reason: unknown): void;
}

export class QueueWatch {
  readonly #queue: string;
  readonly #clock: Clock;
  readonly #levelOf: (needsAge: boolean) => Promise<QueueLevel>;
  readonly #watchers = new Set<Watcher>();
  #cancel: Cancel | undefined;
  #isLooking = false;

  /** `levelOf` looks for the age only when it is asked to. */
  constructor(queue: string, clock: Clock, levelOf: (needsAge: boolean) => Promise<QueueLevel>) {
    this.#queue = queue;
    this.#clock = clock;
    this.#levelOf = levelOf;
  }

  /**
   * Resolves when one of the two holds. Rejects with OPTION_INVALID when none is given,
   * BUFFER_FULL, what ends the queue, and the signal's reason.
   */
  async when({ signal, ...given }: WhenOptions): Promise<QueueLevel> {
    const { depthAbove, ageAboveMs } = resolveOptions(watchOptionTable, given, 'when');
    if (depthAbove === 'unlimited' && ageAboveMs === 'unlimited') {
      throw createError('OPTION_INVALID', { option: 'when', expected: 'depthAbove or ageAboveMs' });
    }
    if (signal !== undefined && !(signal instanceof AbortSignal)) {
      throw createError('OPTION_INVALID', { option: 'signal', expected: 'an AbortSignal' });
    }
    signal?.throwIfAborted();
    if (this.#watchers.size >= limits.queueWatchersMax) {
      const expected = `at most ${limits.queueWatchersMax} calls that wait`;
      throw createError('BUFFER_FULL', { queue: this.#queue, expected });
    }
    return await new Promise<QueueLevel>((resolve, reject) => {
      const leave = (): void => over(() => reject(signal?.reason));
      const over = (settle: () => void): void => {
        this.#watchers.delete(watcher);
        signal?.removeEventListener('abort', leave);
        settle();
        if (this.#watchers.size === 0) this.#rest();
      };
      const watcher: Watcher = {
        depthAbove: depthAbove === 'unlimited' ? Number.POSITIVE_INFINITY : depthAbove,
        ageAboveMs: ageAboveMs === 'unlimited' ? Number.POSITIVE_INFINITY : ageAboveMs,
        resolve: (level) => over(() => resolve(level)),
        reject: (reason) => over(() => reject(reason)),
      };
      this.#watchers.add(watcher);
      signal?.addEventListener('abort', leave, { once: true });
      void this.#look();
    });
  }

  /** Whoever waits is refused. */
  close(reason: unknown): void {
    for (const watcher of this.#watchers) watcher.reject(reason);
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      const needsAge = [...this.#watchers].some(({ ageAboveMs }) => Number.isFinite(ageAboveMs));
      const level = await this.#levelOf(needsAge);
      for (const watcher of this.#watchers) {
        const isDeep = level.depth > watcher.depthAbove;
        if (isDeep || level.ageMs > watcher.ageAboveMs) watcher.resolve(level);
      }
    } catch (error) {
      this.close(error);
    } finally {
      this.#isLooking = false;
      this.#schedule();
    }
  }

  #schedule(): void {
    if (this.#watchers.size === 0 || this.#cancel !== undefined) return;
    const look = (): void => {
      this.#cancel = undefined;
      void this.#look();
    };
    this.#cancel = this.#clock.schedule(WATCH_MS, look, 'keep-alive');
  }

  #rest(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
