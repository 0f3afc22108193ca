/**
 * Entries of the offsets log: any group id, and values that somebody else wrote.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ErrorCode, MillraceError } from '../../src/base/errors.js';
import {
  memberEntry,
  noMemberEntry,
  type StoredMember,
} from '../../src/broker/group/epoch-member-entry.js';
import type { HeldPartition } from '../../src/broker/group/epoch-reconciliation.js';
import {
  groupEntry,
  markEntry,
  noMarkEntry,
  noOffsetEntry,
  offsetEntry,
  readEntry,
} from '../../src/broker/group/offset-entry.js';
import type { StateEntry, StatePart } from '../../src/broker/state/state-log.js';
import { testRuns, testSeed } from '../support/seed.js';

function memberAt(memberId: string, assigned: ReadonlyMap<string, HeldPartition>): StoredMember {
  return {
    memberId,
    instanceId: 'i',
    rackId: undefined,
    clientId: 'c',
    clientHost: undefined,
    rebalanceTimeoutMs: 5,
    topics: ['t'],
    pattern: 'u.*',
    assignor: 'range',
    state: { phase: 'waiting', epoch: 7, assigned, revoking: new Map() },
    previousEpoch: 6,
    isAway: true,
  };
}

test('offset entries: keys take any group id, and are told apart', () => {
  const groups = fc.string({ minLength: 1, maxLength: 20, unit: 'binary' });
  const place = fc.record(
    { topic: fc.stringMatching(/^[a-zA-Z0-9._-]{1,20}$/), partition: fc.nat(9_999) },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(groups, place, (group, at) => {
      const committed = { ...at, offset: 5, epoch: 1, metadata: 'm', committedAtMs: 9 };
      assert.deepEqual(readEntry(offsetEntry(group, committed)), {
        kind: 'offset',
        group,
        committed,
      });
      assert.deepEqual(readEntry(noOffsetEntry(group, at)), { kind: 'no-offset', group, at });
      for (const hasEpochs of [false, true]) {
        const facts = { protocolType: 'consumer', generation: 3, emptySinceMs: null, hasEpochs };
        assert.deepEqual(readEntry(groupEntry(group, facts)), { kind: 'group', group, facts });
      }
      for (const memberId of ['m', '/', `${group}/1`]) {
        const assigned = new Map([['id-1', { at: { ...at, topicId: 'id' }, sinceEpoch: 3 }]]);
        const member = memberAt(memberId, assigned);
        const loaded = readEntry(memberEntry(group, member));
        assert.ok(loaded.kind === 'member');
        assert.deepEqual([loaded.group, loaded.member.memberId], [group, memberId]);
        assert.deepEqual(memberEntry(group, loaded.member), memberEntry(group, member));
        const gone = { kind: 'no-member', group, memberId };
        assert.deepEqual(readEntry(noMemberEntry(group, memberId)), gone);
      }
      assert.deepEqual(readEntry(groupEntry(group, null)), { kind: 'no-group', group });
      const mark = { producerId: at.partition, producerEpoch: 7 };
      assert.deepEqual(readEntry(markEntry(mark)), { kind: 'mark', mark });
      const { producerId } = mark;
      assert.deepEqual(readEntry(noMarkEntry(producerId)), { kind: 'no-mark', producerId });
    }),
    { seed: testSeed(), numRuns: testRuns(300) },
  );
});

test('offset entries: whatever else is there is refused', () => {
  const key = 'offset/t/0/g';
  const { key: ofMember, value: member } = memberEntry('g', memberAt('m', new Map()));
  const memberWith = (at: number, part: StatePart): StateEntry => ({
    key: ofMember,
    value: (member ?? []).map((known, index) => (index === at ? part : known)),
  });
  const cases: [StateEntry, ErrorCode][] = [
    [{ key: 'other', value: null }, 'LOG_CORRUPT'],
    [{ key: 'offset/t/x/g', value: null }, 'LOG_CORRUPT'],
    [{ key: 'offset/t/0/', value: null }, 'LOG_CORRUPT'],
    [{ key, value: [] }, 'LOG_CORRUPT'],
    [{ key, value: [2, 5, 1, '', 0] }, 'FORMAT_UNSUPPORTED'],
    [{ key, value: [1, -5, 1, '', 0] }, 'LOG_CORRUPT'],
    [{ key, value: [1, 5, -2, '', 0] }, 'LOG_CORRUPT'],
    [{ key, value: [1, 5, 1, 7, 0] }, 'LOG_CORRUPT'],
    [{ key, value: [1, 5, 1, '', 'now'] }, 'LOG_CORRUPT'],
    [{ key: 'group/g', value: [1, 'consumer', 1.5, null] }, 'LOG_CORRUPT'],
    [{ key: 'transaction/07', value: [1, 1] }, 'LOG_CORRUPT'],
    [{ key: 'transaction/7', value: [1, -1] }, 'LOG_CORRUPT'],
    [{ key: 'transaction/7', value: [2, 1] }, 'FORMAT_UNSUPPORTED'],
    [{ key: 'transaction/9999999999999999', value: [1, 1] }, 'LOG_CORRUPT'],
    [{ key: 'group/g', value: [1, 'consumer', 1, 'then'] }, 'LOG_CORRUPT'],
    [{ key: 'member/1/g', value: null }, 'LOG_CORRUPT'],
    [{ key: 'member/2/g/m', value: null }, 'LOG_CORRUPT'],
    [{ key: 'member/1/g/', value: null }, 'LOG_CORRUPT'],
    [{ key: ofMember, value: [1] }, 'LOG_CORRUPT'],
    [memberWith(0, 2), 'FORMAT_UNSUPPORTED'],
    [memberWith(1, 5), 'LOG_CORRUPT'],
    [memberWith(5, 0), 'LOG_CORRUPT'],
    [memberWith(6, [1]), 'LOG_CORRUPT'],
    [memberWith(8, 'sticky'), 'LOG_CORRUPT'],
    [memberWith(9, 'idle'), 'LOG_CORRUPT'],
    [memberWith(10, -1), 'LOG_CORRUPT'],
    [memberWith(12, 1), 'LOG_CORRUPT'],
    [memberWith(13, [['t', 'id', 0]]), 'LOG_CORRUPT'],
    [memberWith(14, [['t', 'id']]), 'LOG_CORRUPT'],
  ];
  for (const [entry, code] of cases) {
    assert.throws(
      () => readEntry(entry),
      (error) => error instanceof MillraceError && error.code === code,
      JSON.stringify(entry),
    );
  }
});
