import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createError, errnoOf, errorTable, hasCode, MillraceError } from '../../src/base/errors.js';

test('errors: an error carries its code, the facts, the cause, and whether to retry', () => {
  const cause = new Error('below');
  const facts = { file: 'a.log', position: 61, expected: 1, actual: 2 };
  const error = createError('LOG_CORRUPT', facts, cause);
  assert.ok(error instanceof MillraceError);
  assert.ok(error instanceof Error);
  assert.equal(error.name, 'MillraceError');
  assert.equal(error.code, 'LOG_CORRUPT');
  assert.equal(error.retryable, false);
  assert.deepEqual(error.facts, facts);
  assert.equal(error.cause, cause);
});

test('errors: whether to retry follows the table for every code', () => {
  for (const code of Object.keys(errorTable)) {
    assert.ok(code in errorTable);
    const known = code as keyof typeof errorTable;
    assert.equal(createError(known, {}).retryable, errorTable[known].retryable);
    assert.match(known, /^[A-Z]+(_[A-Z]+)*$/);
  }
});

test('errors: the message begins with code and summary and lists the facts that are there', () => {
  const error = createError('LOG_LOCKED', { path: 'x', pid: 7, host: undefined, note: null });
  const { summary } = errorTable.LOG_LOCKED;
  assert.equal(error.message, `LOG_LOCKED: ${summary} (path: x, pid: 7, note: null)`);
  assert.equal(createError('LOG_LOCKED', {}).message, `LOG_LOCKED: ${summary}`);
});

test('errors: a fact named message replaces the summary, and stays a fact', () => {
  const error = createError('RECORD_INVALID', { message: 'the key is not bytes', index: 3 });
  assert.equal(error.message, 'RECORD_INVALID: the key is not bytes (index: 3)');
  assert.equal(error.facts['message'], 'the key is not bytes');
});

test('errors: the facts are a frozen copy', () => {
  const facts = { position: 1 };
  const error = createError('IO_FAILED', facts);
  facts.position = 2;
  assert.equal(error.facts['position'], 1);
  assert.ok(Object.isFrozen(error.facts));
});

test('errors: without a cause there is no cause property', () => {
  assert.ok(!('cause' in createError('IO_FAILED', {})));
});

test('errors: hasCode tells codes apart and refuses foreign errors', () => {
  const error: unknown = createError('DISK_FULL', {});
  assert.ok(hasCode(error, 'DISK_FULL'));
  assert.ok(!hasCode(error, 'IO_FAILED'));
  const foreign = Object.assign(new Error('no'), { code: 'DISK_FULL' });
  for (const other of [foreign, { code: 'DISK_FULL' }, null, undefined, 'DISK_FULL']) {
    assert.ok(!hasCode(other, 'DISK_FULL'));
  }
});

test('errors: the errno of a system error is its code, of anything else undefined', () => {
  assert.equal(errnoOf(Object.assign(new Error('full'), { code: 'ENOSPC' })), 'ENOSPC');
  for (const other of [new Error('no'), { code: 5 }, null, undefined, 'ENOSPC']) {
    assert.equal(errnoOf(other), undefined);
  }
});
