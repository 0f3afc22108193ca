/**
 * One writer per folder, in memory: for logs on an imaginary disk.
 *
 * A "process" of a simulation is one lock manager: a new one starts with every folder free, as
 * after a kill. Requests are not carried: `serve` only checks that it is called once.
 */

import assert from 'node:assert/strict';
import { createError } from '../../src/base/errors.js';
import type { LockManager } from '../../src/storage/holder-lock.js';

/** Nonces count up from 1, so that runs repeat. */
export function createMemoryLockManager(): LockManager {
  const held = new Set<string>();
  let lastNonce = 0n;
  return {
    acquire: async (directory) => {
      if (held.has(directory)) throw createError('LOG_LOCKED', { path: directory });
      held.add(directory);
      lastNonce += 1n;
      let isHeld = true;
      let isServing = false;
      return {
        nonce: lastNonce,
        serve: () => {
          assert(!isServing, 'a holder has one handler');
          isServing = true;
        },
        release: async () => {
          if (isHeld) held.delete(directory);
          isHeld = false;
        },
      };
    },
  };
}
