/**
 * Rules of style and structure that a machine can check, as functions from files to findings.
 *
 * A finding is one line: `file:line  rule`. The tables of what is allowed where live with the test
 * (`test/tidy.test.ts`), not here.
 */

import { lineOf, type SourceFile } from './source-text.js';

export function finding(path: string, line: number, rule: string): string {
  return `${path}:${line}  ${rule}`;
}

/** Every place in the code (not in comments or strings) that a pattern matches. */
export function findCode(file: SourceFile, pattern: RegExp, rule: string): string[] {
  return places(file.code, pattern).map((line) => finding(file.path, line, rule));
}

/** The same over the whole text. */
export function findText(file: SourceFile, pattern: RegExp, rule: string): string[] {
  return places(file.text, pattern).map((line) => finding(file.path, line, rule));
}

function places(text: string, pattern: RegExp): number[] {
  const everywhere = new RegExp(pattern.source, `${pattern.flags.replace('g', '')}g`);
  return [...text.matchAll(everywhere)].map((match) => lineOf(text, match.index));
}

export function findLongLines(file: SourceFile, max: number): string[] {
  return file.text
    .split('\n')
    .flatMap((line, index) =>
      line.length > max
        ? [finding(file.path, index + 1, `a line of ${line.length} columns, at most ${max}`)]
        : [],
    );
}

const IMPORT_OR_EXPORT =
  /\b(?:import|export)\s+(?:type\s+)?(?:[\w$]+\s*,\s*)?(?:\{[^}]*\}|\*\s+as\s+[\w$]+)/g;

/** Type assertions, `as const` and renaming in imports and exports apart. */
export function findAssertions(file: SourceFile): string[] {
  const code = file.code.replace(IMPORT_OR_EXPORT, (found) => found.replace(/[^\n]/g, ' '));
  return findCode({ ...file, code }, /(?<![.\w$])as\s+(?!const\b)(?=[\w({["'`])/, 'as');
}

/** `value!`: formatted code has no other exclamation mark right behind a value. */
export function findNonNull(file: SourceFile): string[] {
  return findCode(file, /[\w$)\]]!(?!=)/, 'non-null !');
}

interface FunctionSpan {
  readonly line: number;
  readonly lines: number;
  /** What stands before the body, on one line. */
  readonly header: string;
}

const CONTROL = /^(?:\}\s*)?(?:if|else|for|while|do|switch|try|catch|finally|with)\b/;
const METHOD = /^(?:[a-z]+ )*\*? ?(?:[#\w$]+|\[[^\]]+\])(?:<[^(]*>)?\(.*\)(?:: [^=]*)? ?\{$/;

/** Functions with a body of more than a line; needs formatted code, and goes by its indentation. */
export function findFunctions(file: SourceFile): FunctionSpan[] {
  const lines = file.code.split('\n').map((line) => line.trimEnd());
  const found: FunctionSpan[] = [];
  for (const [index, line] of lines.entries()) {
    if (!line.endsWith('{')) continue;
    const indent = indentOf(line);
    let first = index;
    while (
      first > 0 &&
      (indentOf(lines[first]) !== indent || /^\s*[)}]/.test(lines[first] ?? ''))
    ) {
      first -= 1;
    }
    const header = lines
      .slice(first, index + 1)
      .join(' ')
      .replace(/\s+/g, ' ')
      .trim();
    if (!isFunction(header)) continue;
    const after = lines.slice(index + 1);
    const last = after.findIndex((next) => indentOf(next) === indent && /^\s*\}/.test(next));
    found.push({ line: first + 1, lines: index + 2 + last - first, header });
  }
  return found;
}

function isFunction(header: string): boolean {
  if (CONTROL.test(header)) return header.endsWith('=> {') && !/\{.*\}/.test(header);
  return header.endsWith('=> {') || /\bfunction\b/.test(header) || METHOD.test(header);
}

/** Blank lines belong to nobody: they get an indentation that no code has. */
function indentOf(line: string | undefined): number {
  return line === undefined || line === '' ? -1 : line.length - line.trimStart().length;
}

/** Cycles among the files' imports: one path for each import that closes one. */
export function findCycles(files: readonly SourceFile[]): string[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const done = new Set<string>();
  const found: string[] = [];

  function visit(file: SourceFile, path: readonly string[]): void {
    if (done.has(file.path)) return;
    for (const { target, line } of file.imports) {
      const next = target === undefined ? undefined : byPath.get(target);
      if (next === undefined) continue;
      const start = [...path, file.path].indexOf(next.path);
      if (start === -1) visit(next, [...path, file.path]);
      else {
        const cycle = [...path, file.path, next.path].slice(start).join(' -> ');
        found.push(finding(file.path, line, `import cycle ${cycle}`));
      }
    }
    done.add(file.path);
  }

  for (const file of files) visit(file, []);
  return found;
}
