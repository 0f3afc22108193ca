// What has been done to other logs, brokers, codecs and clients, one test each, against the parts
// of this one that could be asked to do the same. Beside them: who may do what over the wire is in
// test/server/kafka/kafka-access.test.ts, what is read before a login in kafka-login.test.ts.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { boundedMemory } from '../../fuzz/memory.js';
import { isSameSecret } from '../../src/base/hashing.js';
import { unpack } from '../../src/base/msgpack.js';
import { shapeOf } from '../../src/base/msgpack-shape.js';
import { resolveOptions } from '../../src/base/options.js';
import { TopicTrie } from '../../src/broker/exchange/exchange-trie.js';
import { checkQueueName } from '../../src/broker/queue/queue-name.js';
import { checkTopicName } from '../../src/broker/topic/topic-name.js';
import { Broker } from '../../src/main.js';
import { FrameSplitter } from '../../src/server/kafka/frame-splitter.js';
import { kafkaOptionTable } from '../../src/server/kafka/kafka-options.js';
import { WireReader } from '../../src/server/kafka/wire-reader.js';
import { codecNamed } from '../../src/storage/compression.js';
import { FrameAssembler } from '../../src/storage/holder-frame.js';
import { parseRequest } from '../../src/storage/holder-protocol.js';
import { rejection, thrown } from '../support/fixtures.js';
import { SimLog } from '../support/log-fixture.js';

/** The folder that was compiled into, and the project around it. */
const build = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const root = dirname(build);
const BOUNDS = { valuesMax: 1000, depthMax: 32, takesTimes: false };
/** What a refusal may take: buffers of a fixed size, and no more. */
const SPARE_BYTES = 1024 * 1024;

const pathNames = [
  '..',
  '.',
  '',
  '../evil',
  'a/../../evil',
  'a/b',
  'a\\b',
  '/etc/passwd',
  'nul\0byte',
  'line\nbreak',
  'C:evil',
  'e\u0301',
  'x'.repeat(250),
];

test('a name is never a path: what leads out of the folder is refused', async (t) => {
  const around = folderOf(t);
  const broker = await Broker.open(join(around, 'broker'));
  for (const name of pathNames) {
    thrown(() => checkTopicName(name), 'INVALID_TOPIC_NAME');
    thrown(() => checkQueueName(name), 'INVALID_TOPIC_NAME');
    await rejection(broker.createTopic(name, {}), 'INVALID_TOPIC_NAME');
    await rejection(broker.queue(name), 'INVALID_TOPIC_NAME');
  }
  // The names of groups and producers are keys of records, and may be anything.
  await broker.createTopic('fine', {});
  await broker.close();
  assert.deepEqual(readdirSync(around), ['broker']);
});

test('a broker gives its folder and files to their owner alone', async (t) => {
  const around = folderOf(t);
  const broker = await Broker.open(join(around, 'broker'));
  await broker.createTopic('fine', {});
  await broker.close();
  for (const entry of readdirSync(around, { recursive: true, withFileTypes: true })) {
    const mode = statSync(join(entry.parentPath, entry.name)).mode & 0o077;
    assert.equal(mode, 0, `${entry.name} is for others, too`);
  }
});

test('a request on the socket is answered or refused, whatever its bytes are', () => {
  for (const text of ['', '\0', '{}', 'ff'.repeat(40), '\xc1', '\x92\x01\x81']) {
    const parsed = parseRequest(Buffer.from(text, 'latin1'));
    assert.notEqual(parsed.outcome, 'request');
  }
});

test('a claim of many entries or bytes in a few bytes takes no memory', () => {
  const claims = [0x7fff_ffff, 0x7fff_fffe, 0x1000_0000];
  for (const claim of claims) {
    const bytes = Buffer.alloc(8);
    bytes.writeInt32BE(claim);
    boundedMemory(SPARE_BYTES, () => {
      thrown(() => new WireReader(bytes).count(false, 1), 'FRAME_INVALID');
      thrown(() => new WireReader(bytes).bytes(false), 'FRAME_INVALID');
      thrown(
        () => new WireReader(Buffer.from('ffffffff07', 'hex')).count(true, 1),
        'FRAME_INVALID',
      );
    });
  }
});

test('entries of no width are bounded in number all the same', () => {
  const bytes = Buffer.alloc(8);
  bytes.writeInt32BE(0x7fff_ffff);
  thrown(() => new WireReader(bytes).count(false, 0), 'FRAME_INVALID');
  const nothings = Buffer.concat([Buffer.from('dd00100000', 'hex'), Buffer.alloc(2 ** 20, 0xc0)]);
  assert.equal(shapeOf(nothings, BOUNDS), 'too-many-values');
});

test('a frame is given memory as it comes, and a limit of nothing is no limit to set', () => {
  const claim = Buffer.from('7ffffffe', 'hex');
  boundedMemory(SPARE_BYTES, () => {
    const splitter = new FrameSplitter(16 * 1024);
    splitter.push(claim);
    thrown(() => splitter.next(), 'FRAME_INVALID');
    const assembler = new FrameAssembler();
    assembler.push(claim);
    assert.equal(assembler.take(), 'too-large');
  });
  for (const requestBytesMax of [0, -1, 1]) {
    const resolve = () => resolveOptions(kafkaOptionTable, { requestBytesMax }, 'test');
    thrown(resolve, 'OPTION_INVALID');
  }
});

test('what is appended may be overwritten by its owner at once', async () => {
  const sim = new SimLog();
  const log = await sim.open();
  const value = Buffer.from('secret of one');
  const appended = log.append([{ value }]);
  value.fill('x');
  await appended;
  const values: string[] = [];
  for await (const batch of log.read()) {
    for (const record of batch) values.push(String(record.value));
  }
  await log.close();
  assert.deepEqual(values, ['secret of one']);
});

test('a pattern of wildcards alone is matched in one pass over the key', () => {
  const trie = new TopicTrie<string>();
  const pattern = Array(100).fill('#.*').join('.');
  trie.set(pattern, 'found');
  const found: string[] = [];
  trie.match(Array(127).fill('a').join('.'), found);
  trie.match(Array(99).fill('a').join('.'), found);
  assert.deepEqual(found, ['found']);
});

test('a map with the name of the prototype is a map, and changes no other object', () => {
  const bytes = Buffer.concat([
    Buffer.from([0x81, 0xa9]),
    Buffer.from('__proto__'),
    Buffer.from([0x81, 0xa8]),
    Buffer.from('polluted'),
    Buffer.from([0xc3]),
  ]);
  assert.equal(shapeOf(bytes, BOUNDS), 'valid');
  const value: unknown = unpack(bytes);
  assert.equal(Reflect.get({}, 'polluted'), undefined);
  assert.equal(Reflect.get(Object(value), 'polluted'), undefined);
  const given: unknown = JSON.parse('{"__proto__":{"create":true}}');
  thrown(() => resolveOptions({}, Object(given), 'test'), 'OPTION_UNKNOWN');
});

test('values that nest without end are refused before they are decoded', () => {
  assert.equal(shapeOf(Buffer.alloc(100_000, 0x91), BOUNDS), 'too-deep');
});

test('an extension of any length is refused by its first bytes', () => {
  for (const text of ['c9ffffffff01', 'c97fffffff01', 'c8ffff01', 'c7ff01', 'd801']) {
    assert.equal(shapeOf(Buffer.from(text, 'hex'), BOUNDS), 'malformed');
  }
});

test('a few bytes that claim gigabytes once they are inflated are given none', () => {
  const magic = '04224d18';
  const claims = {
    lz4: [`${magic}6c70ffffffff01000000`, `${magic}60700500000000`, 'ffffffff0f'],
    // A block on its own, then the frame of snappy-java with a chunk that lies.
    snappy: ['ffffffff0f', 'feffffff07', '82534e41505059000000000100000001ffffffff'],
  } as const;
  for (const name of ['lz4', 'snappy'] as const) {
    const codec = codecNamed(name);
    if (!codec.isAvailable()) continue;
    for (const text of claims[name]) {
      const inflate = () => codec.decompress(Buffer.from(text, 'hex'), 64 * 1024);
      boundedMemory(SPARE_BYTES, () => assert.throws(inflate, /DECOMPRESS/));
    }
  }
});

test('the limit on what is inflated is ours, whatever a header says', () => {
  const bomb = gzipSync(Buffer.alloc(8 * 1024 * 1024));
  // Its last four bytes say how much it will be: nothing, here.
  bomb.writeUInt32LE(0, bomb.length - 4);
  const inflate = () => codecNamed('gzip').decompress(bomb, 64 * 1024);
  boundedMemory(SPARE_BYTES, () => thrown(inflate, 'DECOMPRESSED_TOO_LARGE'));
});

test('what is inflated holds nothing of what was inflated before', () => {
  for (const name of ['lz4', 'snappy', 'gzip'] as const) {
    const codec = codecNamed(name);
    if (!codec.isAvailable()) continue;
    codec.decompress(codec.compress(Buffer.alloc(50_000, 'secret')), 1024 * 1024);
    const small = codec.decompress(codec.compress(Buffer.from('small')), 1024 * 1024);
    assert.equal(String(small), 'small', `${name} gives out its content and no more`);
  }
});

test('no text becomes code: all of it works where that is forbidden', () => {
  const modules = ['main.js', 'base/msgpack.js'].map((name) => join(build, 'src', name));
  const program = `
    await import(${JSON.stringify(modules[0])});
    const { pack, unpack } = await import(${JSON.stringify(modules[1])});
    for (let left = 100; left > 0; left -= 1) {
      if (unpack(pack({ order: [left] })).order[0] !== left) throw new Error('another value');
    }
  `;
  const child = spawnSync(
    process.execPath,
    ['--disallow-code-generation-from-strings', '--input-type=module', '-e', program],
    { encoding: 'utf8' },
  );
  assert.equal(child.status, 0, child.stderr);
  const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' });
  for (const file of files.filter((name) => name.endsWith('.ts'))) {
    const text = readFileSync(join(root, 'src', file), 'utf8');
    assert.doesNotMatch(text, /\b(?:eval|Function)\(/, `${file} makes code of text`);
  }
});

test('secrets are compared in a time that says nothing of them, of any length', () => {
  const secret = Buffer.from('secret');
  assert.equal(isSameSecret(secret, Buffer.from('secret')), true);
  assert.equal(isSameSecret(secret, Buffer.from('secreT')), false);
  assert.equal(isSameSecret(secret, Buffer.from('sec')), false);
  const scram = readFileSync(join(root, 'src', 'server', 'access', 'scram.ts'), 'utf8');
  assert.doesNotMatch(scram, /(?:storedKey|proof)\)? ?===/, 'no digest is compared otherwise');
});

function folderOf(t: { after(done: () => void): void }): string {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
