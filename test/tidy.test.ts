/**
 * The house rules that a machine can check: layers, doors to the outside, sizes, style.
 *
 * The tables below are the rules. Whoever changes one says why, in the same commit. A finding names
 * the file, the line and the rule.
 */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { errorTable } from '../src/base/errors.js';
import {
  findAssertions,
  findCode,
  findCycles,
  findFunctions,
  finding,
  findLongLines,
  findNonNull,
  findText,
} from './support/source-rules.js';
import { readSources, type SourceFile, type SourceImport } from './support/source-text.js';

/** A folder imports itself and those before it; from two or more before, what is published. */
const layers: readonly { folder: string; published: 'all' | readonly string[] }[] = [
  { folder: 'base', published: 'all' },
  { folder: 'index', published: [] },
  { folder: 'storage', published: ['main.ts'] },
  { folder: 'broker', published: ['main.ts'] },
  { folder: 'server', published: [] },
  { folder: 'cli', published: [] },
];
/** The public face stands beside the last layer, which alone may import it. */
const FACE = 'src/main.ts';
const FACE_RANK = layers.length - 1;

/** What is reached otherwise than by an import in `src`. */
const entryPoints = [FACE, 'src/storage/main.ts', 'src/cli/millrace.ts'];

/** Files that `src` itself does not need: the writer and the cleaner of the simulated disk. */
const awaitingImporter = ['src/storage/cleaner-inline.ts', 'src/storage/inline-writer.ts'];

/** Modules and globals of the outside world, each with its one door. */
const doors: readonly Door[] = [
  {
    rule: 'files are reached through src/base/node-file-system.ts',
    module: /^(?:node:)?fs(?:\/|$)/,
    allowed: ['src/base/node-file-system.ts'],
  },
  {
    rule: 'time and timers come from src/base/clock.ts',
    module: /^(?:node:)?timers(?:\/|$)|^(?:node:)?perf_hooks$/,
    code: new RegExp(
      String.raw`(?<![\w$.])(?:globalThis\.)?` +
        String.raw`(?:Date\.now|performance\.|process\.(?:hrtime|uptime)|AbortSignal\.timeout` +
        String.raw`|new Date\(\)|set(?:Timeout|Interval|Immediate)\b)`,
    ),
    allowed: ['src/base/clock.ts'],
  },
  {
    rule: 'randomness comes from src/base/prng.ts, digests from src/base/hashing.ts',
    module: /^(?:node:)?crypto$/,
    code: /(?<![\w$])(?:Math\.random|(?<!\.)crypto\.|globalThis\.crypto)/,
    allowed: ['src/base/prng.ts', 'src/base/hashing.ts'],
  },
  {
    rule: 'only the command prints, exits and reads arguments',
    code: /(?<![\w$.])(?:console\.|process\.(?:stdout|stderr|stdin|argv|exit\b|exitCode))/,
    allowed: ['src/cli/'],
  },
];

interface Door {
  readonly rule: string;
  readonly module?: RegExp;
  readonly code?: RegExp;
  readonly allowed: readonly string[];
}

/** Where each package of the registry enters: a file, or one file below a folder. */
const packages: Readonly<Record<string, string>> = {
  '@node-rs/crc32': 'src/base/crc32c.ts',
  'lz4-napi': 'src/storage/compression.ts',
  msgpackr: 'src/base/msgpack.ts',
  piscina: 'src/storage/cleaner-pool.ts',
};

/** Files where `as` and `!` may stand: what they read has no type of its own. */
const assertionsAllowed: readonly { path: RegExp; reason: string }[] = [
  { path: /^src\/base\//, reason: 'the seams to the platform and to typed arrays' },
  { path: /-format\.ts$/, reason: 'byte layouts: typed array reads' },
  { path: /\/batch-[^/]*\.ts$/, reason: 'batch codec: typed array reads' },
  {
    path: /^src\/storage\/compaction-(?:batch|horizon)\.ts$/,
    reason: 'batches in place, columns of records: typed array reads',
  },
  {
    path: /^src\/broker\/delayed\/delayed-(?:heap|sorted)\.ts$/,
    reason: 'entries in columns: typed array reads',
  },
  {
    path: /^src\/storage\/(?:lz4-frame|snappy-block)\.ts$/,
    reason: 'compressed blocks: typed array reads',
  },
  { path: /^src\/storage\/varint\.ts$/, reason: 'varint codec: typed array reads' },
  {
    path: /^src\/broker\/share\/share-(?:slots|deadlines|owners|runs)\.ts$/,
    reason: 'columns of messages under way: typed array reads',
  },
  {
    path: /^src\/broker\/share\/share-(?:ranges|range-chunk|record-buffer)\.ts$/,
    reason: 'runs of offsets: typed array reads',
  },
  {
    path: /^src\/index\/(?:offset-index|time-index|key-offset-map)\.ts$/,
    reason: 'index codecs: typed array reads',
  },
];

/** Codes of the error table that nothing in `src` throws yet. */
const codesAwaitingUse: readonly string[] = ['REPAIR_REFUSED'];

const FILE_LINES_MAX = 500;
const FUNCTION_LINES_MAX = 70;
const COLUMNS_MAX = 100;
/** In tests, a function that only lists tests may be as long as the list. */
const LISTS_TESTS = /\b(?:describe|suite)\(|[cC]ontract\(/;
/** Marks of work left over, spelled so that this file does not hold them. */
const LEFTOVER = new RegExp(
  `\\b(?:${['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX', 'HA' + 'CK'].join('|')})\\b`,
);

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const sources = readSources(root, ['src']);
const everything = [...sources, ...readSources(root, ['test', 'bench', 'fuzz'])];

test('tidy: a folder imports itself and lower layers, from afar only what is published', () => {
  clean(eachImport(sources, layerFinding));
});

test('tidy: imports form no cycle', () => {
  clean(findCycles(sources));
});

test('tidy: the outside world is reached through one door each', () => {
  for (const { rule, module, code, allowed } of doors) {
    const others = sources.filter(({ path }) => !allowed.some((prefix) => path.startsWith(prefix)));
    if (code !== undefined) clean(others.flatMap((file) => findCode(file, code, rule)));
    if (module === undefined) continue;
    clean(
      eachImport(others, (file, { specifier, line }) =>
        module.test(specifier) ? [finding(file.path, line, rule)] : [],
      ),
    );
  }
});

test('tidy: each package enters through one file and is declared', () => {
  clean(eachImport(sources, packageFinding));
  const manifest: unknown = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  assert.ok(typeof manifest === 'object' && manifest !== null && 'dependencies' in manifest);
  assert.deepEqual(Object.keys(Object(manifest.dependencies)).sort(), Object.keys(packages).sort());
  for (const name of Object.keys(packages)) {
    const users = sources.filter((file) => file.imports.some((i) => packageOf(i) === name));
    assert.ok(users.length <= 1, `${name} enters through ${users.map(({ path }) => path)}`);
  }
});

test('tidy: files, lines and functions keep their size', () => {
  clean(
    everything.flatMap((file) => {
      const lines = file.text.split('\n').length - 1;
      const rule = `a file of ${lines} lines, at most ${FILE_LINES_MAX}`;
      const tooLong = lines > FILE_LINES_MAX ? [finding(file.path, 1, rule)] : [];
      return [...tooLong, ...findLongLines(file, COLUMNS_MAX), ...longFunctions(file)];
    }),
  );
});

test('tidy: no any, enum, namespace or default export', () => {
  const banned: readonly [RegExp, string][] = [
    [/(?<![.\w$])any(?![\w$])/, 'any'],
    [/(?<![.\w$])enum\s+[\w$]/, 'enum'],
    [/(?<![.\w$])namespace\s+[\w$]/, 'namespace'],
    [/\bexport\s+default\b|\bas\s+default\b/, 'default export'],
  ];
  clean(sources.flatMap((file) => banned.flatMap(([code, rule]) => findCode(file, code, rule))));
});

test('tidy: no type assertion outside codecs and seams', () => {
  const strict = sources.filter(
    (file) => !assertionsAllowed.some(({ path }) => path.test(file.path)),
  );
  clean(strict.flatMap((file) => [...findAssertions(file), ...findNonNull(file)]));
});

test('tidy: every file opens with what it is', () => {
  clean(
    sources
      .filter(({ text }) => !/^(?:#!.*\n)?\/\*\*(?:(?!\*\/)[\s\S]){40,}\*\//.test(text))
      .map(({ path }) => finding(path, 1, 'opens with a header comment')),
  );
});

test('tidy: nothing is marked as left over', () => {
  clean(everything.flatMap((file) => findText(file, LEFTOVER, 'a mark of work left over')));
});

test('tidy: every file is imported or is an entry point', (t) => {
  const imported = new Set(sources.flatMap((file) => file.imports.map(({ target }) => target)));
  const lonely = sources
    .map(({ path }) => path)
    .filter((path) => !imported.has(path) && !entryPoints.includes(path));
  for (const path of awaitingImporter) {
    if (!lonely.includes(path)) t.diagnostic(`${path} need not be in awaitingImporter any more`);
  }
  clean(
    lonely
      .filter((path) => !awaitingImporter.includes(path))
      .map((path) => finding(path, 1, 'is imported by a file in src, or is an entry point')),
  );
});

test('tidy: every error code is in use', (t) => {
  const users = sources.filter(({ path }) => path !== 'src/base/errors.ts');
  const unused = Object.keys(errorTable).filter(
    (code) => !users.some(({ text }) => text.includes(`'${code}'`)),
  );
  for (const code of codesAwaitingUse) {
    if (!unused.includes(code)) t.diagnostic(`${code} need not be in codesAwaitingUse any more`);
  }
  clean(
    unused
      .filter((code) => !codesAwaitingUse.includes(code))
      .map((code) => finding('src/base/errors.ts', 1, `${code} is used in src`)),
  );
});

test('tidy: the documents explain every error code, and no other', () => {
  const folder = join(root, 'docs');
  const pages = readdirSync(folder).filter((name) => name.endsWith('.md'));
  const text = pages.map((name) => readFileSync(join(folder, name), 'utf8')).join('\n');
  const rows = [...text.matchAll(/^\|\s*`([A-Z]+(?:_[A-Z]+)+)`/gm)].map((match) => match[1] ?? '');
  const codes = Object.keys(errorTable);
  assert.deepEqual(
    codes.filter((code) => !text.includes(`\`${code}\``)),
    [],
    'codes that docs/ does not explain',
  );
  assert.deepEqual(
    rows.filter((code) => !code.startsWith('MILLRACE_') && !codes.includes(code)),
    [],
    'codes in the tables of docs/ that do not exist',
  );
});

function clean(findings: readonly string[]): void {
  if (findings.length > 0) assert.fail(`${findings.length} findings\n${findings.join('\n')}`);
}

function eachImport(
  files: readonly SourceFile[],
  check: (file: SourceFile, found: SourceImport) => string[],
): string[] {
  return files.flatMap((file) => file.imports.flatMap((found) => check(file, found)));
}

/** Where a file stands in the table of layers, or -1. */
function rankOf(path: string): number {
  if (path === FACE) return FACE_RANK;
  return layers.findIndex(({ folder }) => path.startsWith(`src/${folder}/`));
}

function layerFinding(file: SourceFile, { target, line }: SourceImport): string[] {
  if (target === undefined) return [];
  const [from, to] = [rankOf(file.path), rankOf(target)];
  const edge = (rule: string) => [finding(file.path, line, `imports ${target}: ${rule}`)];
  if (from === -1) return edge('the folder is not in the table of layers');
  if (to === -1) return edge('the target is not in the table of layers');
  if (to > from) return edge('a higher layer');
  if (target === FACE && !file.path.startsWith('src/cli/')) return edge('the face is for users');
  if (file.path === FACE && target.startsWith('src/cli/')) return edge('the command is no part');
  const layer = layers[to];
  if (layer === undefined || from - to < 2 || layer.published === 'all') return [];
  const isPublished = layer.published.some((name) => target === `src/${layer.folder}/${name}`);
  return isPublished ? [] : edge('not published to layers further up');
}

/** The package's name without a path in it, or undefined for files and Node's own modules. */
function packageOf({ specifier }: SourceImport): string | undefined {
  return /^(?![./#]|node:|file:)(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0];
}

function packageFinding(file: SourceFile, found: SourceImport): string[] {
  const name = packageOf(found);
  if (name === undefined) return [];
  const door = packages[name];
  if (door === undefined) {
    return [
      finding(file.path, found.line, `${name} is neither node: nor in the table of packages`),
    ];
  }
  return file.path.startsWith(door)
    ? []
    : [finding(file.path, found.line, `${name} enters through ${door}`)];
}

function longFunctions(file: SourceFile): string[] {
  const isProduct = file.path.startsWith('src/');
  return findFunctions(file)
    .filter(({ lines }) => lines > FUNCTION_LINES_MAX)
    .filter(({ header }) => isProduct || !LISTS_TESTS.test(header))
    .map(({ line, lines }) =>
      finding(file.path, line, `a function of ${lines} lines, at most ${FUNCTION_LINES_MAX}`),
    );
}
