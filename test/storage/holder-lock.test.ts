import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { hostFacts } from '../../src/base/host.js';
import { nodeLockFileSystem } from '../../src/base/node-file-system.js';
import { connectHolder } from '../../src/storage/holder-client.js';
import { acquireHolderLock, type HolderLock } from '../../src/storage/holder-lock.js';
import { readLockFile } from '../../src/storage/holder-lock-file.js';
import { kernelNameOf, openSocketFolder } from '../../src/storage/holder-socket.js';
import { failure, holderFolder, leaveDeadSocket } from '../support/holder-folder.js';
import { createMemoryLockManager } from '../support/memory-lock.js';
import { SimClock } from '../support/sim-clock.js';

/** Opens `count` times at once; every loser must say LOG_LOCKED. */
async function raceHere(folder: string, count: number, mutexMsMax: number): Promise<HolderLock> {
  const winners: HolderLock[] = [];
  const attempts = Array.from({ length: count }, async () => {
    const attempt = acquireHolderLock(folder, { mutexMsMax });
    winners.push(await attempt);
  });
  for (const outcome of await Promise.allSettled(attempts)) {
    if (outcome.status === 'rejected') await failure(Promise.reject(outcome.reason), 'LOG_LOCKED');
  }
  const [winner] = winners;
  assert.equal(winners.length, 1);
  assert(winner !== undefined);
  return winner;
}

function kernelNameFor(folder: string): string {
  const identity = nodeLockFileSystem.identityOfTarget(folder);
  assert(identity !== undefined);
  const name = kernelNameOf(identity);
  assert(name !== undefined);
  return name;
}

test('lock: the holder leaves a socket and a .lock, both for its user alone', async (t) => {
  const folder = holderFolder(t);
  const umask = process.umask(0);
  t.after(() => process.umask(umask));
  const lock = await acquireHolderLock(folder, { clock: new SimClock(1_700_000_000_000) });
  t.after(() => lock.release());
  assert.deepEqual(readdirSync(folder).sort(), ['.lock', '.socket']);
  assert.equal(statSync(join(folder, '.socket')).mode & 0o777, 0o600);
  assert.equal(statSync(join(folder, '.lock')).mode & 0o777, 0o600);
  const identity = statSync(folder, { bigint: true });
  assert.deepEqual(readLockFile(join(folder, '.lock')), {
    ...hostFacts(),
    pid: process.pid,
    nonce: lock.nonce,
    sinceMs: 1_700_000_000_000,
    device: identity.dev,
    inode: identity.ino,
  });
});

test('lock: a second opener in the same process is told who holds the folder', async (t) => {
  const folder = holderFolder(t);
  const clock = new SimClock(Date.UTC(2026, 0, 2));
  const lock = await acquireHolderLock(folder, { clock });
  t.after(() => lock.release());
  const error = await failure(acquireHolderLock(folder), 'LOG_LOCKED');
  assert.equal(error.retryable, true);
  assert.equal(error.facts['path'], folder);
  assert.equal(error.facts['pid'], process.pid);
  assert.equal(error.facts['host'], hostname());
  assert.equal(error.facts['since'], '2026-01-02T00:00:00.000Z');
});

test('lock: release empties the folder, may be repeated, lets the next one in', async (t) => {
  const folder = holderFolder(t);
  const first = await acquireHolderLock(folder);
  await Promise.all([first.release(), first.release()]);
  await first.release();
  assert.deepEqual(readdirSync(folder), []);
  const second = await acquireHolderLock(folder);
  assert.notEqual(second.nonce, first.nonce);
  await first.release();
  await failure(acquireHolderLock(folder), 'LOG_LOCKED');
  await second.release();
});

test('lock: of many openers in one process exactly one wins', async (t) => {
  const folder = holderFolder(t);
  for (let round = 0; round < 20; round += 1) {
    const lock = await raceHere(folder, 12, 5_000);
    // Every other round leaves the socket of a dead holder behind.
    await lock.release();
    if (round % 2 === 0) await leaveDeadSocket(join(folder, '.socket'));
  }
});

test('lock: exactly one wins also when a stranger sits on the mutex', async (t) => {
  const folder = holderFolder(t);
  const squatter = createServer();
  squatter.listen(kernelNameFor(folder));
  await once(squatter, 'listening');
  t.after(() => squatter.close());
  for (let round = 0; round < 20; round += 1) {
    const lock = await raceHere(folder, 6, 0);
    await lock.release();
  }
  assert.deepEqual(readdirSync(folder), []);
});

test('lock: a dead socket, a file or a link in place of the socket is taken over', async (t) => {
  const makers: readonly ((path: string) => Promise<void> | void)[] = [
    leaveDeadSocket,
    (path) => writeFileSync(path, 'not a socket'),
    (path) => symlinkSync('nowhere', path),
  ];
  for (const make of makers) {
    const folder = holderFolder(t);
    await make(join(folder, '.socket'));
    const lock = await acquireHolderLock(folder);
    assert.equal(statSync(join(folder, '.socket')).isSocket(), true);
    await failure(acquireHolderLock(folder), 'LOG_LOCKED');
    await lock.release();
    assert.deepEqual(readdirSync(folder), []);
  }
});

test('lock: removing the socket of a living holder lets nobody in', async (t) => {
  const folder = holderFolder(t);
  const lock = await acquireHolderLock(folder);
  unlinkSync(join(folder, '.socket'));
  const error = await failure(acquireHolderLock(folder), 'LOG_LOCKED');
  assert.equal(error.facts['pid'], process.pid);
  // The holder no longer knows the folder for its own, so it removes nothing there.
  await lock.release();
  assert.deepEqual(readdirSync(folder), ['.lock']);
});

test('lock: release touches nothing of a holder that came after it', async (t) => {
  const folder = holderFolder(t);
  const first = await acquireHolderLock(folder);
  rmSync(join(folder, '.socket'));
  rmSync(join(folder, '.lock'));
  const second = await acquireHolderLock(folder);
  await first.release();
  assert.equal(readLockFile(join(folder, '.lock'))?.nonce, second.nonce);
  await failure(acquireHolderLock(folder), 'LOG_LOCKED');
  await second.release();
});

test('lock: a copy of a held folder is free', async (t) => {
  const folder = holderFolder(t, 'original');
  const lock = await acquireHolderLock(folder);
  t.after(() => lock.release());
  const copy = join(folder, '..', 'copy');
  mkdirSync(copy);
  cpSync(join(folder, '.lock'), join(copy, '.lock'));
  const other = await acquireHolderLock(copy);
  await other.release();
});

test('lock: what killed openers left is removed, other names stay', async (t) => {
  const folder = holderFolder(t);
  mkdirSync(join(folder, '.socket.0123456789abcdef'));
  await leaveDeadSocket(join(folder, '.socket.0123456789abcdef', 's'));
  mkdirSync(join(folder, '.socket.00000000000000ff'));
  writeFileSync(join(folder, '.lock.0123456789abcdef'), '{');
  writeFileSync(join(folder, '.socket.aaaaaaaaaaaaaaaa'), 'a file of somebody else');
  mkdirSync(join(folder, '.socket.backup'));
  const lock = await acquireHolderLock(folder);
  await lock.release();
  assert.deepEqual(readdirSync(folder).sort(), ['.socket.aaaaaaaaaaaaaaaa', '.socket.backup']);
});

test('lock: an unreadable .lock without a socket keeps nobody out', async (t) => {
  for (const text of ['', '{', '[]', 'null', '{"version":1}', 'x'.repeat(10_000)]) {
    const folder = holderFolder(t);
    writeFileSync(join(folder, '.lock'), text);
    const lock = await acquireHolderLock(folder);
    await lock.release();
    assert.deepEqual(readdirSync(folder), []);
  }
});

test('lock: a folder with a path of 300 bytes works like any other', async (t) => {
  const folder = holderFolder(t, join('a'.repeat(150), 'b'.repeat(150)));
  const descriptors = readdirSync('/proc/self/fd').length;
  const lock = await acquireHolderLock(folder);
  lock.serve(async () => ({ ok: true, values: { answer: 42 } }));
  await failure(acquireHolderLock(folder), 'LOG_LOCKED');
  const client = await connectHolder(folder);
  assert(client !== 'no-holder');
  const reply = await client.request({ kind: 'describe' });
  assert.deepEqual(reply, { ok: true, values: { answer: 42 } });
  client.close();
  await lock.release();
  assert.deepEqual(readdirSync(folder), []);
  const next = await acquireHolderLock(folder);
  await next.release();
  assert(readdirSync('/proc/self/fd').length <= descriptors + 1);
});

test('lock: the short names of a long path lead to the folder and leave nothing', (t) => {
  const folder = holderFolder(t, 'c'.repeat(200));
  writeFileSync(join(folder, 'mark'), 'here');
  for (const kind of ['descriptor', 'link'] as const) {
    const short = openSocketFolder(folder, kind);
    assert(short.path.length < 100);
    assert.equal(readFileSync(join(short.path, 'mark'), 'utf8'), 'here');
    short.close();
    assert.equal(existsSync(join(short.path, 'mark')), false);
  }
});

test('lock: a missing folder and a file have their own errors', async (t) => {
  const folder = holderFolder(t);
  await failure(acquireHolderLock(join(folder, 'missing')), 'LOG_NOT_FOUND');
  writeFileSync(join(folder, 'file'), '');
  await failure(acquireHolderLock(join(folder, 'file')), 'NOT_A_DIRECTORY');
});

test('lock: release waits for the request that is being carried out', async (t) => {
  const folder = holderFolder(t);
  const lock = await acquireHolderLock(folder);
  let finish = (): void => {};
  const started = new Promise<void>((hasStarted) => {
    lock.serve(async () => {
      hasStarted();
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      return { ok: true, values: {} };
    });
  });
  const client = await connectHolder(folder);
  assert(client !== 'no-holder');
  const request = client.request({ kind: 'describe' });
  const refused = failure(request, 'HOLDER_FAILED');
  await started;
  let isReleased = false;
  const released = lock.release().then(() => {
    isReleased = true;
  });
  await refused;
  assert.equal(isReleased, false);
  await failure(acquireHolderLock(folder), 'LOG_LOCKED');
  finish();
  await released;
  const next = await acquireHolderLock(folder);
  await next.release();
});

test('lock: the manager in memory keeps the same promise', async () => {
  const manager = createMemoryLockManager();
  const lock = await manager.acquire('/a');
  await failure(manager.acquire('/a'), 'LOG_LOCKED');
  const other = await manager.acquire('/b');
  assert.notEqual(other.nonce, lock.nonce);
  await lock.release();
  const next = await manager.acquire('/a');
  await lock.release();
  await failure(manager.acquire('/a'), 'LOG_LOCKED');
  await next.release();
});
