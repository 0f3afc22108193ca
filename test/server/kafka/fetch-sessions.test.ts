/** The bounds of all fetch sessions together, and their epochs. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Prng } from '../../../src/base/prng.js';
import { kafkaErrors } from '../../../src/server/kafka/error-codes.js';
import { epochAfter, type FetchRequest } from '../../../src/server/kafka/fetch-session.js';
import { FetchSessions } from '../../../src/server/kafka/fetch-sessions.js';
import { fetch } from '../../../src/server/kafka/messages/data.js';

function requestOf(session: readonly [number, number], partitions: number, first = 0) {
  const [sessionId, sessionEpoch] = session;
  const topic = {
    topic: 't',
    topicId: '0'.repeat(32),
    partitions: Array.from({ length: partitions }, (_, index) => ({
      partition: first + index,
      currentLeaderEpoch: -1,
      fetchOffset: 0,
      lastFetchedEpoch: -1,
      logStartOffset: -1,
      partitionMaxBytes: 1_000,
      replicaDirectoryId: '0'.repeat(32),
    })),
  };
  const request: FetchRequest = {
    ...fetch.request.absent,
    sessionId,
    sessionEpoch,
    topics: [topic],
  };
  return request;
}

test('fetch sessions: the epoch wraps to 1, for 0 asks for a new one', () => {
  assert.deepEqual([epochAfter(1), epochAfter(0x7fff_ffff)], [2, 1]);
});

test('fetch sessions: all of them together hold so many partitions', () => {
  const limits = { sessionsMax: 10, partitionsMax: 100, idleMs: 1_000 };
  const sessions = new FetchSessions(limits, new Prng(1));
  const begin = (request: FetchRequest, nowMs: number) => {
    const plan = sessions.begin(request, false, nowMs);
    return plan.kind === 'refused' ? plan.errorCode : (plan.session?.id ?? 0);
  };
  const one = begin(requestOf([0, 0], 60), 0);
  assert.ok(one > 0);
  assert.equal(begin(requestOf([0, 0], 60), 999), 0, 'no room, and nobody idle');
  const two = begin(requestOf([0, 0], 40), 999);
  assert.ok(two > 0);
  assert.equal(sessions.partitionCount, 100);
  // One that grows beyond it is ended, and begins anew.
  assert.equal(begin(requestOf([two, 1], 1, 40), 999), kafkaErrors.FETCH_SESSION_ID_NOT_FOUND);
  assert.deepEqual([sessions.count, sessions.partitionCount], [1, 60]);
  assert.ok(begin(requestOf([0, 0], 60), 1_000) > 0, 'the first was idle for long enough');
  assert.deepEqual([sessions.count, sessions.partitionCount], [1, 60]);
});
