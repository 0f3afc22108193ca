import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync, existsSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { createError } from '../../src/base/errors.js';
import { limits } from '../../src/base/limits.js';
import { connectHolder, type HolderClient } from '../../src/storage/holder-client.js';
import { FrameAssembler, makeFrame } from '../../src/storage/holder-frame.js';
import { acquireHolderLock, type HolderLock } from '../../src/storage/holder-lock.js';
import {
  encodeRequest,
  type HolderReply,
  type HolderRequest,
  parseReply,
} from '../../src/storage/holder-protocol.js';
import type { HolderHandler } from '../../src/storage/holder-server.js';
import { failure, holderFolder, leaveDeadSocket } from '../support/holder-folder.js';
import { SimClock } from '../support/sim-clock.js';

const REQUEST_MS_MAX = 1_000;
const ok: HolderReply = { ok: true, values: {} };

interface Fixture {
  readonly folder: string;
  readonly lock: HolderLock;
  readonly clock: SimClock;
}

async function holderOf(t: TestContext, handler?: HolderHandler): Promise<Fixture> {
  const folder = holderFolder(t);
  const clock = new SimClock();
  const lock = await acquireHolderLock(folder, { clock, requestMsMax: REQUEST_MS_MAX });
  t.after(() => lock.release());
  if (handler !== undefined) lock.serve(handler);
  return { folder, lock, clock };
}

async function clientOf(t: TestContext, folder: string): Promise<HolderClient> {
  const client = await connectHolder(folder);
  assert(client !== 'no-holder');
  t.after(() => client.close());
  return client;
}

/** A connection that speaks bytes, for what no client of ours would say. */
class RawPeer {
  readonly socket: Socket;
  readonly closed: Promise<unknown>;
  readonly #assembler = new FrameAssembler();

  constructor(t: TestContext, folder: string) {
    this.socket = connect(join(folder, '.socket'));
    this.socket.on('error', () => {});
    this.closed = new Promise((resolve) => this.socket.once('close', resolve));
    t.after(() => this.socket.destroy());
  }

  send(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  async reply(): Promise<HolderReply> {
    for (;;) {
      const body = this.#assembler.take();
      if (body instanceof Uint8Array) {
        const parsed = parseReply(body);
        assert(parsed.outcome === 'reply');
        return parsed.reply;
      }
      const [piece]: unknown[] = await once(this.socket, 'data');
      assert(piece instanceof Uint8Array);
      this.#assembler.push(piece);
    }
  }
}

function codeOf(reply: HolderReply): string {
  return reply.ok ? 'ok' : reply.code;
}

/** Moves the clock until the holder has hung up. */
async function expectHangUp(peer: RawPeer, clock: SimClock): Promise<void> {
  let isClosed = false;
  void peer.closed.then(() => {
    isClosed = true;
  });
  while (!isClosed) {
    clock.advance(REQUEST_MS_MAX);
    await setImmediate();
  }
}

test('holder: every kind of request arrives as it was sent', async (t) => {
  const seen: HolderRequest[] = [];
  const { folder } = await holderOf(t, async (request) => {
    seen.push(request);
    return { ok: true, values: { count: seen.length, nested: [{ a: null }, true, 2 ** 40] } };
  });
  const client = await clientOf(t, folder);
  const bytes = Uint8Array.of(0, 255, 7);
  const requests: HolderRequest[] = [
    { kind: 'describe' },
    { kind: 'deleteRecordsBefore', offset: limits.offsetMax },
    { kind: 'stats', fromOffset: limits.offsetMax },
    { kind: 'compact' },
    { kind: 'retain' },
    { kind: 'listTopics', after: '' },
    { kind: 'describeTopic', topic: 'a' },
    { kind: 'createTopic', topic: 'a', options: { partitions: 3, protectedGroups: ['g'] } },
    { kind: 'alterTopic', topic: 'a', options: {} },
    { kind: 'growTopic', topic: 'a', partitions: 4 },
    { kind: 'deleteTopic', topic: 'a' },
    { kind: 'send', topic: 'a', records: [{ key: null, value: bytes, timestamp: 0, headers: [] }] },
    { kind: 'alter', options: { retentionMs: -1, cleanup: 'compact', strict: true } },
    {
      kind: 'append',
      records: [
        { key: bytes, value: 'text', timestamp: 5, headers: [{ key: 'h', value: bytes }] },
        { key: null, value: null, timestamp: undefined, headers: [{ key: 'n', value: null }] },
      ],
    },
  ];
  const replies = await Promise.all(requests.map((request) => client.request(request)));
  assert.deepEqual(seen, requests);
  assert.deepEqual(replies.at(-1), {
    ok: true,
    values: { count: 14, nested: [{ a: null }, true, 2 ** 40] },
  });
  await client.request({ kind: 'append', records: [{}] });
  const empty = { key: null, value: null, timestamp: undefined, headers: [] };
  assert.deepEqual(seen.at(-1), { kind: 'append', records: [empty] });
});

test('holder: large requests and replies pass whole', async (t) => {
  const { folder } = await holderOf(t, async (request) => {
    assert(request.kind === 'append');
    return { ok: true, values: { text: 'x'.repeat(3_000_000), count: request.records.length } };
  });
  const client = await clientOf(t, folder);
  const records = Array.from({ length: 50 }, () => ({ value: Buffer.alloc(100_000, 1) }));
  const reply = await client.request({ kind: 'append', records });
  assert.deepEqual(reply, { ok: true, values: { text: 'x'.repeat(3_000_000), count: 50 } });
});

test('holder: who asks while it opens waits for the end of that', async (t) => {
  const opening = await holderOf(t);
  const client = await clientOf(t, opening.folder);
  const answered = client.request({ kind: 'describe' });
  opening.lock.serve(async () => ok);
  assert.deepEqual(await answered, ok);
  const failing = await holderOf(t);
  const other = await clientOf(t, failing.folder);
  const refused = failure(other.request({ kind: 'describe' }), 'HOLDER_FAILED');
  await failing.lock.release();
  await refused;
});

test('holder: when its handler fails, it says so', async (t) => {
  const { folder } = await holderOf(t, async (request) => {
    if (request.kind === 'describe') throw createError('DISK_FULL', { path: '/p', bytes: 3 });
    throw new TypeError('a secret of the inside');
  });
  const client = await clientOf(t, folder);
  const known = await client.request({ kind: 'describe' });
  assert(!known.ok);
  assert.equal(known.code, 'DISK_FULL');
  assert.deepEqual(known.facts, { path: '/p', bytes: 3 });
  const unknown = await client.request({ kind: 'append', records: [] });
  assert.equal(codeOf(unknown), 'HOLDER_FAILED');
  assert.equal(JSON.stringify(unknown).includes('secret'), false);
});

test('holder: a reply over the limit becomes an error', async (t) => {
  const { folder } = await holderOf(t, async () => {
    return { ok: true, values: { text: 'x'.repeat(limits.holderFrameBytesMax) } };
  });
  const client = await clientOf(t, folder);
  assert.equal(codeOf(await client.request({ kind: 'describe' })), 'HOLDER_FAILED');
});

test('client: a request over the limits is BATCH_TOO_LARGE and nothing is sent', async (t) => {
  let count = 0;
  const { folder } = await holderOf(t, async () => {
    count += 1;
    return ok;
  });
  const client = await clientOf(t, folder);
  const large = [{ value: Buffer.alloc(limits.holderFrameBytesMax) }];
  await failure(client.request({ kind: 'append', records: large }), 'BATCH_TOO_LARGE');
  const many = Array.from({ length: 100_000 }, () => ({ value: 'v' }));
  await failure(client.request({ kind: 'append', records: many }), 'BATCH_TOO_LARGE');
  assert.equal(codeOf(await client.request({ kind: 'describe' })), 'ok');
  assert.equal(count, 1);
});

test('holder: a request that it does not know is refused, the next one is served', async (t) => {
  const { folder } = await holderOf(t, async () => ok);
  const peer = new RawPeer(t, folder);
  const { Packr } = await import('msgpackr');
  const packr = new Packr({ useRecords: false });
  const cases: readonly (readonly [object, string])[] = [
    [{ version: 1, id: 1, kind: 'explode' }, 'OPTION_INVALID'],
    [{ version: 1, id: 1, kind: 'constructor' }, 'OPTION_INVALID'],
    [{ version: 1, id: 1 }, 'OPTION_INVALID'],
    [{ version: 2, id: 1, kind: 'describe' }, 'FORMAT_UNSUPPORTED'],
    [{ version: 1, id: -1, kind: 'describe' }, 'OPTION_INVALID'],
    [{ version: 1, id: 2 ** 32, kind: 'describe' }, 'OPTION_INVALID'],
    [{ version: 1, id: 1, kind: 'deleteRecordsBefore', offset: 1.5 }, 'OPTION_INVALID'],
    [{ version: 1, id: 1, kind: 'deleteRecordsBefore', offset: 2n ** 60n }, 'OPTION_INVALID'],
    [{ version: 1, id: 1, kind: 'alter', options: { a: [1] } }, 'OPTION_INVALID'],
    [{ version: 1, id: 1, kind: 'alter', options: [] }, 'OPTION_INVALID'],
    [{ version: 1, id: 1, kind: 'append', records: 'all' }, 'OPTION_INVALID'],
    [{ version: 1, id: 1, kind: 'append', records: [[null, null, null]] }, 'OPTION_INVALID'],
    [{ version: 1, id: 1, kind: 'append', records: [[1, null, null, []]] }, 'OPTION_INVALID'],
    [{ version: 1, id: 1, kind: 'append', records: [[null, null, -1, []]] }, 'OPTION_INVALID'],
    [{ version: 1, id: 1, kind: 'append', records: [[null, null, 1, [[1, 2]]]] }, 'OPTION_INVALID'],
    [{ version: 1, id: 1, kind: 'describe' }, 'ok'],
  ];
  for (const [request, code] of cases) {
    peer.send(makeFrame(packr.pack(request)));
    assert.equal(codeOf(await peer.reply()), code, JSON.stringify(request, textOfBigint));
  }
});

function textOfBigint(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}

test('holder: requests sent in one piece and byte by byte are answered in order', async (t) => {
  const { folder } = await holderOf(t, async (request) => {
    assert(request.kind === 'deleteRecordsBefore');
    return { ok: true, values: { offset: request.offset } };
  });
  const peer = new RawPeer(t, folder);
  const frames = Buffer.concat(
    [1, 2, 3].map((offset) => encodeRequest(offset, { kind: 'deleteRecordsBefore', offset })),
  );
  peer.send(frames);
  for (const byte of frames) peer.socket.write(Uint8Array.of(byte));
  for (const offset of [1, 2, 3, 1, 2, 3]) {
    assert.deepEqual(await peer.reply(), { ok: true, values: { offset } });
  }
});

test('holder: a frame that is too long or no map ends only its own connection', async (t) => {
  const { folder } = await holderOf(t, async () => ok);
  const client = await clientOf(t, folder);
  const bodies = [[], [0x01], [0xc1], [0xdf, 255, 255, 255, 255], [0x80, 0x80], [0xd4, 0x72, 0x40]];
  const frames = [
    Buffer.from([0xff, 0xff, 0xff, 0xff]),
    Buffer.from([0x00, 0x80, 0x00, 0x01]),
    ...bodies.map((body) => makeFrame(Uint8Array.from(body))),
    makeFrame(new Uint8Array(limits.holderFrameBytesMax).fill(0x80)),
    makeFrame(new Uint8Array(limits.holderFrameBytesMax).fill(0x91)),
  ];
  for (const frame of frames) {
    const peer = new RawPeer(t, folder);
    peer.send(frame);
    assert.equal(codeOf(await peer.reply()), 'FORMAT_UNSUPPORTED');
    await peer.closed;
  }
  assert.equal(codeOf(await client.request({ kind: 'describe' })), 'ok');
});

test('holder: survives any bytes', async (t) => {
  const { folder, clock } = await holderOf(t, async () => ok);
  const client = await clientOf(t, folder);
  const valid = encodeRequest(7, { kind: 'append', records: [{ key: 'k', value: 'v' }] });
  const damaged = fc
    .tuple(fc.nat(valid.length - 1), fc.integer({ min: 1, max: 255 }))
    .map(([index, mask]) => valid.map((byte, at) => (at === index ? byte ^ mask : byte)));
  const garbage = fc.uint8Array({ minLength: 1, maxLength: 300 });
  await fc.assert(
    fc.asyncProperty(fc.oneof(damaged, garbage, garbage.map(makeFrame)), async (bytes) => {
      const peer = new RawPeer(t, folder);
      peer.socket.resume();
      peer.socket.end(bytes);
      await expectHangUp(peer, clock);
    }),
    { numRuns: 150 },
  );
  const after = await connectHolder(folder);
  assert(after !== 'no-holder');
  assert.equal(codeOf(await after.request({ kind: 'describe' })), 'ok');
  after.close();
  client.close();
});

test('holder: half a frame and then silence is cut, and so is silence alone', async (t) => {
  const { folder, clock } = await holderOf(t, async () => ok);
  const frame = encodeRequest(1, { kind: 'describe' });
  const half = new RawPeer(t, folder);
  half.send(frame);
  assert.equal(codeOf(await half.reply()), 'ok');
  half.send(frame.subarray(0, frame.length - 1));
  const silent = new RawPeer(t, folder);
  await once(silent.socket, 'connect');
  await expectHangUp(half, clock);
  await expectHangUp(silent, clock);
  assert.equal(clock.pendingCount, 0);
});

test('holder: a peer that does not take its reply is cut', async (t) => {
  const { folder, clock } = await holderOf(t, async () => {
    return { ok: true, values: { text: 'x'.repeat(4_000_000) } };
  });
  const peer = new RawPeer(t, folder);
  peer.send(encodeRequest(1, { kind: 'describe' }));
  // One piece shows that the reply is on its way; the rest stays in the holder's hands.
  await once(peer.socket, 'readable');
  clock.advance(REQUEST_MS_MAX);
  await setImmediate();
  peer.socket.resume();
  await peer.closed;
  assert.equal(clock.pendingCount, 0);
});

test('holder: time does not run while a request is carried out', async (t) => {
  let finish = (): void => {};
  let start = (): void => {};
  const started = new Promise<void>((resolve) => {
    start = resolve;
  });
  const { folder, clock } = await holderOf(t, async () => {
    start();
    await new Promise<void>((resolve) => {
      finish = resolve;
    });
    return ok;
  });
  const peer = new RawPeer(t, folder);
  peer.send(encodeRequest(1, { kind: 'describe' }));
  await started;
  clock.advance(100 * REQUEST_MS_MAX);
  finish();
  assert.equal(codeOf(await peer.reply()), 'ok');
});

test('holder: connections above the limit are turned away, the others go on', async (t) => {
  const { folder } = await holderOf(t, async () => ok);
  const clients: HolderClient[] = [];
  for (let count = 0; count < limits.holderConnectionsMax; count += 1) {
    const client = await clientOf(t, folder);
    assert.equal(codeOf(await client.request({ kind: 'describe' })), 'ok');
    clients.push(client);
  }
  const extra = await clientOf(t, folder);
  await failure(extra.request({ kind: 'describe' }), 'HOLDER_FAILED');
  await failure(acquireHolderLock(folder), 'LOG_LOCKED');
  assert.equal(codeOf((await clients[0]?.request({ kind: 'describe' })) ?? ok), 'ok');
});

test('client: without a listener there is no holder', async (t) => {
  const folder = holderFolder(t);
  assert.equal(await connectHolder(folder), 'no-holder');
  assert.equal(await connectHolder(join(folder, 'missing')), 'no-holder');
  await leaveDeadSocket(join(folder, '.socket'));
  assert.equal(await connectHolder(folder), 'no-holder');
  assert.equal(existsSync(join(folder, '.socket')), true);
});

test('client: a folder closed to this user is PERMISSION_DENIED', {
  skip: process.getuid?.() === 0 ? 'root may do everything' : false,
}, async (t) => {
  const { folder } = await holderOf(t, async () => ok);
  chmodSync(join(folder, '.socket'), 0);
  await failure(connectHolder(folder), 'PERMISSION_DENIED');
});

test('client: a holder that is silent, hangs up or talks nonsense fails the request', async (t) => {
  const answers: readonly ((socket: Socket, clock: SimClock) => void)[] = [
    (socket, clock) => socket.once('data', () => clock.advance(500)),
    (socket) => socket.once('data', () => socket.destroy()),
    (socket) => socket.write(Uint8Array.of(255, 255, 255, 255)),
    (socket) => socket.write(makeFrame(Uint8Array.of(1))),
    (socket) => socket.write(makeFrame(Uint8Array.of(0x81, 0xa2, 0x69, 0x64, 9))),
  ];
  for (const answer of answers) {
    const folder = holderFolder(t);
    const clock = new SimClock();
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.resume();
      answer(socket, clock);
    });
    server.listen(join(folder, '.socket'));
    await once(server, 'listening');
    t.after(() => server.close());
    const client = await connectHolder(folder, { clock, replyMsMax: 500 });
    assert(client !== 'no-holder');
    const requests = [client.request({ kind: 'describe' }), client.request({ kind: 'describe' })];
    await Promise.all(requests.map((request) => failure(request, 'HOLDER_FAILED')));
    await failure(client.request({ kind: 'describe' }), 'HOLDER_FAILED');
    client.close();
  }
});
