/**
 * What a call takes of memory for bytes: a claim in a few bytes must not be believed.
 *
 * The engine counts the memory behind typed arrays. A collection within the call makes the growth
 * look smaller, never larger, so a finding is always true.
 */

import assert from 'node:assert/strict';

/** Runs `call`; fails when it made more than `bytesMax` bytes of typed arrays. */
export function boundedMemory<Value>(bytesMax: number, call: () => Value): Value {
  const before = process.memoryUsage().arrayBuffers;
  try {
    return call();
  } finally {
    const grown = process.memoryUsage().arrayBuffers - before;
    assert.ok(grown <= bytesMax, `took ${grown} bytes of memory, at most ${bytesMax} are right`);
  }
}
