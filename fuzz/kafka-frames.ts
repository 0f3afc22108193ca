/**
 * Requests of Kafka's protocol, changed here and there, and cut into pieces on their way.
 *
 * What must hold: frames come out as they went in, however they were cut; a reader of requests
 * answers for any bytes, with a message or with FRAME_INVALID, in memory that is bounded by what
 * came; and a message that it accepts is the same when it is written and read again.
 */

import assert from 'node:assert/strict';
import { hasCode } from '../src/base/errors.js';
import { apis } from '../src/server/kafka/apis.js';
import { FrameSplitter } from '../src/server/kafka/frame-splitter.js';
import { readRequest, readRequestStart, writeRequest } from '../src/server/kafka/wire-api.js';
import { WireReader } from '../src/server/kafka/wire-reader.js';
import { drawMessage } from '../test/support/kafka-messages.js';
import type { FuzzEvent } from './event.js';
import { fuzzWith } from './fuzz-data.js';
import { boundedMemory } from './memory.js';
import { mutate } from './mutate.js';

const FRAME_BYTES_MAX = 64 * 1024;
const LENGTH_BYTES = 4;
const SPARE_BYTES = 512 * 1024;
/** What a field costs in memory, beside its bytes on the wire. */
const BYTES_PER_BYTE = 400;

export function tryKafka(event: FuzzEvent): void {
  if (event.prng.integer(100) < 80) tryRequest(event);
  else tryFrames(event);
}

export const fuzz = fuzzWith(tryKafka);

function tryRequest(event: FuzzEvent): void {
  const { prng } = event;
  const api = prng.pick(apis);
  const version = api.versionMin + prng.integer(api.versionMax - api.versionMin + 1);
  const drawn = drawMessage(prng, api.request, {
    version,
    isFlexible: version >= api.flexibleFrom,
  });
  const header = { version, correlationId: prng.integer(2 ** 31), clientId: 'fuzz' };
  const frame = Buffer.concat(writeRequest(api, header, drawn)).subarray(LENGTH_BYTES);
  const body = prng.boolean(0.9) ? Buffer.from(mutate(prng, frame)) : frame;
  event.input(body, `a request of ${api.name} ${version}`);
  try {
    const request = boundedMemory(BYTES_PER_BYTE * body.length + SPARE_BYTES, () => {
      const reader = new WireReader(body);
      readRequestStart(reader);
      return readRequest(api, version, reader);
    });
    event.met(`${api.name} read`);
    const again = Buffer.concat(writeRequest(api, header, request)).subarray(LENGTH_BYTES);
    const reader = new WireReader(again);
    readRequestStart(reader);
    assert.deepEqual(readRequest(api, version, reader), request, 'it is the same sent on');
  } catch (error) {
    if (!hasCode(error, 'FRAME_INVALID')) throw error;
    event.met(`${api.name} refused`);
  }
}

function tryFrames(event: FuzzEvent): void {
  const { prng } = event;
  const bodies = Array.from({ length: 1 + prng.integer(5) }, () => {
    return Buffer.from(prng.bytes(prng.integer(2_000)));
  });
  const stream = Buffer.concat(
    bodies.map((body) => {
      const length = Buffer.alloc(LENGTH_BYTES);
      length.writeInt32BE(body.length);
      return Buffer.concat([length, body]);
    }),
  );
  event.input(stream, 'frames');
  const splitter = new FrameSplitter(FRAME_BYTES_MAX);
  const found: Buffer[] = [];
  for (let at = 0; at < stream.length; ) {
    const end = Math.min(stream.length, at + 1 + prng.integer(700));
    splitter.push(stream.subarray(at, end));
    at = end;
    for (let frame = splitter.next(); frame !== undefined; frame = splitter.next()) {
      found.push(frame);
    }
  }
  event.met('frames');
  assert.deepEqual(found, bodies, 'frames come out as they went in');
  assert.equal(splitter.bufferedBytes, 0);
}
