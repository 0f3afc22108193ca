/**
 * examples/embed: a project of its own on the published face of the storage alone, with tests of
 * its own, which kill its broker in traffic.
 */

import assert from 'node:assert/strict';
import { cpSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import {
  assertSuccess,
  type PackedProject,
  readManifest,
  root,
  runNode,
} from '../support/packed-project.js';

const LINES_MAX = 150;

const folder = join(root, 'examples', 'embed');

export function embedTests(packed: () => PackedProject): void {
  test('package: the embedding example passes its own tests on the installed package', async () => {
    const { project, tarball } = packed();
    const { name, engines } = readManifest(root);
    const { dependencies, scripts = {}, engines: ownEngines } = readManifest(folder);
    assert.deepEqual(dependencies, { [name]: `file:../../${basename(tarball.path)}` });
    assert.deepEqual(ownEngines, engines);
    const [program, option, ...files] = (scripts['test'] ?? '').split(' ');
    assert.deepEqual([program, option], ['node', '--test']);
    assert.deepEqual([...files].sort(), testFiles());

    const copy = join(project, 'embed');
    cpSync(folder, copy, {
      recursive: true,
      filter: (path) => !['node_modules', 'data'].includes(basename(path)),
    });
    const outcome = await runNode(copy, ['--test', '--test-reporter=tap', ...files]);
    assertSuccess(outcome, 'the tests of the example');
    const passed = Number(/^# pass (\d+)$/m.exec(outcome.stdout)?.[1]);
    assert.ok(passed >= files.length, `${passed} tests have passed`);
  });

  test('package: the embedding example is small and imports only millrace/storage', () => {
    const sources = sourceFiles();
    assert.ok(sources.length > 0);
    for (const path of sources) {
      const text = readFileSync(join(folder, path), 'utf8');
      const lines = text.split('\n').length - 1;
      assert.ok(lines < LINES_MAX, `${path} has ${lines} lines`);
      const imports = [...text.matchAll(/(?:\bfrom|\bimport\(?)\s*'([^']+)'/g)].map(([, to]) => to);
      const others = imports.filter(
        (to) => !/^(?:node:|\.\.?\/|millrace\/storage$)/.test(to ?? ''),
      );
      assert.deepEqual(others, [], `${path} imports something else`);
    }
  });
}

/** Below the example, with forward slashes, whatever an `npm install` there has left aside. */
function sourceFiles(): string[] {
  return ['', 'test'].flatMap((below) =>
    readdirSync(join(folder, below))
      .filter((name) => /\.[cm]?js$/.test(name))
      .map((name) => (below === '' ? name : `${below}/${name}`)),
  );
}

function testFiles(): string[] {
  assert.ok(existsSync(join(folder, 'test')));
  return sourceFiles()
    .filter((path) => path.endsWith('.test.mjs'))
    .sort();
}
