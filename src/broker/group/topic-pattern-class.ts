/**
 * Which characters one place of a pattern takes: classes in brackets, and escapes.
 */

import { groupError } from './group-errors.js';

export type CharTest = (code: number) => boolean;

export interface ParsedTest {
  readonly test: CharTest;
  /** Where the pattern goes on. */
  readonly end: number;
}

interface ParsedChar extends ParsedTest {
  /** Of one character: then it may begin or end a range. */
  readonly code: number | undefined;
}

/** The classes by name, in RE2's meaning: of ASCII. */
const named: Readonly<Record<string, RegExp>> = {
  alnum: /[0-9A-Za-z]/,
  alpha: /[A-Za-z]/,
  ascii: /\p{ASCII}/u,
  blank: /[\t ]/,
  cntrl: /(?=\p{ASCII})\p{Cc}/u,
  digit: /[0-9]/,
  graph: /[!-~]/,
  lower: /[a-z]/,
  print: /[ -~]/,
  punct: /[!-/:-@[-`{-~]/,
  space: /[\t\n\v\f\r ]/,
  upper: /[A-Z]/,
  word: /[0-9A-Za-z_]/,
  xdigit: /[0-9A-Fa-f]/,
};
const short: Readonly<Record<string, RegExp>> = {
  d: /[0-9]/,
  w: /[0-9A-Za-z_]/,
  s: /[\t\n\f\r ]/,
};
const controls: Readonly<Record<string, number>> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 };
const NAMED_CLASS = /\[:(\^?)(\w+):\]/y;
const HEX = /\\x(?:([0-9a-fA-F]{2})|\{([0-9a-fA-F]{1,6})\})/y;
const OCTAL = /\\(0[0-7]{0,2}|[1-7][0-7]{2})/y;
const PROPERTY = /\\([pP])(?:([A-Z])|\{(\^?)(\w+)\})/y;

/** What a class in brackets takes, from its `[` on. */
export class PatternClass {
  readonly #source: string;
  readonly #ignoresCase: boolean;
  #at: number;

  constructor(source: string, at: number, ignoresCase: boolean) {
    this.#source = source;
    this.#at = at;
    this.#ignoresCase = ignoresCase;
  }

  /** Throws PATTERN_INVALID. */
  parse(): ParsedTest {
    this.#at += 1;
    const isNegated = this.#source.charAt(this.#at) === '^';
    if (isNegated) this.#at += 1;
    const tests: CharTest[] = [];
    // A bracket that comes first is one of the characters.
    for (let isFirst = true; isFirst || this.#source.charAt(this.#at) !== ']'; isFirst = false) {
      if (this.#at >= this.#source.length) throw this.#invalid('a ] for each [');
      const test = this.#part();
      tests.push(this.#ignoresCase ? foldedTest(test) : test);
    }
    this.#at += 1;
    const test: CharTest = (code) => tests.some((one) => one(code)) !== isNegated;
    return { test, end: this.#at };
  }

  #part(): CharTest {
    const name = matchAt(NAMED_CLASS, this.#source, this.#at);
    if (name !== undefined) return this.#named(name);
    const low = this.#char();
    const isRange = this.#source.charAt(this.#at) === '-';
    if (!isRange || low.code === undefined || this.#source.charAt(this.#at + 1) === ']') {
      return low.test;
    }
    this.#at += 1;
    const from = low.code;
    const to = this.#char().code;
    if (to === undefined || to < from) throw this.#invalid('a range from less to more');
    return (code) => code >= from && code <= to;
  }

  #named([whole, sign, name = '']: RegExpExecArray): CharTest {
    const form = named[name];
    if (form === undefined) throw this.#invalid('a class that there is');
    this.#at += whole.length;
    return formTest(form, sign === '^');
  }

  #char(): ParsedChar {
    if (this.#at >= this.#source.length) throw this.#invalid('a ] for each [');
    if (this.#source.charAt(this.#at) === '\\') {
      const escaped = escapedTest(this.#source, this.#at);
      if (escaped === undefined) throw this.#invalid('an escape that there is');
      this.#at = escaped.end;
      return escaped;
    }
    const code = this.#source.codePointAt(this.#at) ?? 0;
    const one = charTest(code, this.#at + String.fromCodePoint(code).length);
    this.#at = one.end;
    return one;
  }

  #invalid(expected: string): Error {
    const facts = { pattern: this.#source, position: this.#at, expected };
    return groupError('PATTERN_INVALID', facts);
  }
}

/** Takes a letter also when the test takes it as the other of small and large. */
export function foldedTest(test: CharTest): CharTest {
  return (code) => test(code) || test(otherCase(code));
}

function otherCase(code: number): number {
  const char = String.fromCodePoint(code);
  const lower = char.toLowerCase();
  return (lower === char ? char.toUpperCase() : lower).codePointAt(0) ?? code;
}

/** What the escape at this place takes; undefined: there is none like this. */
export function escapedTest(source: string, at: number): ParsedChar | undefined {
  const letter = source.charAt(at + 1);
  const end = at + 2;
  const form = short[letter.toLowerCase()];
  if (form !== undefined) {
    return { test: formTest(form, letter !== letter.toLowerCase()), end, code: undefined };
  }
  const control = controls[letter];
  if (control !== undefined) return charTest(control, end);
  const hex = matchAt(HEX, source, at);
  if (hex !== undefined) {
    const code = Number.parseInt(hex[1] ?? hex[2] ?? '', 16);
    return code <= 0x10_ffff ? charTest(code, at + hex[0].length) : undefined;
  }
  const octal = matchAt(OCTAL, source, at);
  if (octal !== undefined) {
    return charTest(Number.parseInt(octal[1] ?? '', 8), at + octal[0].length);
  }
  const property = matchAt(PROPERTY, source, at);
  if (property !== undefined) return propertyTest(property, at + property[0].length);
  // Punctuation stands for itself.
  const isPunctuation = named['punct']?.test(letter) === true;
  return isPunctuation ? charTest(letter.charCodeAt(0), end) : undefined;
}

/** A category or a script of Unicode. */
function propertyTest(
  [, letter, one, sign, name = one ?? '']: RegExpExecArray,
  end: number,
): ParsedChar | undefined {
  const isNegated = (letter === 'P') !== (sign === '^');
  for (const property of [`General_Category=${name}`, `Script=${name}`]) {
    try {
      const form = new RegExp(`\\p{${property}}`, 'u');
      return { test: formTest(form, isNegated), end, code: undefined };
    } catch {
      // It is none of this kind.
    }
  }
  return name === 'Any' ? { test: () => !isNegated, end, code: undefined } : undefined;
}

function formTest(form: RegExp, isNegated: boolean): CharTest {
  return (code) => form.test(String.fromCodePoint(code)) !== isNegated;
}

function charTest(wanted: number, end: number): ParsedChar {
  return { test: (code) => code === wanted, end, code: wanted };
}

function matchAt(form: RegExp, source: string, at: number): RegExpExecArray | undefined {
  form.lastIndex = at;
  return form.exec(source) ?? undefined;
}
