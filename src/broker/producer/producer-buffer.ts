/**
 * How much a producer holds, and who waits for room: first come, first served, bounded in bytes and
 * count on both sides of the door.
 */

import { assert } from '../../base/assert.js';
import { createError, type MillraceError } from '../../base/errors.js';

/** Somebody who wants room. */
export interface RoomRequest {
  readonly bytes: number;
  readonly records: number;
  /** Called once there is room, which is taken. */
  readonly admit: () => void;
}

export interface BufferLimits {
  readonly bufferBytes: number;
  readonly bufferRecords: number;
  readonly waitingSendsMax: number;
  readonly waitingBytesMax: number;
}

export class ProducerBuffer {
  readonly #limits: BufferLimits;
  #bytes = 0;
  #records = 0;
  readonly #waiting = new Set<RoomRequest>();
  #waitingBytes = 0;

  constructor(limits: BufferLimits) {
    this.#limits = limits;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get records(): number {
    return this.#records;
  }

  get waitingCount(): number {
    return this.#waiting.size;
  }

  /** The error for what could never be admitted, or undefined. */
  refusal(bytes: number, records: number): MillraceError | undefined {
    const { bufferBytes, bufferRecords } = this.#limits;
    if (bytes <= bufferBytes && records <= bufferRecords) return undefined;
    return createError('BATCH_TOO_LARGE', {
      expected: `at most ${bufferBytes} bytes and ${bufferRecords} records in one send`,
      actual: `${bytes} bytes, ${records} records`,
    });
  }

  /** Takes room, when there is some and nobody waits for it. */
  take(bytes: number, records: number): boolean {
    if (this.#waiting.size > 0 || !this.#hasRoom(bytes, records)) return false;
    this.#add(bytes, records);
    return true;
  }

  /** Takes a place in the line, or gives the error that says why not. */
  wait(request: RoomRequest): MillraceError | undefined {
    const { waitingSendsMax, waitingBytesMax } = this.#limits;
    const waitingBytes = this.#waitingBytes + request.bytes;
    if (this.#waiting.size >= waitingSendsMax || waitingBytes > waitingBytesMax) {
      return this.fullError();
    }
    this.#waiting.add(request);
    this.#waitingBytes = waitingBytes;
    return undefined;
  }

  /** Leaves the line; no effect for who is not in it. */
  leave(request: RoomRequest): void {
    if (!this.#waiting.delete(request)) return;
    this.#waitingBytes -= request.bytes;
    this.#admit();
  }

  /** Gives room back; whoever waits for it gets it now. */
  give(bytes: number, records: number): void {
    this.#add(-bytes, -records);
    assert(this.#bytes >= 0 && this.#records >= 0, 'no more is given back than was taken');
    this.#admit();
  }

  fullError(): MillraceError {
    return createError('BUFFER_FULL', {
      bytes: this.#bytes,
      records: this.#records,
      waitingSends: this.#waiting.size,
      waitingBytes: this.#waitingBytes,
    });
  }

  #admit(): void {
    for (const request of this.#waiting) {
      if (!this.#hasRoom(request.bytes, request.records)) return;
      this.#waiting.delete(request);
      this.#waitingBytes -= request.bytes;
      this.#add(request.bytes, request.records);
      request.admit();
    }
  }

  #hasRoom(bytes: number, records: number): boolean {
    const { bufferBytes, bufferRecords } = this.#limits;
    return this.#bytes + bytes <= bufferBytes && this.#records + records <= bufferRecords;
  }

  #add(bytes: number, records: number): void {
    this.#bytes += bytes;
    this.#records += records;
  }
}
