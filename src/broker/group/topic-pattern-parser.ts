/**
 * Reads a pattern in the syntax of RE2 into a tree.
 *
 * Of its flags only `i` makes a difference here: names of topics have no line breaks, and that a
 * repetition takes little or much does not matter to whether a whole name fits.
 */

import { limits } from '../../base/limits.js';
import { groupError } from './group-errors.js';
import { type CharTest, escapedTest, foldedTest, PatternClass } from './topic-pattern-class.js';

export type PatternNode =
  | { readonly kind: 'chars'; readonly test: CharTest }
  | { readonly kind: 'edge'; readonly edge: 'start' | 'end' | 'word' | 'no-word' }
  | { readonly kind: 'sequence' | 'choice'; readonly parts: readonly PatternNode[] }
  | {
      readonly kind: 'repeat';
      readonly part: PatternNode;
      readonly min: number;
      /** Undefined: as often as there is something. */
      readonly max: number | undefined;
    };

const REPEATS_MAX = 1_000;
const LINE_FEED = 10;
const FLAGS = /\(\?([imsU]*)(?:-([imsU]+))?([:)])/y;
const NAMED = /\(\?P?<\w+>/y;
const COUNTS = /\{(\d{1,4})(,(\d{1,4})?)?\}/y;
const EDGES = { A: 'start', z: 'end', b: 'word', B: 'no-word' } as const;

export class PatternParser {
  readonly #source: string;
  #at = 0;
  #depth = 0;
  #ignoresCase = false;

  constructor(source: string) {
    this.#source = source;
  }

  /** Throws PATTERN_INVALID. */
  parse(): PatternNode {
    const node = this.#choice();
    if (this.#at < this.#source.length) throw this.#invalid('no ) without a (');
    return node;
  }

  #choice(): PatternNode {
    const parts = [this.#sequence()];
    while (this.#take('|')) parts.push(this.#sequence());
    return { kind: 'choice', parts };
  }

  #sequence(): PatternNode {
    const parts: PatternNode[] = [];
    while (this.#at < this.#source.length && !'|)'.includes(this.#peek())) {
      parts.push(this.#repeated(this.#atom()));
    }
    return { kind: 'sequence', parts };
  }

  #repeated(part: PatternNode): PatternNode {
    const bounds = this.#bounds();
    if (bounds === undefined) return part;
    const { min, max } = bounds;
    if (Math.max(min, max ?? 0) > REPEATS_MAX || (max !== undefined && max < min)) {
      throw this.#invalid(`a repetition of ${REPEATS_MAX} at most`);
    }
    this.#take('?');
    if (this.#bounds() !== undefined) throw this.#invalid('one repetition after another');
    return { kind: 'repeat', part, min, max };
  }

  #bounds(): { readonly min: number; readonly max: number | undefined } | undefined {
    if (this.#take('*')) return { min: 0, max: undefined };
    if (this.#take('+')) return { min: 1, max: undefined };
    if (this.#take('?')) return { min: 0, max: 1 };
    const counts = this.#match(COUNTS);
    if (counts === undefined) return undefined;
    const min = Number(counts[1]);
    if (counts[2] === undefined) return { min, max: min };
    return { min, max: counts[3] === undefined ? undefined : Number(counts[3]) };
  }

  #atom(): PatternNode {
    const char = this.#peek();
    if (char === '(') return this.#group();
    if (this.#bounds() !== undefined) throw this.#invalid('something to repeat');
    if (char === '\\') return this.#escape();
    if (char === '[') {
      const parsed = new PatternClass(this.#source, this.#at, this.#ignoresCase).parse();
      this.#at = parsed.end;
      return { kind: 'chars', test: parsed.test };
    }
    this.#at += char.length;
    if (char === '^') return { kind: 'edge', edge: 'start' };
    if (char === '$') return { kind: 'edge', edge: 'end' };
    if (char === '.') return { kind: 'chars', test: (code) => code !== LINE_FEED };
    return this.#literal(char);
  }

  #group(): PatternNode {
    const ignoredCase = this.#ignoresCase;
    const flags = this.#match(FLAGS);
    if (flags !== undefined) {
      const [, on = '', off = '', end] = flags;
      if (on.includes('i')) this.#ignoresCase = true;
      if (off.includes('i')) this.#ignoresCase = false;
      // Without a part of its own it counts up to the end of the group around it.
      if (end === ')') return { kind: 'sequence', parts: [] };
    } else if (this.#match(NAMED) === undefined) {
      this.#at += 1;
      if (this.#peek() === '?') throw this.#invalid('no looking around and no other (?');
    }
    this.#depth += 1;
    if (this.#depth > limits.topicPatternDepthMax) throw this.#invalid('fewer groups in groups');
    const inside = this.#choice();
    this.#depth -= 1;
    if (!this.#take(')')) throw this.#invalid('a ) for each (');
    this.#ignoresCase = ignoredCase;
    return inside;
  }

  #escape(): PatternNode {
    const next = this.#source.charAt(this.#at + 1);
    if (next === 'Q') return this.#quoted();
    if (next === 'A' || next === 'z' || next === 'b' || next === 'B') {
      this.#at += 2;
      return { kind: 'edge', edge: EDGES[next] };
    }
    const escaped = escapedTest(this.#source, this.#at);
    if (escaped === undefined) throw this.#invalid('an escape that there is');
    this.#at = escaped.end;
    return this.#chars(escaped.test);
  }

  /** What stands between \Q and \E counts as it is. */
  #quoted(): PatternNode {
    const from = this.#at + 2;
    const found = this.#source.indexOf('\\E', from);
    const end = found === -1 ? this.#source.length : found;
    this.#at = found === -1 ? end : end + 2;
    const parts = Array.from(this.#source.slice(from, end), (char) => this.#literal(char));
    return { kind: 'sequence', parts };
  }

  #literal(char: string): PatternNode {
    const wanted = char.codePointAt(0);
    return this.#chars((code) => code === wanted);
  }

  #chars(test: CharTest): PatternNode {
    return { kind: 'chars', test: this.#ignoresCase ? foldedTest(test) : test };
  }

  #peek(): string {
    const code = this.#source.codePointAt(this.#at);
    return code === undefined ? '' : String.fromCodePoint(code);
  }

  #take(char: string): boolean {
    if (this.#source.charAt(this.#at) !== char) return false;
    this.#at += 1;
    return true;
  }

  #match(form: RegExp): RegExpExecArray | undefined {
    form.lastIndex = this.#at;
    const found = form.exec(this.#source);
    if (found === null) return undefined;
    this.#at += found[0].length;
    return found;
  }

  #invalid(expected: string): Error {
    const facts = { pattern: this.#source, position: this.#at, expected };
    return groupError('PATTERN_INVALID', facts);
  }
}
