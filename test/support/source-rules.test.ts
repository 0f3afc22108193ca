import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  findAssertions,
  findCode,
  findCycles,
  findFunctions,
  findLongLines,
  findNonNull,
} from './source-rules.js';
import { parseSource } from './source-text.js';

const source = (...lines: string[]) => parseSource('src/base/a.ts', `${lines.join('\n')}\n`);

test('source-text: comments, strings and expressions are no code, what they embed is', () => {
  const file = source(
    "const a = 'any // no'; // any",
    '/* any',
    'any */ const b = `any $' + '{any(`any $' + '{{ x: "any" }} any`)} any` / 2;',
    'const c = /[/any"]any/g; const d = b / any / 2;',
    "const e = 'it\\'s any'; const f = any;",
  );
  assert.equal(file.code.length, file.text.length);
  assert.deepEqual(findCode(file, /\bany\b/, 'any'), [
    'src/base/a.ts:3  any',
    'src/base/a.ts:4  any',
    'src/base/a.ts:5  any',
  ]);
});

test('source-text: every way to import is found, with line and target', () => {
  const file = source(
    "import { a } from './b.js';",
    "import type { c } from '../index/c.js';",
    "export * from 'd';",
    "import 'e';",
    'const f = [',
    "  await import('f'),",
    "  createRequire(import.meta.url)('g'),",
    "  new URL('./h.js', import.meta.url),",
    '  new URL(`./i.$' + '{suffix}`, import.meta.url),',
    "  Array.from('no'),",
    '];',
    "// import { no } from 'no';",
  );
  assert.deepEqual(
    file.imports.map(({ specifier, target, line }) => [line, specifier, target]),
    [
      [1, './b.js', 'src/base/b.ts'],
      [2, '../index/c.js', 'src/index/c.ts'],
      [3, 'd', undefined],
      [4, 'e', undefined],
      [6, 'f', undefined],
      [7, 'g', undefined],
      [8, './h.js', 'src/base/h.ts'],
      [9, './i.js', 'src/base/i.ts'],
    ],
  );
});

test('source-rules: assertions are found, renaming and as const are not', () => {
  const file = source(
    "import { a as b, type c as d } from 'x';",
    "import * as e from 'y';",
    'export { b as f };',
    "const g = ['h'] as const;",
    'const i = g as unknown;',
    'const j = (i as { k: number }).k;',
  );
  assert.deepEqual(findAssertions(file), ['src/base/a.ts:5  as', 'src/base/a.ts:6  as']);
});

test('source-rules: a non-null mark is found, negation and inequality are not', () => {
  const file = source(
    'const a = !b && c !== d && !!e;',
    'const f = b!.c;',
    'let g!: number;',
    'h(i()!, j[0]!);',
  );
  assert.deepEqual(
    findNonNull(file).map((found) => found.split('  ')[0]),
    ['src/base/a.ts:2', 'src/base/a.ts:3', 'src/base/a.ts:4', 'src/base/a.ts:4'],
  );
});

test('source-rules: functions of every form are measured, other blocks are not', () => {
  const file = source(
    'export async function a(', //    1
    '  b: number,',
    '): Promise<void> {',
    '  if (b) {',
    '    c();',
    '  } else {',
    '    d();',
    '  }',
    '}', //                            9
    'class E {',
    '  constructor({',
    '    f,',
    '  }: Options) {',
    '    this.f = f;',
    '  }', //                         15
    '  static async *#g<T>(h: T): AsyncGenerator<T> {',
    '    for (const i of h) {',
    '      yield i;',
    '    }',
    '  }', //                         20
    '}',
    'const j = (k: number): number => {',
    '  return k;',
    '};',
    'l({',
    '  m: 1,',
    '});',
    "test('n', () => {",
    '',
    '  o();',
    '});',
  );
  assert.deepEqual(
    findFunctions(file).map(({ line, lines }) => [line, lines]),
    [
      [1, 9],
      [11, 5],
      [16, 5],
      [22, 3],
      [28, 4],
    ],
  );
});

test('source-rules: a cycle is named with its path, a diamond is none', () => {
  const file = (name: string, ...imports: string[]) =>
    parseSource(`src/${name}.ts`, imports.map((to) => `import './${to}.js';\n`).join(''));
  assert.deepEqual(
    findCycles([file('a', 'b', 'c'), file('b', 'd'), file('c', 'd'), file('d')]),
    [],
  );
  assert.deepEqual(findCycles([file('a', 'b'), file('b', 'c'), file('c', 'd', 'b'), file('d')]), [
    'src/c.ts:2  import cycle src/b.ts -> src/c.ts -> src/b.ts',
  ]);
});

test('source-rules: a long line is named with its length', () => {
  assert.deepEqual(findLongLines(source('a', 'b'.repeat(11)), 10), [
    'src/base/a.ts:2  a line of 11 columns, at most 10',
  ]);
});
