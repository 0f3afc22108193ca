/**
 * Records for Millrace to write, the same ones in every run: null and empty keys and values,
 * headers that are absent, null, empty, repeated or not ASCII, values from nothing to 200 KB that
 * compress well or not at all, times that go backwards.
 */

export interface SampleRecord {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly SampleHeader[];
  readonly timestamp: number;
}

export interface SampleHeader {
  readonly key: string;
  readonly value: Uint8Array | null;
}

const TIME_START_MS = 1_700_000_000_000;
const LARGE_VALUE_BYTES = 200_000;

/** The same `seed` gives the same records. */
export class SampleRecords {
  #state: number;
  #count = 0;

  constructor(seed: number) {
    this.#state = seed | 1;
  }

  next(): SampleRecord {
    const i = this.#count++;
    const timestamp = TIME_START_MS + i * 7 - (i % 10 === 3 ? 5_000 : 0);
    return { key: this.#key(i), value: this.#value(i), headers: this.#headers(i), timestamp };
  }

  take(count: number): SampleRecord[] {
    return Array.from({ length: count }, () => this.next());
  }

  #key(i: number): Uint8Array | null {
    if (i % 7 === 0) return null;
    if (i % 11 === 0) return new Uint8Array(0);
    return utf8(`key-${i}`);
  }

  #value(i: number): Uint8Array | null {
    if (i === 100) return this.#noise(LARGE_VALUE_BYTES);
    if (i % 13 === 0) return null;
    if (i % 17 === 0) return new Uint8Array(0);
    if (i % 5 === 0) return this.#noise(this.#below(900));
    if (i % 97 === 0) return utf8(`{"order":${i}},`.repeat(2_000));
    return utf8(`order ${i} of customer ${this.#below(50)}${' '.repeat(this.#below(80))}`);
  }

  #headers(i: number): SampleHeader[] {
    if (i % 3 === 0) return [];
    const headers: SampleHeader[] = [{ key: 'trace', value: this.#noise(8) }];
    if (i % 4 === 0) headers.push({ key: 'трасса-✓', value: utf8('значение') });
    if (i % 5 === 0) headers.push({ key: 'nothing', value: null });
    if (i % 8 === 0) headers.push({ key: '', value: new Uint8Array(0) });
    if (i % 10 === 1) headers.push({ key: 'trace', value: utf8('again') });
    return headers;
  }

  #noise(size: number): Uint8Array {
    return Uint8Array.from({ length: size }, () => this.#below(256));
  }

  /** xorshift32. */
  #below(limit: number): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return (state >>> 0) % limit;
  }
}

function utf8(text: string): Uint8Array {
  return Buffer.from(text, 'utf8');
}
