// log.json and partition.metadata: kept whole, and every change noticed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MillraceError } from '../../src/base/errors.js';
import { rememberedOf, resolveLogOptions } from '../../src/storage/log-config.js';
import {
  decodeLogJson,
  decodeMetadata,
  encodeLogJson,
  encodeMetadata,
} from '../../src/storage/log-json.js';
import { thrown } from '../support/fixtures.js';

const identity = {
  logId: '0123456789abcdef0123456789abcdef',
  createdMs: 1_700_000_000_000,
  options: rememberedOf(resolveLogOptions({}, 'test')),
};

test('log.json: comes back as it was', () => {
  assert.deepEqual(decodeLogJson(encodeLogJson(identity), 'f'), identity);
});

test('log.json: every single-bit flip is refused', () => {
  const bytes = encodeLogJson(identity);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = Uint8Array.from(bytes);
    changed[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.throws(() => decodeLogJson(changed, 'f'), MillraceError, `bit ${bit}`);
  }
});

test('log.json: every shorter text is refused', () => {
  const bytes = encodeLogJson(identity);
  for (let count = 0; count < bytes.length; count++) {
    thrown(() => decodeLogJson(bytes.subarray(0, count), 'f'), 'LOG_CORRUPT');
  }
});

test('log.json: a newer version is told from damage', () => {
  const { facts } = thrown(
    () => decodeLogJson(Buffer.from('{"version":2,"x":1}'), 'f'),
    'FORMAT_UNSUPPORTED',
  );
  assert.deepEqual([facts['file'], facts['expected'], facts['actual']], ['f', 1, 2]);
});

test('partition.metadata: holds the id as Kafka writes it, and refuses other text', () => {
  const bytes = encodeMetadata(identity.logId);
  assert.equal(Buffer.from(bytes).toString(), 'version: 0\ntopic_id: ASNFZ4mrze8BI0VniavN7w\n');
  assert.equal(decodeMetadata(bytes), identity.logId);
  assert.equal(decodeMetadata(Buffer.from('version: 1\ntopic_id: x\n')), 'invalid');
});
