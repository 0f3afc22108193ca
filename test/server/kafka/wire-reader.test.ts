import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../../../src/base/errors.js';
import { limits } from '../../../src/base/limits.js';
import { apis } from '../../../src/server/kafka/apis.js';
import { apiVersions, metadata } from '../../../src/server/kafka/messages/cluster.js';
import { fetch } from '../../../src/server/kafka/messages/data.js';
import { readRequest, writeResponse } from '../../../src/server/kafka/wire-api.js';
import { WireReader } from '../../../src/server/kafka/wire-reader.js';

function refused(run: () => unknown, expected: RegExp): void {
  assert.throws(run, (error) => {
    assert.ok(hasCode(error, 'FRAME_INVALID'));
    assert.match(`${error.cause ?? error}`, expected);
    return true;
  });
}

test('wire: a list that claims more entries than bytes are left is refused unread', () => {
  const frame = Buffer.from('7fffffff00', 'hex');
  refused(() => readRequest(metadata, 1, new WireReader(frame)), /a list within the 1 bytes left/);
});

test('wire: the lists of one frame have so many entries together at most', () => {
  const count = limits.kafkaFrameEntriesMax + 1;
  const frame = Buffer.alloc(5 + 2 * count);
  frame.writeInt32BE(count, 0);
  refused(() => readRequest(metadata, 1, new WireReader(frame)), /at most \d+ entries/);
});

test('wire: null is refused in a version in which the field may not be null', () => {
  const frame = Buffer.from('ffffffff', 'hex');
  refused(() => readRequest(metadata, 0, new WireReader(frame)), /a value, not null/);
  assert.deepEqual(readRequest(metadata, 1, new WireReader(frame)).topics, null);
});

test('wire: bytes behind the end of a request are left alone', () => {
  const reader = new WireReader(Buffer.alloc(3));
  assert.deepEqual(readRequest(apiVersions, 0, reader), readRequest(apiVersions, 0, reader));
  assert.equal(reader.remaining, 3);
});

test('wire: tagged fields that nobody knows are passed over', () => {
  // Two empty compact texts, then one tagged field, number 9, of three bytes.
  const frame = Buffer.from('00' + '01' + '01' + '01' + '0903aabbcc', 'hex');
  const request = readRequest(apiVersions, 3, new WireReader(frame));
  assert.deepEqual(request, { clientSoftwareName: '', clientSoftwareVersion: '' });
});

test('wire: tagged fields rise', () => {
  const frame = Buffer.from('00' + '01' + '01' + '02' + '0900' + '0900', 'hex');
  refused(() => readRequest(apiVersions, 3, new WireReader(frame)), /a tag above 9/);
});

test('wire: an integer beyond 2^53 is refused', () => {
  refused(() => new WireReader(Buffer.alloc(8, 0x7f)).int64(), /within 2\^53/);
});

test('wire: records go out by reference, in the buffers they came in', () => {
  const batch = new Uint8Array(5_000).fill(7);
  const partition = {
    partitionIndex: 0,
    errorCode: 0,
    highWatermark: 1,
    lastStableOffset: 1,
    logStartOffset: 0,
    abortedTransactions: null,
    preferredReadReplica: -1,
    records: [batch, batch],
    divergingEpoch: { epoch: -1, endOffset: -1 },
    currentLeader: { leaderId: -1, leaderEpoch: -1 },
    snapshotId: { endOffset: -1, epoch: -1 },
  };
  const answer = {
    throttleTimeMs: 0,
    errorCode: 0,
    sessionId: 0,
    topics: [{ topic: 'a', topicId: '0'.repeat(32), partitions: [partition] }],
    nodeEndpoints: [],
  };
  const pieces = writeResponse(fetch, 11, 1, answer);
  assert.equal(pieces.filter((piece) => piece === batch).length, 2);
});

test('apis: each key is there once, and versions are in order', () => {
  const keys = apis.map(({ key }) => key);
  assert.deepEqual(keys, [...new Set(keys)]);
  for (const { versionMin, versionMax } of apis) assert.ok(versionMin <= versionMax);
});
