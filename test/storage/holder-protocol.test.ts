import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { createError } from '../../src/base/errors.js';
import { limits } from '../../src/base/limits.js';
import { FRAME_HEADER_BYTES, FrameAssembler, makeFrame } from '../../src/storage/holder-frame.js';
import {
  encodeReply,
  encodeRequest,
  errorReply,
  parseReply,
  parseRequest,
} from '../../src/storage/holder-protocol.js';
import { FRAME_VALUES_MAX, shapeOf } from '../../src/storage/holder-shape.js';

const packr = new Packr({ useRecords: false, variableMapSize: true });

test('shape: what msgpackr packs without extensions is valid, and no prefix of it is', () => {
  const leaf = fc.oneof(
    fc.integer(),
    fc.double(),
    fc.string({ maxLength: 300 }),
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  );
  const branch = fc.array(fc.oneof(leaf, fc.array(leaf, { maxLength: 20 })), { maxLength: 20 });
  const map = fc.dictionary(fc.string(), fc.oneof(leaf, branch), { maxKeys: 20 });
  fc.assert(
    fc.property(map, fc.double({ min: 0, max: 0.999, noNaN: true }), (value, part) => {
      const body = packr.pack(value);
      assert.equal(shapeOf(body), 'valid');
      assert.equal(shapeOf(body.subarray(0, Math.floor(body.length * part))), 'malformed');
      assert.equal(shapeOf(Buffer.concat([body, Buffer.of(0xc0)])), 'malformed');
    }),
    { numRuns: 500 },
  );
});

test('shape: each width of a length is read', () => {
  const values = [15, 16, 255, 256, 65_535, 65_536].flatMap((count) => [
    'x'.repeat(count),
    Buffer.alloc(count),
    new Array<number>(count).fill(1),
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, index])),
  ]);
  for (const value of values) assert.equal(shapeOf(packr.pack(value)), 'valid');
});

test('shape: extensions, records, c1 and shared structures are refused', () => {
  for (const value of [new Date(0), new Map([[1, 2]]).keys(), undefined, new Set([1]), /x/]) {
    const packed = new Packr({ useRecords: false, moreTypes: true }).pack([value]);
    if (packed.some((byte) => byte >= 0xc7 && byte <= 0xc9) || packed.includes(0xd4)) {
      assert.equal(shapeOf(packed), 'malformed');
    }
  }
  assert.equal(shapeOf(new Packr().pack({ a: 1 })), 'malformed');
  assert.equal(shapeOf(Uint8Array.of(0xc1)), 'malformed');
  assert.equal(shapeOf(new Uint8Array(0)), 'malformed');
});

test('shape: values and nesting are bounded', () => {
  const nested = (levels: number): Uint8Array => new Uint8Array(levels).fill(0x91);
  assert.equal(shapeOf(Buffer.concat([nested(7), Buffer.of(0)])), 'valid');
  assert.equal(shapeOf(Buffer.concat([nested(8), Buffer.of(0)])), 'too-deep');
  assert.equal(shapeOf(nested(1_000_000)), 'too-deep');
  const wide = new Uint8Array(5 + FRAME_VALUES_MAX).fill(0x80);
  wide.set([0xdd, 0, 4, 0, 0]);
  assert.equal(shapeOf(wide), 'too-many-values');
  wide.set([0xdd, 255, 255, 255, 255]);
  assert.equal(shapeOf(wide), 'too-many-values');
});

test('parse: any bytes give an outcome and never throw', () => {
  const request = encodeRequest(1, {
    kind: 'append',
    records: [{ key: 'key', value: 'value', timestamp: 9, headers: [{ key: 'h', value: 'v' }] }],
  }).subarray(FRAME_HEADER_BYTES);
  const damaged = fc
    .array(fc.tuple(fc.nat(request.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 })
    .map((changes) => {
      const bytes = Uint8Array.from(request);
      for (const [index, byte] of changes) bytes[index] = byte;
      return bytes;
    });
  const any = fc.oneof(damaged, fc.uint8Array({ maxLength: 200 }));
  fc.assert(
    fc.property(any, (body) => {
      assert(['request', 'refused', 'malformed'].includes(parseRequest(body).outcome));
      assert(['reply', 'malformed'].includes(parseReply(body).outcome));
    }),
    { numRuns: 3_000 },
  );
});

test('parse: what costs too much or is no plain value is refused before it is decoded', () => {
  const request = { version: 1, id: 1, kind: 'append' };
  const reasonOf = (records: unknown): string => {
    const parsed = parseRequest(packr.pack({ ...request, records }));
    return parsed.outcome === 'malformed' ? parsed.reason : parsed.outcome;
  };
  assert.equal(reasonOf([]), 'request');
  assert.equal(reasonOf(new Array<number>(FRAME_VALUES_MAX).fill(1)), 'too-many-values');
  assert.equal(reasonOf([[[[[[[]]]]]]]), 'refused');
  assert.equal(reasonOf([[[[[[[1]]]]]]]), 'too-deep');
  assert.equal(reasonOf(new Date(0)), 'malformed');
});

test('parse: a name such as __proto__ reaches no prototype', () => {
  const body = Buffer.from('83a776657273696f6e01a2696401a46b696e64a56f74686572', 'hex');
  assert.equal(parseRequest(body).outcome, 'refused');
  const values = packr.pack({
    id: 1,
    ok: true,
    values: JSON.parse('{"__proto__":{"polluted":1}}'),
  });
  const parsed = parseReply(values);
  assert(parsed.outcome === 'reply' && parsed.reply.ok);
  assert.equal('polluted' in parsed.reply.values, false);
  assert.equal('polluted' in {}, false);
});

test('parse: an error keeps code and facts, a code from the future becomes HOLDER_FAILED', () => {
  const reply = errorReply(createError('LOG_LOCKED', { pid: 7, path: undefined, is: null }));
  const parsed = parseReply(encodeReply(3, reply).subarray(FRAME_HEADER_BYTES));
  assert(parsed.outcome === 'reply' && !parsed.reply.ok);
  assert.equal(parsed.id, 3);
  assert.equal(parsed.reply.code, 'LOG_LOCKED');
  assert.deepEqual(parsed.reply.facts, { pid: 7, path: null, is: null });
  const future = packr.pack({ id: 1, ok: false, code: 'MOON_FULL', message: 'm', facts: {} });
  const unknown = parseReply(future);
  assert(unknown.outcome === 'reply' && !unknown.reply.ok);
  assert.equal(unknown.reply.code, 'HOLDER_FAILED');
  assert.equal(unknown.reply.facts['code'], 'MOON_FULL');
});

test('frames: memory follows what came, not what was promised', () => {
  const assembler = new FrameAssembler();
  assembler.push(Uint8Array.of(0x00, 0x7f, 0xff, 0xff));
  assert.equal(assembler.take(), 'more');
  assert(assembler.memoryBytes <= 4_096);
  const piece = new Uint8Array(1_000);
  for (let count = 0; count < 100; count += 1) {
    assembler.push(piece);
    assert.equal(assembler.take(), 'more');
    assert(assembler.memoryBytes <= 2 * Math.max(assembler.pendingBytes, 4_096));
  }
});

test('frames: any cutting gives the same bodies', () => {
  const bodies = fc.array(fc.uint8Array({ maxLength: 9_000 }), { maxLength: 6 });
  fc.assert(
    fc.property(bodies, fc.integer({ min: 1, max: 5_000 }), (sent, pieceBytes) => {
      const stream = Buffer.concat(sent.map(makeFrame));
      const assembler = new FrameAssembler();
      const got: Uint8Array[] = [];
      for (let position = 0; position < stream.length; position += pieceBytes) {
        assembler.push(stream.subarray(position, position + pieceBytes));
        for (let body = assembler.take(); typeof body !== 'string'; body = assembler.take()) {
          got.push(body);
        }
      }
      assert.equal(assembler.pendingBytes, 0);
      assert.deepEqual(got.map(Buffer.from), sent.map(Buffer.from));
    }),
    { numRuns: 200 },
  );
});

test('frames: a length above the limit is refused for good, the limit itself is not', () => {
  const tooLarge = new FrameAssembler();
  tooLarge.push(makeHeader(limits.holderFrameBytesMax + 1));
  assert.equal(tooLarge.take(), 'too-large');
  tooLarge.push(new Uint8Array(10));
  assert.equal(tooLarge.take(), 'too-large');
  const atLimit = new FrameAssembler();
  atLimit.push(makeHeader(limits.holderFrameBytesMax));
  assert.equal(atLimit.take(), 'more');
});

function makeHeader(length: number): Uint8Array {
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  header.writeUInt32BE(length);
  return header;
}

test('protocol: an alter carries lists of names, and no list of anything else', () => {
  const options = { retentionMs: 'unlimited', protectedGroups: ['a', 'b'] };
  const bodyOf = (frame: Uint8Array) => frame.subarray(FRAME_HEADER_BYTES);
  const parsed = parseRequest(bodyOf(encodeRequest(1, { kind: 'alter', options })));
  assert.ok(parsed.outcome === 'request');
  assert.deepEqual(parsed.request, { kind: 'alter', options });
  const wrong = { version: 1, id: 1, kind: 'alter', options: { protectedGroups: ['a', 1] } };
  assert.equal(parseRequest(packr.pack(wrong)).outcome, 'refused');
});
