/**
 * What the tarball holds, and what of it can be imported.
 */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, posix, relative, sep } from 'node:path';
import { test } from 'node:test';
import {
  assertSuccess,
  type PackedProject,
  readManifest,
  root,
  runNode,
} from '../support/packed-project.js';

/** Grows with the product: raise them when they are met, after a look at what came in. */
const PACKED_BYTES_MAX = 1024 * 1024;
const UNPACKED_BYTES_MAX = 4 * 1024 * 1024;

const allowed = [
  /^(?:package\.json|README\.md|LICENSE)$/,
  /^docs\/[A-Z]+\.md$/,
  /^dist\/src\/main\.(?:js|d\.ts)$/,
  /^dist\/src\/(?:base|index|storage|cli)\/[a-z0-9-]+\.(?:js|d\.ts)$/,
  /^dist\/src\/(?:broker|server)(?:\/[a-z]+)*\/[a-z0-9-]+\.(?:js|d\.ts)$/,
];

/** Each prints nothing, or what it found. */
const exportsScript = `
  import assert from 'node:assert/strict';
  import { createRequire } from 'node:module';
  import { Log, MillraceError } from 'millrace';
  import * as storage from 'millrace/storage';
  import manifest from 'millrace/package.json' with { type: 'json' };

  assert.equal(storage.Log, Log);
  assert.equal(new MillraceError('LOG_CLOSED', {}).code, 'LOG_CLOSED');
  assert.equal(manifest.name, 'millrace');

  const code = 'ERR_PACKAGE_PATH_NOT_EXPORTED';
  for (const path of ['dist/src/main.js', 'dist/src/storage/log.js', 'storage/log', 'src/main']) {
    await assert.rejects(import('millrace/' + path), { code }, path);
  }

  const require = createRequire(import.meta.url);
  assert.equal(require('millrace').Log, Log);
  assert.equal(require('millrace/storage').Log, Log);
`;

const consumer = `
  import { type AppendResult, type Batch, Log, type LogRecord, MillraceError } from 'millrace';
  import { Log as StorageLog, type LogOptions, type RecordInput } from 'millrace/storage';

  const options: LogOptions = { segmentBytes: 1024 * 1024, compression: 'gzip' };
  const record: RecordInput = { key: 'k', value: new Uint8Array(1), headers: [{ key: 'h' }] };
  const log: Log = await StorageLog.open('data', options);
  const { baseOffset }: AppendResult = await log.append([record], { acks: 'written' });
  const batches: AsyncIterable<Batch> = log.read({ from: baseOffset, follow: false });
  for await (const batch of batches) {
    for (const { offset, value } of batch satisfies Iterable<LogRecord>) {
      const sum: number = offset + (value?.length ?? 0);
      if (sum < 0) throw new MillraceError('LOG_CLOSED', {});
    }
  }
  // @ts-expect-error An unknown option.
  await Log.open('data', { segmentByte: 1 });
  // @ts-expect-error Not a record.
  await log.append(['text']);
  // @ts-expect-error Nothing else is published.
  await import('millrace/dist/src/storage/log.js');
  await log.close();
`;

export function tarballTests(packed: () => PackedProject): void {
  test('package: the tarball holds the product and its documents, nothing else', () => {
    const { tarball } = packed();
    const others = tarball.files.filter((path) => !allowed.some((pattern) => pattern.test(path)));
    assert.deepEqual(others, [], 'files that no user needs');
    const { bin = {}, exports = {} } = readManifest(root);
    const targets = [...Object.values(bin), ...Object.values(exports).flatMap(targetsOf)];
    const needed = ['package.json', 'README.md', 'LICENSE', ...targets, ...compiledSources()];
    const types = importedTypes(tarball.files);
    assert.notEqual(types.length, 0);
    const missing = [...needed, ...types]
      .map((path) => path.replace(/^\.\//, ''))
      .filter((path) => !tarball.files.includes(path));
    assert.deepEqual(missing, [], 'files that the package needs');
  });

  test('package: the tarball is small', () => {
    const { bytes, unpackedBytes } = packed().tarball;
    assert.ok(bytes <= PACKED_BYTES_MAX, `${bytes} bytes`);
    assert.ok(unpackedBytes <= UNPACKED_BYTES_MAX, `${unpackedBytes} bytes unpacked`);
  });

  test('package: what is exported can be imported and required, and nothing else', async () => {
    const { exports = {} } = readManifest(root);
    assert.deepEqual(Object.keys(exports), ['.', './storage', './package.json']);
    const { project } = packed();
    writeFileSync(join(project, 'exports.mjs'), exportsScript);
    assertSuccess(await runNode(project, ['exports.mjs']), 'importing what is exported');
  });

  test('package: the types of what is exported resolve, and check', async () => {
    const { project } = packed();
    writeFileSync(join(project, 'consumer.mts'), consumer);
    const modules = join(root, 'node_modules');
    const outcome = await runNode(project, [
      join(modules, 'typescript', 'bin', 'tsc'),
      ...['--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext'],
      ...['--lib', 'es2023,esnext.disposable', '--exactOptionalPropertyTypes'],
      ...['--types', 'node', '--typeRoots', join(modules, '@types')],
      'consumer.mts',
    ]);
    assertSuccess(outcome, 'the compiler');
  });
}

function targetsOf(target: string | Readonly<Record<string, string>>): string[] {
  return typeof target === 'string' ? [target] : Object.values(target);
}

/** What each source becomes: with it, a package from a stale or half-made build is seen. */
function compiledSources(): string[] {
  return readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .map((path) => `dist/${path.replace(/\.ts$/, '.js')}`);
}

/** What the declarations in the tarball import of each other. */
function importedTypes(files: readonly string[]): string[] {
  return files
    .filter((path) => path.endsWith('.d.ts'))
    .flatMap((path) => {
      const text = readFileSync(join(root, path), 'utf8');
      const imports = [...text.matchAll(/(?:from|import\()\s*["'](\.[^"']+)\.js["']/g)];
      return imports.map(([, to]) => `${posix.join(posix.dirname(path), to ?? '')}.d.ts`);
    });
}
