/**
 * Patterns of topic names, in the syntax of RE2, held against whole names.
 *
 * A pattern is run as a set of places in it, all at once: the time is the length of the name times
 * the size of the pattern, whatever the pattern is, so none can hold the process up. What would
 * need more, backreferences and looking around, is no part of the syntax.
 */

import { limits } from '../../base/limits.js';
import { groupError } from './group-errors.js';
import { type PatternNode, PatternParser } from './topic-pattern-parser.js';

type Step =
  | { readonly kind: 'chars'; readonly test: (code: number) => boolean; readonly next: number }
  | { readonly kind: 'fork'; readonly next: number; readonly other: number }
  | { readonly kind: 'edge'; readonly edge: Edge; readonly next: number }
  | { readonly kind: 'match' };

export type Edge = 'start' | 'end' | 'word' | 'no-word';

const WORD = /\w/;

export class TopicPattern {
  readonly source: string;
  readonly #steps: readonly Step[];
  readonly #first: number;

  /** Throws PATTERN_INVALID: the syntax, or larger than `limits` allow. */
  constructor(source: string) {
    const bytes = Buffer.byteLength(source);
    const bytesMax = limits.topicPatternBytesMax;
    if (bytes > bytesMax) throw groupError('PATTERN_INVALID', { bytes, bytesMax });
    const program = new Program(source);
    this.source = source;
    this.#first = program.add(new PatternParser(source).parse(), program.push({ kind: 'match' }));
    this.#steps = program.steps;
  }

  /** Whether it is a pattern of the whole name. */
  matches(name: string): boolean {
    let places = new Set<number>();
    this.#enter(this.#first, name, 0, places);
    for (let at = 0; at < name.length; at += 1) {
      if (places.size === 0) return false;
      const code = name.charCodeAt(at);
      const ahead = new Set<number>();
      for (const place of places) {
        const step = this.#steps[place];
        if (step?.kind !== 'chars' || !step.test(code)) continue;
        this.#enter(step.next, name, at + 1, ahead);
      }
      places = ahead;
    }
    for (const place of places) if (this.#steps[place]?.kind === 'match') return true;
    return false;
  }

  /** Adds a place, and those that are reached from it without a character. */
  #enter(first: number, name: string, at: number, places: Set<number>): void {
    const waiting = [first];
    for (let place = waiting.pop(); place !== undefined; place = waiting.pop()) {
      if (places.has(place)) continue;
      places.add(place);
      const step = this.#steps[place];
      if (step?.kind === 'fork') waiting.push(step.other, step.next);
      else if (step?.kind === 'edge' && isAt(step.edge, name, at)) waiting.push(step.next);
    }
  }
}

/** The steps of a pattern; each is added behind those that follow on it. */
class Program {
  readonly steps: Step[] = [];
  readonly #source: string;

  constructor(source: string) {
    this.#source = source;
  }

  /** Returns where the node begins, when `next` follows on it. */
  add(node: PatternNode, next: number): number {
    switch (node.kind) {
      case 'chars':
        return this.push({ kind: 'chars', test: node.test, next });
      case 'edge':
        return this.push({ kind: 'edge', edge: node.edge, next });
      case 'sequence':
        return node.parts.reduceRight((after, part) => this.add(part, after), next);
      case 'choice':
        return node.parts
          .map((part) => this.add(part, next))
          .reduceRight((other, first) => this.push({ kind: 'fork', next: first, other }));
      case 'repeat':
        return this.#repeat(node, next);
    }
  }

  push(step: Step): number {
    const steps = this.steps.push(step);
    const stepsMax = limits.topicPatternStepsMax;
    if (steps <= stepsMax) return steps - 1;
    throw groupError('PATTERN_INVALID', { pattern: this.#source, stepsMax });
  }

  #repeat({ part, min, max }: PatternNode & { readonly kind: 'repeat' }, next: number): number {
    let first = next;
    if (max === undefined) {
      const loop = this.push({ kind: 'fork', next, other: next });
      this.steps[loop] = { kind: 'fork', next: this.add(part, loop), other: next };
      first = loop;
    }
    for (let count = min; count < (max ?? min); count += 1) {
      first = this.push({ kind: 'fork', next: this.add(part, first), other: next });
    }
    for (let count = 0; count < min; count += 1) first = this.add(part, first);
    return first;
  }
}

function isAt(edge: Edge, name: string, at: number): boolean {
  if (edge === 'start') return at === 0;
  if (edge === 'end') return at === name.length;
  const isBoundary = WORD.test(name.charAt(at - 1)) !== WORD.test(name.charAt(at));
  return isBoundary === (edge === 'word');
}
