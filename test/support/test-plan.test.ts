import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ALONE, groupOf, planTests } from './test-plan.js';

const testFolder = dirname(dirname(fileURLToPath(import.meta.url)));

test('test plan: the suffix of a file decides its group, then its folder', () => {
  assert.equal(groupOf('storage/log.crash.test.js'), 'cuts');
  assert.equal(groupOf('broker/group.model.test.js'), 'model');
  assert.equal(groupOf('server/kafka/wire-messages.property.test.js'), 'property');
  assert.equal(groupOf('server/kafka/wire-reader.test.js'), 'server');
  assert.equal(groupOf('crash/kill.test.js'), 'crash');
  assert.equal(groupOf('docs.test.js'), 'tidy');
});

test('test plan: each file has its place in one process of its group, long groups first', () => {
  const many = Array.from({ length: 30 }, (_, index) => `base/${index}.test.js`);
  const [alone = ''] = Object.keys(ALONE);
  const files = [...many, alone, 'a.test.js', 'index/a.crash.test.js', 'index/b.crash.test.js'];
  const groups = planTests(files);
  assert.deepEqual(groups.map(({ name }) => name).sort(), ['base', 'cuts', 'tidy']);
  assert.equal(groups[0]?.name, 'cuts');
  const processes = groups.flatMap((group) => group.processes);
  assert.deepEqual(processes.flat().sort(), [...files].sort());
  for (const file of [alone, 'index/a.crash.test.js']) {
    assert(
      processes.some((list) => list.length === 1 && list[0] === file),
      `${file} is alone`,
    );
  }
  const shared = processes.filter((list) => list.length > 1);
  assert.deepEqual(
    shared.map((list) => list.length),
    [10, 10, 10],
  );
});

test('test plan: what has a process of its own is there', () => {
  for (const file of Object.keys(ALONE)) assert(existsSync(join(testFolder, file)), file);
});
