/**
 * The segments of a log, ordered by base offset; the last one is active. Never empty.
 *
 * Only the main thread edits it, in synchronous steps.
 */

import { assert } from '../base/assert.js';
import type { Segment } from './segment.js';

export class SegmentList {
  readonly #segments: Segment[];

  constructor(segments: readonly Segment[]) {
    assert(segments.length > 0, 'a log has a segment');
    this.#segments = [...segments];
  }

  get count(): number {
    return this.#segments.length;
  }

  get first(): Segment {
    return this.#at(0);
  }

  get active(): Segment {
    return this.#at(this.#segments.length - 1);
  }

  all(): readonly Segment[] {
    return this.#segments;
  }

  /** The segment that holds `offset`, or the first one when it lies before. */
  floor(offset: number): Segment {
    return this.#at(Math.max(0, this.#floorIndex(offset)));
  }

  /** The segment after `segment`, or undefined when that is the last one. */
  after(segment: Segment): Segment | undefined {
    return this.#segments[this.#floorIndex(segment.baseOffset) + 1];
  }

  /** The segment before `segment`, or undefined when that is the first one. */
  before(segment: Segment): Segment | undefined {
    return this.#segments[this.#floorIndex(segment.baseOffset) - 1];
  }

  append(segment: Segment): void {
    assert(segment.baseOffset > this.active.baseOffset, 'base offsets rise');
    this.#segments.push(segment);
  }

  /** Takes the first segment out; at least one stays. */
  removeFirst(): Segment {
    assert(this.#segments.length > 1, 'the active segment stays');
    const first = this.#segments.shift();
    assert(first !== undefined, 'there is a first segment');
    return first;
  }

  /**
   * Puts one segment in the place of adjacent ones, which do not include the active one. It starts
   * where they do, or before the first one of the list: the start then lies within it.
   */
  replace(old: readonly Segment[], next: Segment): void {
    const [first] = old;
    assert(first !== undefined, 'something is replaced');
    const index = this.#segments.indexOf(first);
    assert(index >= 0, 'the first segment is in the list');
    assert(
      next.baseOffset === first.baseOffset || (index === 0 && next.baseOffset < first.baseOffset),
      'the new one starts where they did',
    );
    assert(index + old.length < this.#segments.length, 'the active segment stays');
    assert(
      old.every((segment, at) => this.#segments[index + at] === segment),
      'they are adjacent',
    );
    this.#segments.splice(index, old.length, next);
  }

  /** Takes out the segments after `segment`, which becomes the active one. */
  removeAfter(segment: Segment): readonly Segment[] {
    const index = this.#segments.indexOf(segment);
    assert(index >= 0, 'the segment is in the list');
    return this.#segments.splice(index + 1);
  }

  /** Index of the last segment that starts at or before `offset`, or -1. */
  #floorIndex(offset: number): number {
    let low = 0;
    let high = this.#segments.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#at(middle).baseOffset <= offset) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  #at(index: number): Segment {
    const segment = this.#segments[index];
    assert(segment !== undefined, 'segment index in range');
    return segment;
  }
}
