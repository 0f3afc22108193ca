/**
 * Appends that wait for room in the buffer, in the order in which they came, bounded in count and
 * bytes.
 *
 * A waiting append owns a copy of its records: the caller may reuse its memory as soon as `append`
 * has returned its promise, whether there was room or not.
 */

import { createError, type MillraceError } from '../base/errors.js';
import { RingBuffer } from '../base/ring-buffer.js';
import type { RecordInput } from './record.js';

export interface WaitingAppend {
  /** Bound of the encoded size, in bytes. */
  readonly bytes: number;
  /** Places the records, if there is room now; who waits for them is answered then. */
  readonly place: () => 'placed' | 'full';
  readonly reject: (error: MillraceError) => void;
}

export interface AdmissionLimits {
  readonly waitingAppendsMax: number;
  readonly waitingBytesMax: number;
}

export class AppendAdmission {
  readonly #limits: AdmissionLimits;
  /** Made when somebody waits for the first time: most logs never need it. */
  #ring: RingBuffer<WaitingAppend> | undefined;
  #bytes = 0;

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  get isEmpty(): boolean {
    return this.count === 0;
  }

  get count(): number {
    return this.#ring?.count ?? 0;
  }

  get first(): WaitingAppend | undefined {
    return this.#ring?.peek();
  }

  /** Takes an append in, or gives the error that says why not. */
  push(append: WaitingAppend): MillraceError | undefined {
    const { waitingAppendsMax, waitingBytesMax } = this.#limits;
    if (this.#bytes + append.bytes > waitingBytesMax) {
      return createError('BUFFER_FULL', { waitingBytes: this.#bytes, waitingBytesMax });
    }
    this.#ring ??= new RingBuffer(waitingAppendsMax);
    if (!this.#ring.push(append)) {
      return createError('BUFFER_FULL', { waitingAppends: this.count, waitingAppendsMax });
    }
    this.#bytes += append.bytes;
    return undefined;
  }

  shift(): void {
    const append = this.#ring?.shift();
    if (append !== undefined) this.#bytes -= append.bytes;
  }

  rejectAll(error: MillraceError): void {
    const rejected: WaitingAppend[] = [];
    for (let first = this.#ring?.shift(); first !== undefined; first = this.#ring?.shift()) {
      rejected.push(first);
    }
    this.#bytes = 0;
    for (const append of rejected) append.reject(error);
  }
}

/** Copies what the records point to. */
export function copyRecords(records: readonly RecordInput[]): readonly RecordInput[] {
  return records.map((record) => ({
    key: copyBytes(record.key),
    value: copyBytes(record.value),
    headers: record.headers?.map(({ key, value }) => ({ key, value: copyBytes(value) })),
    timestamp: record.timestamp,
  }));
}

function copyBytes(bytes: Uint8Array | string | null | undefined): typeof bytes {
  return bytes instanceof Uint8Array ? new Uint8Array(bytes) : bytes;
}
