// What remains when optional parts are not there. Its own file: codecs are loaded once a process.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import Module from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import * as zlib from 'node:zlib';
import { hasCode } from '../../src/base/errors.js';
import { Batch } from '../../src/storage/batch.js';
import { compressBatch } from '../../src/storage/batch-compress.js';
import { verifyRecords } from '../../src/storage/batch-decoder.js';
import { stampCrc } from '../../src/storage/batch-header.js';
import { createBatchMemory } from '../../src/storage/batch-memory.js';
import { codecNamed } from '../../src/storage/compression.js';
import { Log } from '../../src/storage/log.js';
import { batchOf } from '../support/batch-fixtures.js';
import { rejection } from '../support/fixtures.js';
import { tempDir } from '../support/temp-dir.js';

interface ModuleLoader {
  _load(request: string, ...rest: unknown[]): unknown;
}

const loader = Module as unknown as ModuleLoader;
const load = loader._load;
loader._load = (request, ...rest) => {
  if (request === 'lz4-napi') throw new Error('not installed');
  return load.call(Module, request, ...rest);
};

test('lz4 without its package: unavailable, and so says every use', () => {
  const codec = codecNamed('lz4');
  assert.equal(codec.isAvailable(), false);
  const isUnavailable = (error: unknown) =>
    hasCode(error, 'CODEC_UNAVAILABLE') && error.facts['codec'] === 'lz4';
  assert.throws(() => codec.compress(Buffer.from('x')), isUnavailable);
  assert.throws(() => codec.decompress(Buffer.from('x'), 100), isUnavailable);
  const plain = batchOf([{ value: 'a value' }]);
  assert.throws(() => compressBatch('lz4', plain, 0, Buffer.alloc(1000), 0, 1000), isUnavailable);
});

test('a batch of a codec that is absent keeps its header readable, and its records not', () => {
  const bytes = batchOf([{ value: 'a value' }], { baseOffset: 5 });
  bytes.writeInt16BE(codecNamed('lz4').id, 21);
  stampCrc(bytes, 0);
  const batch = new Batch(createBatchMemory(bytes, 'a file', 0), 0);
  assert.deepEqual([batch.codec, batch.nextOffset, batch.count], ['lz4', 6, 1]);
  assert.throws(
    () => batch.cursor(),
    (error) => hasCode(error, 'CODEC_UNAVAILABLE') && error.facts['file'] === 'a file',
  );
  const verdict = verifyRecords(bytes, 0);
  assert.equal(verdict.outcome, 'invalid');
  assert.equal(verdict.error.code, 'CODEC_UNAVAILABLE');
});

test('a log that would write with an absent codec does not open, and leaves nothing', async (t) => {
  const directory = join(tempDir(t), 'log');
  const error = await rejection(Log.open(directory, { compression: 'lz4' }), 'CODEC_UNAVAILABLE');
  assert.equal(error.facts['codec'], 'lz4');
  assert.equal(existsSync(directory), false);
});

test('zstd is there exactly where Node has it', () => {
  const codec = codecNamed('zstd');
  assert.equal(codec.isAvailable(), 'zstdCompressSync' in zlib);
  if (codec.isAvailable()) return;
  assert.throws(
    () => codec.decompress(Buffer.from('x'), 100),
    (error) => hasCode(error, 'CODEC_UNAVAILABLE'),
  );
});
