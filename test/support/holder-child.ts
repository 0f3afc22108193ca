/**
 * A process that takes locks, for the tests of the lock. Started without arguments, it obeys the
 * messages of its parent (`{ acquire: directory }`, `{ release: true }`). Otherwise the first
 * argument says what it does:
 *
 *   hold <directory> [mutexMsMax]   takes the lock, says so and ends without giving it back
 *   cluster <directory>             two workers of node:cluster try to take the lock and to listen
 * on
 *                                 `shared` there, then they are killed
 */

import cluster from 'node:cluster';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { MillraceError } from '../../src/base/errors.js';
import { acquireHolderLock, type HolderLock } from '../../src/storage/holder-lock.js';
import { listenAt } from '../../src/storage/holder-socket.js';

interface Command {
  readonly acquire?: string;
  readonly mutexMsMax?: number;
  readonly release?: true;
}

let lock: HolderLock | undefined;

async function acquire(directory: string, mutexMsMax: number | undefined): Promise<string> {
  try {
    lock = await acquireHolderLock(directory, mutexMsMax === undefined ? {} : { mutexMsMax });
    return 'acquired';
  } catch (error) {
    if (!(error instanceof MillraceError) || error.code === 'IO_FAILED') return String(error);
    return error.code;
  }
}

function tell(message: unknown): void {
  process.send?.(message);
}

async function obey(command: Command): Promise<void> {
  if (command.acquire !== undefined) {
    tell(await acquire(command.acquire, command.mutexMsMax));
  } else {
    await lock?.release();
    lock = undefined;
    tell('released');
  }
}

async function runCluster(directory: string): Promise<void> {
  if (cluster.isWorker) {
    const outcome = await acquire(directory, undefined);
    tell([outcome, await listenAt(createServer(), join(directory, 'shared'))]);
    return;
  }
  const workers = [cluster.fork(), cluster.fork()];
  const outcomes = await Promise.all(
    workers.map(async (worker) => {
      const [outcome]: unknown[] = await once(worker, 'message');
      return outcome;
    }),
  );
  for (const worker of workers) {
    worker.process.kill('SIGKILL');
    await once(worker, 'exit');
  }
  // A listener keeps the primary alive: it must not hold what its workers held.
  process.on('message', () => {});
  tell(outcomes);
}

const [mode, directory = '', mutexMsMax] = process.argv.slice(2);
if (mode === 'hold') {
  tell(await acquire(directory, mutexMsMax === undefined ? undefined : Number(mutexMsMax)));
  // Without the channel to the parent, only the lock could keep this process alive.
  process.disconnect();
} else if (mode === 'cluster') {
  await runCluster(directory);
} else {
  process.on('message', (command: Command) => void obey(command));
}
