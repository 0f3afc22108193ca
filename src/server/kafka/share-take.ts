/**
 * Taking messages for one ShareFetch: from topic after topic, within its bounds, and when that is
 * not enough from whichever has some first, until there is enough or the time is over.
 */

import type { Clock } from '../../base/clock.js';
import type { Delivery, HostedTopic } from '../../broker/main.js';
import type { SharedTopic } from './share-session.js';

export interface TakeBounds {
  readonly maxWaitMs: number;
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly maxRecords: number;
}

export interface TakeSource {
  readonly topic: SharedTopic;
  readonly hosted: HostedTopic;
}

export interface TakenOfTopic {
  readonly topic: SharedTopic;
  deliveries: Delivery[];
  error: unknown;
}

/** Whatever the client asks for. */
const RECORDS_MAX = 10_000;

export class ShareTake {
  readonly #clock: Clock;
  readonly #bounds: TakeBounds;
  readonly #sources: readonly TakeSource[];
  readonly #taken: readonly TakenOfTopic[];
  readonly #recordsMax: number;

  constructor(clock: Clock, bounds: TakeBounds, sources: readonly TakeSource[]) {
    this.#clock = clock;
    this.#bounds = bounds;
    this.#sources = sources;
    this.#recordsMax = Math.min(bounds.maxRecords, RECORDS_MAX);
    this.#taken = sources.map(({ topic }) => ({ topic, deliveries: [], error: undefined }));
  }

  /** Resolves to what was taken, and what went wrong; never rejects. */
  async run(signal: AbortSignal): Promise<readonly TakenOfTopic[]> {
    const endMs = this.#clock.monotonicMs() + this.#bounds.maxWaitMs;
    for (const index of this.#sources.keys()) await this.#take(index, 0, signal);
    for (;;) {
      const restMs = endMs - this.#clock.monotonicMs();
      if (restMs <= 0 || signal.aborted || this.#isDone()) break;
      const before = this.#count();
      await this.#wait(restMs, signal);
      if (this.#count() === before) break;
    }
    this.#giveRestBack();
    return this.#taken;
  }

  /** Until one of them has something. */
  async #wait(waitMs: number, signal: AbortSignal): Promise<void> {
    const ending = new AbortController();
    const end = (): void => ending.abort();
    signal.addEventListener('abort', end, { once: true });
    const waiting = [...this.#sources.keys()].map(async (index) => {
      if (await this.#take(index, waitMs, ending.signal)) end();
    });
    await Promise.all(waiting);
    signal.removeEventListener('abort', end);
  }

  /** Whether there was something, or something went wrong. */
  async #take(index: number, waitMs: number, signal: AbortSignal): Promise<boolean> {
    const [source, taken] = [this.#sources[index], this.#taken[index]];
    const member = source?.topic.member;
    const [max, maxBytes] = [
      this.#recordsMax - this.#count(),
      this.#bounds.maxBytes - this.#bytes(),
    ];
    if (source === undefined || taken === undefined || member === undefined) return false;
    if (max <= 0 || maxBytes <= 0 || taken.error !== undefined) return false;
    try {
      const partitions = source.topic.wanted(source.hosted);
      const found = await member.receive({ max, maxBytes, waitMs, signal, partitions });
      taken.deliveries.push(...found);
      return found.length > 0;
    } catch (error) {
      if (signal.aborted) return false;
      taken.error = error;
      return true;
    }
  }

  #isDone(): boolean {
    if (this.#taken.some(({ error }) => error !== undefined)) return true;
    const count = this.#count();
    const bytes = this.#bytes();
    const isFull = count >= this.#recordsMax || bytes >= this.#bounds.maxBytes;
    return isFull || (count > 0 && bytes >= this.#bounds.minBytes);
  }

  #giveRestBack(): void {
    let left = this.#recordsMax;
    for (const taken of this.#taken) {
      const rest = taken.deliveries.slice(Math.max(0, left));
      left -= taken.deliveries.length;
      if (rest.length === 0) continue;
      taken.deliveries = taken.deliveries.slice(0, taken.deliveries.length - rest.length);
      taken.topic.withdraw(rest);
    }
  }

  #count(): number {
    return this.#taken.reduce((sum, { deliveries }) => sum + deliveries.length, 0);
  }

  #bytes(): number {
    let sum = 0;
    for (const { deliveries } of this.#taken) for (const { bytes } of deliveries) sum += bytes;
    return sum;
  }
}
