// log.json and partition.metadata: kept whole, and every change noticed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32c } from '../../src/base/crc32c.js';
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
    () => decodeLogJson(Buffer.from('{"version":3,"x":1}'), 'f'),
    'FORMAT_UNSUPPORTED',
  );
  assert.deepEqual([facts['file'], facts['expected'], facts['actual']], ['f', 2, 3]);
});

test('partition.metadata: holds the id as Kafka writes it, and refuses other text', () => {
  const bytes = encodeMetadata(identity.logId);
  assert.equal(Buffer.from(bytes).toString(), 'version: 0\ntopic_id: ASNFZ4mrze8BI0VniavN7w\n');
  assert.equal(decodeMetadata(bytes), identity.logId);
  assert.equal(decodeMetadata(Buffer.from('version: 1\ntopic_id: x\n')), 'invalid');
});

/** As the first version of Millrace wrote it. */
const firstVersion = `{
  "version": 1,
  "logId": "0123456789abcdef0123456789abcdef",
  "createdMs": 1700000000000,
  "options": {
    "segmentBytes": 5000,
    "segmentMs": 604800000,
    "indexIntervalBytes": 4096,
    "recordBytesMax": 1048576,
    "batchBytesMax": 1052672
  },
  "checksum": "CHECKSUM"
}
`;

function withChecksum(text: string): Buffer {
  const { checksum: _, ...body } = JSON.parse(text);
  const bytes = Buffer.from(JSON.stringify(body));
  const checksum = crc32c(bytes, 0, bytes.length).toString(16).padStart(8, '0');
  return Buffer.from(text.replace('CHECKSUM', checksum));
}

test('log.json: a file of the first version opens, with defaults for what it leaves out', () => {
  const { options } = decodeLogJson(withChecksum(firstVersion), 'f');
  assert.deepEqual(options, rememberedOf(resolveLogOptions({ segmentBytes: 5000 }, 'test')));
});

test('log.json: options that its version does not hold are refused, and so are absent ones', () => {
  const cases = [
    firstVersion.replace('"batchBytesMax": 1052672', '"batchBytesMax": 1052672,\n    "x": 1'),
    firstVersion.replace('1052672\n', '1052672,\n    "cleanup": "delete"\n'),
    firstVersion.replace('"segmentMs": 604800000,\n    ', ''),
    firstVersion.replace('"version": 1', '"version": 2'),
    firstVersion.replace('"version": 1', '"version": 0'),
  ];
  for (const text of cases) {
    assert.notEqual(text, firstVersion);
    thrown(() => decodeLogJson(withChecksum(text), 'f'), 'LOG_CORRUPT');
  }
});

test('log.json: every remembered option comes back', () => {
  const given = {
    cleanup: 'compact,delete',
    retentionMs: 7,
    retentionBytes: 'unlimited',
    retentionRecords: 3,
    protectedGroups: ['z', 'with "quotes"', 'a'],
    minCleanableDirtyRatio: 0.1,
    maxCompactionLagMs: 9,
    tombstoneRetentionMs: 0,
  } as const;
  const options = rememberedOf(resolveLogOptions(given, 'test'));
  assert.deepEqual(decodeLogJson(encodeLogJson({ ...identity, options }), 'f').options, options);
});
