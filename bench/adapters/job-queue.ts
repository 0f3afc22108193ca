/**
 * @platformatic/job-queue on its storage of files: a file for each job, written aside, synced and
 * renamed. Folders are not synced, so a crash of the machine may take names back.
 */

import { byCallers } from '../stream-load.js';
import type { QueuePeer } from './peer.js';
import { loadPeer } from './peer-package.js';

interface Jobs {
  execute(handler: (job: { readonly payload: string }) => Promise<null>): void;
  start(): Promise<void>;
  stop(): Promise<void>;
  enqueue(id: string, payload: string): Promise<unknown>;
  on(event: 'completed', listener: () => void): void;
  off(event: 'completed', listener: () => void): void;
}

interface Package {
  readonly FileStorage: new (options: { readonly basePath: string }) => unknown;
  readonly Queue: new (options: Readonly<Record<string, unknown>>) => Jobs;
}

const CONCURRENCY = 16;

export const jobQueue: QueuePeer = {
  name: '@platformatic/job-queue',
  packages: ['@platformatic/job-queue', 'fast-write-atomic'],
  promise: { strength: 'weaker', means: 'each file synced, its name not' },
  messagesMax: 500,
  async open(folder) {
    const { FileStorage, Queue } = await loadPeer<Package>('@platformatic/job-queue');
    const storage = new FileStorage({ basePath: folder });
    const jobs = new Queue({ storage, concurrency: CONCURRENCY });
    let note: (payload: string) => void = () => undefined;
    jobs.execute(async ({ payload }) => {
      note(payload);
      return null;
    });
    await jobs.start();
    let number = 0;
    return {
      async cycle(values, callers, take) {
        note = (payload) => {
          const value = Buffer.from(payload, 'base64');
          take(value, 0, value.length);
        };
        let left = values.length;
        let tell: () => void = () => undefined;
        const complete = new Promise<void>((resolve) => {
          tell = resolve;
        });
        const completed = (): void => {
          left -= 1;
          if (left === 0) tell();
        };
        jobs.on('completed', completed);
        await byCallers(callers, values, (value) =>
          jobs.enqueue(`job-${number++}`, Buffer.from(value).toString('base64')),
        );
        await complete;
        jobs.off('completed', completed);
      },
      close: () => jobs.stop(),
    };
  },
};
