/**
 * The offset chain of a log: start <= durable end <= written end <= log end.
 *
 * All are exclusive ends (the start is the first readable offset). Each moves forward only, except
 * that a cut takes the log end back to the written end: nobody was told about the offsets in
 * between.
 */

import { assert } from '../base/assert.js';
import { limits } from '../base/limits.js';

export class LogOffsets {
  #start: number;
  #durable: number;
  #written: number;
  #end: number;

  constructor(start: number, end: number) {
    this.#start = start;
    this.#durable = end;
    this.#written = end;
    this.#end = end;
    this.#check();
  }

  /** First readable offset. */
  get start(): number {
    return this.#start;
  }

  /** Everything below is on the disk. */
  get durable(): number {
    return this.#durable;
  }

  /** Everything below was written to the file. */
  get written(): number {
    return this.#written;
  }

  /** The next offset to be assigned. */
  get end(): number {
    return this.#end;
  }

  advanceStart(offset: number): void {
    assert(offset >= this.#start, 'the log start moves forward');
    this.#start = offset;
    this.#check();
  }

  advanceDurable(offset: number): void {
    assert(offset >= this.#durable, 'the durable end moves forward');
    this.#durable = offset;
    this.#check();
  }

  advanceWritten(offset: number): void {
    assert(offset >= this.#written, 'the written end moves forward');
    this.#written = offset;
    this.#check();
  }

  advanceEnd(offset: number): void {
    assert(offset >= this.#end, 'the log end moves forward');
    assert(offset <= limits.offsetMax, 'offsets stay exact');
    this.#end = offset;
  }

  /** Takes back the offsets that were assigned and never written. */
  cutToWritten(): void {
    this.#end = this.#written;
    this.#check();
  }

  #check(): void {
    assert(this.#start >= 0, 'the log start is not negative');
    assert(this.#start <= this.#durable, 'the log start is at most the durable end');
    assert(this.#durable <= this.#written, 'the durable end is at most the written end');
    assert(this.#written <= this.#end, 'the written end is at most the log end');
  }
}
