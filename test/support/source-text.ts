/**
 * TypeScript files as a text to check: code apart from comments and strings, and what is imported.
 *
 * A scanner, not a parser: it knows where comments, strings, templates and regular expressions
 * begin and end, no more. It relies on formatted code (Biome), which the checks run beside.
 */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix, sep } from 'node:path';

export interface SourceImport {
  readonly specifier: string;
  /** The imported file below the root, for a relative specifier. */
  readonly target: string | undefined;
  /** From 1 on. */
  readonly line: number;
}

export interface SourceFile {
  /** Below the root, with forward slashes. */
  readonly path: string;
  readonly text: string;
  /** The text with comments and the inside of strings as spaces; same positions, same lines. */
  readonly code: string;
  readonly imports: readonly SourceImport[];
}

/** Where a specifier can stand: from, import, import(), require(), new URL(). */
const IMPORT = new RegExp(
  [
    /(?<![.\w$])(?:from|import)\s*(?=['"])/,
    /(?<![.\w$])(?:import|require)\s*\(\s*(?=['"])/,
    /\bcreateRequire\([^)]*\)\(\s*(?=['"])/,
    /\bnew URL\(\s*(?=['"`])/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'g',
);

/** The `.ts` files below some folders of the root; a folder that is not there has none. */
export function readSources(root: string, folders: readonly string[]): SourceFile[] {
  return folders
    .filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.ts') && !name.includes('node_modules'))
        .map((name) => `${folder}/${name.split(sep).join('/')}`),
    )
    .sort()
    .map((path) => parseSource(path, readFileSync(join(root, path), 'utf8')));
}

export function parseSource(path: string, text: string): SourceFile {
  const code = new Scanner(text).scan();
  return { path, text, code, imports: findImports(path, text, code) };
}

/** The line of a position, from 1 on. */
export function lineOf(text: string, position: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at !== -1 && at < position; at = text.indexOf('\n', at + 1)) {
    line += 1;
  }
  return line;
}

function findImports(path: string, text: string, code: string): SourceImport[] {
  return [...code.matchAll(IMPORT)].map((match) => {
    const open = match.index + match[0].length;
    const written = text.slice(open + 1, code.indexOf(code.charAt(open), open + 1));
    // A worker's URL takes its suffix from the file that starts it: `./worker.${suffix}`.
    const specifier = written.replace(/\.\$\{[^}]*\}$/, '.js');
    const target = specifier.startsWith('.')
      ? posix.join(posix.dirname(path), specifier).replace(/\.js$/, '.ts')
      : undefined;
    return { specifier, target, line: lineOf(text, match.index) };
  });
}

/** Where no value can have ended, so that a slash starts a regular expression. */
const BEFORE_EXPRESSION =
  /(?:^|[-(,=:[!&|?{};+*%<>~^]|\b(?:return|typeof|case|in|of|yield|await))$/;
const LOOK_BACK_CHARACTERS = 40;

class Scanner {
  readonly #text: string;
  #code = '';
  #position = 0;
  /** How many braces are open within the `${` of each template that is open. */
  readonly #depths: number[] = [];

  constructor(text: string) {
    this.#text = text;
  }

  scan(): string {
    if (this.#text.startsWith('#!')) this.#blankTo(this.#find('\n', 0));
    while (this.#position < this.#text.length) this.#step();
    return this.#code;
  }

  #step(): void {
    const character = this.#text.charAt(this.#position);
    if (this.#startsWith('//')) this.#blankTo(this.#find('\n', 0));
    else if (this.#startsWith('/*')) this.#blankTo(this.#find('*/', 2));
    else if (character === '/' && this.#expectsExpression()) this.#delimited('/');
    else if (character === "'" || character === '"') this.#delimited(character);
    else if (character === '`') this.#templatePart();
    else if (character === '}' && this.#depths.at(-1) === 0) {
      this.#depths.pop();
      this.#templatePart();
    } else {
      this.#countBrace(character);
      this.#take(1);
    }
  }

  #countBrace(character: string): void {
    const depth = this.#depths.pop();
    if (depth === undefined) return;
    const change = character === '{' ? 1 : character === '}' ? -1 : 0;
    this.#depths.push(depth + change);
  }

  /** Takes a string or a regular expression; a slash in a character class does not end it. */
  #delimited(delimiter: string): void {
    this.#take(1);
    let isInClass = false;
    let end = this.#position;
    while (end < this.#text.length && (isInClass || this.#text.charAt(end) !== delimiter)) {
      const character = this.#text.charAt(end);
      if (delimiter === '/' && character === '[') isInClass = true;
      if (delimiter === '/' && character === ']') isInClass = false;
      end += character === '\\' ? 2 : 1;
    }
    this.#blankTo(end);
    this.#take(1);
  }

  /** From a backtick or the end of a `${}` to the next `${` or the closing backtick. */
  #templatePart(): void {
    this.#take(1);
    const text = this.#text;
    let end = this.#position;
    while (end < text.length && text.charAt(end) !== '`' && !text.startsWith('${', end)) {
      end += text.charAt(end) === '\\' ? 2 : 1;
    }
    this.#blankTo(end);
    const opens = this.#startsWith('${');
    this.#take(opens ? 2 : 1);
    if (opens) this.#depths.push(0);
  }

  #expectsExpression(): boolean {
    return BEFORE_EXPRESSION.test(this.#code.slice(-LOOK_BACK_CHARACTERS).trimEnd());
  }

  #startsWith(start: string): boolean {
    return this.#text.startsWith(start, this.#position);
  }

  /** Where a comment ends: at the next `mark`, or `markCount` characters on, past the mark. */
  #find(mark: string, markCount: number): number {
    const found = this.#text.indexOf(mark, this.#position + markCount);
    return found === -1 ? this.#text.length : found + markCount;
  }

  #take(count: number): void {
    this.#code += this.#text.slice(this.#position, this.#position + count);
    this.#position += count;
  }

  #blankTo(end: number): void {
    this.#code += this.#text.slice(this.#position, end).replace(/[^\n]/g, ' ');
    this.#position = end;
  }
}
