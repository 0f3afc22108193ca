// Options of a log: checked, frozen, remembered, and in conflict with what is remembered.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  alterConfig,
  type LogOptions,
  mergeRemembered,
  rememberedOf,
  resolveLogOptions,
} from '../../src/storage/log-config.js';
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

test('options: what cleanup leaves out is refused, naming both, unless it is the default', () => {
  const rows: readonly [LogOptions, string | undefined][] = [
    [{ cleanup: 'compact', retentionBytes: 1 }, 'retentionBytes'],
    [{ cleanup: 'compact', retentionMs: 1 }, 'retentionMs'],
    [{ cleanup: 'compact', retentionRecords: 1 }, 'retentionRecords'],
    [{ cleanup: 'compact', protectedGroups: ['g'] }, 'protectedGroups'],
    [{ cleanup: 'delete', minCleanableDirtyRatio: 0.1 }, 'minCleanableDirtyRatio'],
    [{ minCompactionLagMs: 1 }, 'minCompactionLagMs'],
    [{ maxCompactionLagMs: 1 }, 'maxCompactionLagMs'],
    [{ tombstoneRetentionMs: 1 }, 'tombstoneRetentionMs'],
    [{ cleanup: 'compact', retentionBytes: 'unlimited', protectedGroups: [] }, undefined],
    [{ cleanup: 'compact,delete', retentionBytes: 1, tombstoneRetentionMs: 1 }, undefined],
    [{ retentionMs: 1, retentionBytes: 1, retentionRecords: 1, protectedGroups: ['g'] }, undefined],
  ];
  for (const [given, option] of rows) {
    if (option === undefined) {
      resolveLogOptions(given, 'test');
      continue;
    }
    const { facts } = thrown(() => resolveLogOptions(given, 'test'), 'OPTION_INVALID');
    assert.equal(facts['option'], option);
    assert.match(String(facts['expected']), /cleanup/);
  }
});

test('options: the lags of compaction do not cross', () => {
  const given = { cleanup: 'compact', minCompactionLagMs: 3, maxCompactionLagMs: 2 } as const;
  const { facts } = thrown(() => resolveLogOptions(given, 'test'), 'OPTION_INVALID');
  assert.equal(facts['option'], 'minCompactionLagMs');
});

test('options: what goes with a remembered option may be given without it', () => {
  const given = { cleanup: 'compact', tombstoneRetentionMs: 5 } as const;
  const remembered = rememberedOf(resolveLogOptions(given, 'test'));
  const config = mergeRemembered({ tombstoneRetentionMs: 5 }, remembered, 'test');
  assert.deepEqual([config.cleanup, config.tombstoneRetentionMs], ['compact', 5]);
});

test('options: protected groups are the same in any order, and others are a conflict', () => {
  const given = { protectedGroups: ['b', 'a'] };
  const remembered = rememberedOf(resolveLogOptions(given, 'test'));
  assert.deepEqual(remembered.protectedGroups, ['a', 'b']);
  mergeRemembered(given, remembered, 'test');
  mergeRemembered({ protectedGroups: ['a', 'b'] }, remembered, 'test');
  const { facts } = thrown(
    () => mergeRemembered({ protectedGroups: ['a'] }, remembered, 'test'),
    'OPTION_CONFLICT',
  );
  assert.deepEqual([facts['expected'], facts['actual']], ['[a, b]', '[a]']);
});

test('options: alter changes remembered ones together, and refuses a contradiction', () => {
  const config = resolveLogOptions({ retentionMs: 5 }, 'test');
  thrown(() => alterConfig(config, { cleanup: 'compact' }, 'test'), 'OPTION_INVALID');
  const altered = alterConfig(config, { cleanup: 'compact', retentionMs: 'unlimited' }, 'test');
  assert.deepEqual([altered.cleanup, altered.retentionMs], ['compact', 'unlimited']);
  const { facts } = thrown(
    () => alterConfig(config, { cleanerMapBytes: 2 ** 20 }, 'test'),
    'OPTION_INVALID',
  );
  assert.equal(facts['option'], 'cleanerMapBytes');
});
