/**
 * Bytes on the holder's socket, and the `.lock` file beside it.
 *
 * What must hold: frames come out as they went in, however they were cut into pieces, and memory
 * grows with what came, not with what was announced; a parser answers for any body; a request or
 * reply that it accepts, sent on, is accepted as the same.
 */

import assert from 'node:assert/strict';
import { limits } from '../src/base/limits.js';
import type { Prng } from '../src/base/prng.js';
import { FRAME_HEADER_BYTES, FrameAssembler, makeFrame } from '../src/storage/holder-frame.js';
import { formatLockFile, parseLockFile } from '../src/storage/holder-lock-file.js';
import {
  encodeReply,
  encodeRequest,
  type HolderReply,
  type HolderRequest,
  parseReply,
  parseRequest,
} from '../src/storage/holder-protocol.js';
import { drawRecord } from './draw-batch.js';
import type { FuzzEvent } from './event.js';
import { fuzzWith } from './fuzz-data.js';
import { boundedMemory } from './memory.js';
import { isSameBytes, mutate } from './mutate.js';

const FIRST_BYTES = 4096;
const SPARE_BYTES = 256 * 1024;

export function tryHolder(event: FuzzEvent): void {
  const drawn = event.prng.integer(100);
  if (drawn < 35) tryRequest(event);
  else if (drawn < 65) tryReply(event);
  else if (drawn < 90) tryFrames(event);
  else tryLockFile(event);
}

export const fuzz = fuzzWith(tryHolder);

function tryRequest(event: FuzzEvent): void {
  const { prng } = event;
  const original = encodeRequest(prng.integer(2 ** 32), drawRequest(prng));
  const body = changedBody(prng, original);
  event.input(body, 'the body of a request');
  const parsed = boundedMemory(64 * body.length + SPARE_BYTES, () => parseRequest(body));
  event.met(`request ${parsed.outcome}`);
  if (parsed.outcome === 'refused') {
    const frame = encodeReply(parsed.id, parsed.reply);
    const reply = parseReply(frame.subarray(FRAME_HEADER_BYTES));
    assert.equal(reply.outcome, 'reply', 'a refusal can be sent');
  }
  if (parsed.outcome !== 'request') return;
  const again = parseRequest(encodeRequest(parsed.id, parsed.request).subarray(FRAME_HEADER_BYTES));
  assert.deepEqual(plain(again), plain(parsed), 'an accepted request is the same sent on');
}

function tryReply(event: FuzzEvent): void {
  const { prng } = event;
  const body = changedBody(prng, encodeReply(prng.integer(2 ** 32), drawReply(prng)));
  event.input(body, 'the body of a reply');
  const parsed = boundedMemory(64 * body.length + SPARE_BYTES, () => parseReply(body));
  event.met(`reply ${parsed.outcome}`);
  if (parsed.outcome !== 'reply') return;
  const again = parseReply(encodeReply(parsed.id, parsed.reply).subarray(FRAME_HEADER_BYTES));
  assert.deepEqual(plain(again), plain(parsed), 'an accepted reply is the same sent on');
}

/** Frames in pieces; the announced length of the last one may be a lie. */
function tryFrames(event: FuzzEvent): void {
  const { prng } = event;
  const bodies = Array.from({ length: prng.integer(4) }, () => prng.bytes(prng.integer(3000)));
  const claim = prng.pick([
    undefined,
    limits.holderFrameBytesMax,
    limits.holderFrameBytesMax + 1,
    0xffff_ffff,
  ]);
  const last = Buffer.alloc(FRAME_HEADER_BYTES + prng.integer(50));
  last.writeUInt32BE(claim ?? 0, 0);
  const stream = Buffer.concat([...bodies.map(makeFrame), ...(claim === undefined ? [] : [last])]);
  event.input(stream, 'frames');
  const assembler = new FrameAssembler();
  const taken: Uint8Array[] = [];
  let outcome: 'more' | 'too-large' = 'more';
  for (let start = 0; start < stream.length && outcome === 'more'; ) {
    const end = Math.min(stream.length, start + 1 + prng.integer(prng.pick([3, 100, 9000])));
    assembler.push(stream.subarray(start, end));
    start = end;
    const memoryMax = Math.max(FIRST_BYTES, 2 * assembler.pendingBytes, 2 * FIRST_BYTES);
    assert.ok(assembler.memoryBytes <= memoryMax, 'memory grows with what came');
    for (;;) {
      const body = assembler.take();
      if (typeof body === 'string') {
        outcome = body;
        break;
      }
      taken.push(body);
    }
  }
  assert.equal(outcome, (claim ?? 0) > limits.holderFrameBytesMax ? 'too-large' : 'more');
  assert.equal(taken.length, bodies.length);
  for (const [index, body] of bodies.entries()) {
    assert.ok(isSameBytes(taken[index] ?? new Uint8Array(0), body), 'a body came as it was sent');
  }
  event.met(`frames ${outcome}`);
}

function tryLockFile(event: FuzzEvent): void {
  const { prng } = event;
  const text = formatLockFile({
    pid: prng.integer(2 ** 31),
    nonce: BigInt(prng.integer(2 ** 52)) - 2n ** 51n,
    bootId: prng.boolean() ? undefined : 'boot',
    pidNamespace: prng.boolean() ? undefined : 'pid:[4026531836]',
    processStart: prng.boolean() ? undefined : prng.integer(2 ** 40),
    hostName: 'host',
    sinceMs: prng.integer(2 ** 45),
    device: BigInt(prng.integer(2 ** 52)),
    inode: BigInt(prng.integer(2 ** 52)),
  });
  const bytes = mutate(prng, Buffer.from(text));
  event.input(bytes, '.lock');
  const parsed = parseLockFile(Buffer.from(bytes).toString());
  event.met(`.lock ${parsed === undefined ? 'refused' : 'accepted'}`);
  if (parsed === undefined) return;
  assert.deepEqual(parseLockFile(formatLockFile(parsed)), parsed, 'a holder is named the same');
  // Who is refused is told since when: a moment that a date can hold.
  new Date(parsed.sinceMs).toISOString();
}

function changedBody(prng: Prng, frame: Uint8Array): Uint8Array {
  const body = frame.subarray(FRAME_HEADER_BYTES);
  if (prng.boolean(0.1)) return Uint8Array.from(body);
  return prng.boolean(0.05) ? prng.bytes(prng.integer(100)) : mutate(prng, body);
}

function drawRequest(prng: Prng): HolderRequest {
  switch (prng.integer(9)) {
    case 0:
      return { kind: 'describe' };
    case 1:
      return { kind: 'deleteRecordsBefore', offset: prng.integer(2 ** 53 - 1) };
    case 2:
      return { kind: 'alter', options: { segmentMs: prng.integer(2 ** 40), compression: 'lz4' } };
    case 3:
      return { kind: 'createTopic', topic: 'a', options: { partitions: prng.integer(100) } };
    case 4:
      return { kind: 'send', topic: 'a', records: [drawRecord(prng)] };
    case 5: {
      const to = prng.boolean() ? 'latest' : (['shiftBy', prng.integer(2 ** 40)] as const);
      const topics = prng.boolean() ? null : ['a', 'b'];
      return { kind: 'resetGroup', group: 'g', to, topics, partitions: [0, 1], isDryRun: true };
    }
    case 6:
      return {
        kind: 'commitRecords',
        session: prng.integer(100),
        offsets: [['a', prng.integer(100), prng.integer(2 ** 52)]],
      };
    case 7: {
      const from = prng.boolean() ? prng.integer(2 ** 52) : { timestamp: prng.integer(2 ** 40) };
      return { kind: 'openSession', topics: ['a'], group: 'g', from };
    }
    default:
      return {
        kind: 'append',
        records: Array.from({ length: prng.integer(4) }, () => drawRecord(prng)),
      };
  }
}

function drawReply(prng: Prng): HolderReply {
  if (prng.boolean()) {
    const values = {
      endOffset: prng.integer(2 ** 52),
      state: 'open',
      nested: [1, { a: null }, prng.bytes(prng.integer(9))],
    };
    return { ok: true, values };
  }
  const facts = { option: 'from', actual: prng.integer(100), limit: null, isIt: true };
  return { ok: false, code: 'OPTION_INVALID', message: 'the option is wrong', facts };
}

/** Bytes compare by content, whichever class they have, and zero has no sign. */
function plain(value: unknown): unknown {
  if (value === 0) return 0;
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString('hex')}`;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, field]: [string, unknown]) => [name, plain(field)]),
  );
}
