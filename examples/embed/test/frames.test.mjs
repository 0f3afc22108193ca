import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeFrame, FrameParser, frameLimits } from '../frames.mjs';

const plain = ({ command, headers, body }) => [command, { ...headers }, body.toString()];

test('frames come back as they were, however the bytes are cut', () => {
  const sent = [
    ['SEND', { destination: 'a:b\\c\nd' }, 'body with a NUL \0 in it'],
    ['ACK', { id: '7' }, ''],
    ['SEND', { destination: 'é' }, 'é'.repeat(500)],
  ];
  const bytes = Buffer.concat(sent.map((frame) => encodeFrame(...frame)));
  for (const step of [1, 2, 7, 100, bytes.length]) {
    const parser = new FrameParser();
    const got = [];
    for (let at = 0; at < bytes.length; at += step) {
      got.push(...parser.push(bytes.subarray(at, at + step)));
    }
    const expected = sent.map(([command, headers, body]) => [
      command,
      { ...headers, 'content-length': String(Buffer.byteLength(body)) },
      body,
    ]);
    assert.deepEqual(got.map(plain), expected, `in pieces of ${step}`);
  }
});

test('a body without content-length ends at the first NUL; line feeds between frames are air', () => {
  const frames = [
    ...new FrameParser().push(Buffer.from('\n\nSEND\na:b\na:c\n\nhello\0\nACK\n\n\0')),
  ];
  assert.deepEqual(frames.map(plain), [
    ['SEND', { a: 'b' }, 'hello'],
    ['ACK', {}, ''],
  ]);
});

for (const [what, text, code] of [
  ['an endless head', 'x'.repeat(frameLimits.headBytes + 1), 'HEAD_TOO_LARGE'],
  ['an endless body', `SEND\n\n${'x'.repeat(frameLimits.bodyBytes + 1)}`, 'BODY_TOO_LARGE'],
  ['a large content-length', 'SEND\ncontent-length:999999999\n\n', 'BODY_TOO_LARGE'],
  ['a content-length that is no number', 'SEND\ncontent-length:-1\n\n', 'FRAME_INVALID'],
  ['a body longer than it says', 'SEND\ncontent-length:1\n\nxx\0', 'FRAME_INVALID'],
  ['a header without a name', 'SEND\n:x\n\n\0', 'FRAME_INVALID'],
  ['an unknown escape', 'SEND\na:\\t\n\n\0', 'FRAME_INVALID'],
]) {
  test(`${what} is refused: ${code}`, () => {
    assert.throws(() => [...new FrameParser().push(Buffer.from(text))], { code });
  });
}
