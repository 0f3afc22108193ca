import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync, readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { nodeLockFileSystem } from '../../src/base/node-file-system.js';
import { connectHolder } from '../../src/storage/holder-client.js';
import { acquireHolderLock } from '../../src/storage/holder-lock.js';
import { kernelNameOf } from '../../src/storage/holder-socket.js';
import { failure, holderFolder, LockChild, leaveDeadSocket } from '../support/holder-folder.js';

async function raceRounds(
  children: readonly LockChild[],
  folder: string,
  rounds: number,
  mutexMsMax?: number,
): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    if (round % 2 === 1) await leaveDeadSocket(join(folder, '.socket'));
    const outcomes = await Promise.all(children.map((child) => child.acquire(folder, mutexMsMax)));
    const winners = children.filter((_, index) => outcomes[index] === 'acquired');
    assert.equal(winners.length, 1, `round ${round}: ${outcomes.join()}`);
    const losers = outcomes.filter((outcome) => outcome === 'LOG_LOCKED');
    assert.equal(losers.length, children.length - 1, `round ${round}: ${outcomes.join()}`);
    await winners[0]?.release();
    assert.deepEqual(readdirSync(folder), []);
  }
}

test('processes: of eight that open at once exactly one wins', async (t) => {
  const folder = holderFolder(t);
  const children = Array.from({ length: 8 }, () => new LockChild(t));
  await raceRounds(children, folder, 20);
});

test('processes: exactly one wins also without the mutex', async (t) => {
  const folder = holderFolder(t);
  const identity = nodeLockFileSystem.identityOfTarget(folder);
  assert(identity !== undefined);
  const squatter = createServer();
  squatter.listen(kernelNameOf(identity));
  await once(squatter, 'listening');
  t.after(() => squatter.close());
  const children = Array.from({ length: 4 }, () => new LockChild(t));
  await raceRounds(children, folder, 20, 0);
});

test('processes: the folder of a killed holder is taken over at once', async (t) => {
  const folder = holderFolder(t);
  for (let round = 0; round < 3; round += 1) {
    const child = new LockChild(t);
    assert.equal(await child.acquire(folder), 'acquired');
    const error = await failure(acquireHolderLock(folder), 'LOG_LOCKED');
    assert.equal(error.facts['pid'], child.pid);
    await child.kill();
    assert.deepEqual(readdirSync(folder).sort(), ['.lock', '.socket']);
    assert.equal(await connectHolder(folder), 'no-holder');
    const lock = await acquireHolderLock(folder);
    await lock.release();
    assert.deepEqual(readdirSync(folder), []);
  }
});

test('processes: a killed holder without its socket left nothing that locks', async (t) => {
  const folder = holderFolder(t);
  const child = new LockChild(t);
  assert.equal(await child.acquire(folder), 'acquired');
  nodeLockFileSystem.unlink(join(folder, '.socket'));
  await failure(acquireHolderLock(folder), 'LOG_LOCKED');
  await child.kill();
  const lock = await acquireHolderLock(folder);
  await lock.release();
});

test('processes: a stopped holder is still the holder', async (t) => {
  const folder = holderFolder(t);
  const child = new LockChild(t);
  assert.equal(await child.acquire(folder), 'acquired');
  child.signal('SIGSTOP');
  await failure(acquireHolderLock(folder), 'LOG_LOCKED');
  await child.kill();
});

test('processes: a lock does not keep its process alive, waiting for one does', async (t) => {
  const folder = holderFolder(t);
  const identity = nodeLockFileSystem.identityOfTarget(folder);
  assert(identity !== undefined);
  const squatter = createServer();
  squatter.listen(kernelNameOf(identity));
  await once(squatter, 'listening');
  t.after(() => squatter.close());
  const child = new LockChild(t, {}, ['hold', folder, '50']);
  assert.equal(await child.heard(), 'acquired');
  assert.equal(await child.exited(), 0);
});

test('processes: workers of node:cluster neither share a lock nor leave it behind', async (t) => {
  const folder = holderFolder(t);
  const child = new LockChild(t, {}, ['cluster', folder]);
  const outcomes = await child.heard();
  assert(Array.isArray(outcomes));
  const sorted = outcomes.flat().sort();
  assert.deepEqual(sorted, ['LOG_LOCKED', 'acquired', 'listening', 'taken']);
  const lock = await acquireHolderLock(folder);
  await lock.release();
});

test('processes: a folder that may not be written is PERMISSION_DENIED', async (t) => {
  const folder = holderFolder(t);
  chmodSync(folder, 0o555);
  chmodSync(join(folder, '..'), 0o755);
  // The rights of root know no bounds, so root asks as nobody.
  const isRoot = process.getuid?.() === 0;
  const child = new LockChild(t, isRoot ? { uid: 65_534, gid: 65_534 } : {});
  assert.equal(await child.acquire(folder), 'PERMISSION_DENIED');
  assert.deepEqual(readdirSync(folder), []);
});
