/**
 * Writer epochs: which epoch wrote which offsets, in Kafka's `leader-epoch-checkpoint` format.
 *
 *     0                version
 *     2                number of lines that follow
 *     0 0              epoch, first offset written in it
 *     1 512
 *
 * The epoch is raised, and this file synced, before the first append after an open and after every
 * cut, so bytes left behind a truncation never come back to life: their epoch is not the one that
 * the table gives for their offset. The watermark holds a checksum of the content.
 */

import { assert } from '../base/assert.js';
import { crc32c } from '../base/crc32c.js';
import { limits } from '../base/limits.js';

export interface EpochStart {
  readonly epoch: number;
  readonly startOffset: number;
}

const HEADER_LINES = 2;
const ENTRY = /^(0|[1-9]\d{0,9}) (0|[1-9]\d{0,15})$/;
const EPOCH_MAX = 2 ** 31 - 1;

export class Epochs {
  readonly #entries: EpochStart[];

  constructor(entries: readonly EpochStart[] = []) {
    this.#entries = [...entries];
  }

  get entries(): readonly EpochStart[] {
    return this.#entries;
  }

  /** The epoch of the newest entry, or -1. */
  get current(): number {
    return this.#entries.at(-1)?.epoch ?? -1;
  }

  /** The epoch in which `offset` was written, or -1 when the table does not reach back so far. */
  at(offset: number): number {
    const entries = this.#entries;
    for (let index = entries.length - 1; index >= 0; index--) {
      const entry = entries[index];
      if (entry !== undefined && entry.startOffset <= offset) return entry.epoch;
    }
    return -1;
  }

  /** Where `epoch` ends, exclusive; the newest one at `endOffset`. Undefined if it is not here. */
  endOf(epoch: number, endOffset: number): number | undefined {
    const index = this.#entries.findIndex((entry) => entry.epoch === epoch);
    return index === -1 ? undefined : (this.#entries[index + 1]?.startOffset ?? endOffset);
  }

  /** Starts `epoch` at `startOffset`; entries that held no offset below it are replaced. */
  start(epoch: number, startOffset: number): void {
    assert(epoch > this.current, 'epochs rise');
    while ((this.#entries.at(-1)?.startOffset ?? -1) >= startOffset) this.#entries.pop();
    this.#entries.push({ epoch, startOffset });
    if (this.#entries.length > limits.epochEntriesMax) this.#entries.shift();
  }

  /** Forgets epochs that ended before `startOffset`. */
  dropBefore(startOffset: number): void {
    while ((this.#entries[1]?.startOffset ?? Number.POSITIVE_INFINITY) <= startOffset) {
      this.#entries.shift();
    }
  }

  encode(): Uint8Array {
    const lines = this.#entries.map((entry) => `${entry.epoch} ${entry.startOffset}\n`);
    return new TextEncoder().encode(`0\n${lines.length}\n${lines.join('')}`);
  }

  /** Takes file bytes back; `'invalid'` when they are not exactly what `encode` writes. */
  static decode(bytes: Uint8Array): Epochs | 'invalid' {
    const lines = new TextDecoder('latin1').decode(bytes).split('\n');
    if (lines.pop() !== '' || lines[0] !== '0') return 'invalid';
    const entries: EpochStart[] = [];
    for (const line of lines.slice(HEADER_LINES)) {
      const match = ENTRY.exec(line);
      if (match === null) return 'invalid';
      const entry = { epoch: Number(match[1]), startOffset: Number(match[2]) };
      if (entry.epoch > EPOCH_MAX || entry.startOffset > limits.offsetMax) return 'invalid';
      const last = entries.at(-1);
      if (last !== undefined && last.epoch >= entry.epoch) return 'invalid';
      if (last !== undefined && last.startOffset >= entry.startOffset) return 'invalid';
      entries.push(entry);
    }
    if (lines[1] !== String(entries.length)) return 'invalid';
    return new Epochs(entries);
  }
}

export function epochsCrc(bytes: Uint8Array): number {
  return crc32c(bytes, 0, bytes.length);
}
