/**
 * The mutex that puts those who open a folder at the same moment in order.
 *
 * It is a listening socket under a kernel-wide name of the folder, held for the milliseconds of one
 * attempt and freed by the kernel at death. Who waits is connected to the one that holds it and
 * wakes when that connection ends, so a wait needs no timer and keeps the process alive.
 *
 * It decides nothing. Other network namespaces do not see it, some systems lack it, and any local
 * user may sit on the name; so a wait is bounded and ends with going on without it. The protocol in
 * `holder-candidate.ts` is safe alone; the mutex spares its users retries and half-told errors.
 */

import { createServer, type Socket } from 'node:net';
import type { Clock } from '../base/clock.js';
import { connectTo, listenAt } from './holder-socket.js';

/** Those above this number are turned away and ask again. */
const WAITERS_MAX = 256;

/** Resolves to a release; also, without holding anything, when `waitMsMax` has passed. */
export async function holdMutex(
  name: string | undefined,
  clock: Clock,
  waitMsMax: number,
): Promise<() => void> {
  if (name === undefined) return () => {};
  const deadlineMs = clock.monotonicMs() + waitMsMax;
  for (;;) {
    const release = await tryMutex(name);
    if (release !== 'taken') return release;
    const remainingMs = deadlineMs - clock.monotonicMs();
    if (remainingMs <= 0) return () => {};
    await waitForRelease(name, clock, remainingMs);
  }
}

async function tryMutex(name: string): Promise<(() => void) | 'taken'> {
  const waiters = new Set<Socket>();
  const server = createServer((socket) => {
    waiters.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => waiters.delete(socket));
  });
  server.maxConnections = WAITERS_MAX;
  if ((await listenAt(server, name)) === 'taken') return 'taken';
  server.on('error', () => {});
  return () => {
    server.close();
    for (const socket of waiters) socket.destroy();
  };
}

async function waitForRelease(name: string, clock: Clock, waitMsMax: number): Promise<void> {
  const socket = await connectTo(name);
  if (typeof socket === 'string') return;
  await new Promise<void>((resolve) => {
    const cancel = clock.schedule(waitMsMax, () => socket.destroy());
    socket.once('close', () => {
      cancel();
      resolve();
    });
    // Without a reader, the end of the connection would go unnoticed.
    socket.resume();
  });
}
