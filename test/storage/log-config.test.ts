// Options of a log: checked, frozen, remembered, and in conflict with what is remembered.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergeRemembered, rememberedOf, resolveLogOptions } from '../../src/storage/log-config.js';
import { thrown } from '../support/fixtures.js';

test('options: defaults are filled in, and the result is frozen', () => {
  const config = resolveLogOptions({ segmentBytes: 5000 }, 'test');
  assert.deepEqual([config.segmentBytes, config.overflow, config.readOnly], [5000, 'wait', false]);
  assert.ok(Object.isFrozen(config));
});

test('options: a value out of bounds names the option', () => {
  for (const [option, value] of [
    ['segmentBytes', 4095],
    ['segmentBytes', 2 ** 31],
    ['flushMs', 0.5],
    ['compression', 'brotli'],
    ['overflow', 'drop'],
    ['readOnly', 1],
  ] as const) {
    const given: object = { [option]: value };
    const { facts } = thrown(() => resolveLogOptions(given, 'test'), 'OPTION_INVALID');
    assert.equal(facts['option'], option);
  }
});

test('options: a record cannot be larger than a batch', () => {
  thrown(
    () => resolveLogOptions({ recordBytesMax: 3000, batchBytesMax: 2000 }, 'test'),
    'OPTION_INVALID',
  );
});

test('options: what is remembered is taken, and another value is a conflict', () => {
  const remembered = rememberedOf(resolveLogOptions({ segmentBytes: 5000 }, 'test'));
  assert.equal(mergeRemembered({ flushMs: 7 }, remembered, 'test').segmentBytes, 5000);
  assert.equal(mergeRemembered({ segmentBytes: 5000 }, remembered, 'test').segmentBytes, 5000);
  const { facts } = thrown(
    () => mergeRemembered({ segmentBytes: 6000 }, remembered, 'test'),
    'OPTION_CONFLICT',
  );
  assert.deepEqual([facts['expected'], facts['actual']], [5000, 6000]);
});
