/**
 * Commits: who may, when they are durable, and what they are worth after a loss.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorCode, MillraceError } from '../../src/base/errors.js';
import {
  assignmentsOf,
  type GroupFixture,
  joinRequest,
  memberOf,
  openGroups,
  settle,
  stableGroup,
} from '../support/group-fixture.js';

function refused(code: ErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof MillraceError && error.code === code;
}

const alone = { groupId: 'g', memberId: '', generation: -1 };

async function openWithTopic(records = 100): Promise<GroupFixture> {
  const groups = await openGroups();
  groups.topics.set('t', 2, records);
  return groups;
}

const at = (offset: number, metadata?: string) => ({
  topic: 't',
  partition: 0,
  offset,
  ...(metadata === undefined ? {} : { metadata }),
});

async function offsetOf({ coordinator }: GroupFixture, groupId = 'g') {
  const [fetched] = await coordinator.fetch(groupId, [{ topic: 't', partition: 0 }]);
  return fetched?.offset;
}

test('commit: comes back from fetch with its text, also after a restart', async () => {
  const groups = await openWithTopic();
  await groups.coordinator.commit({ ...alone, offsets: [at(7, 'note')] });
  const expected = [{ topic: 't', partition: 0, offset: 7, epoch: 0, metadata: 'note' }];
  assert.deepEqual(await groups.coordinator.fetch('g'), expected);
  await groups.coordinator.close();
  const again = await openGroups({}, { stateLog: groups.stateLog, topics: groups.topics });
  assert.deepEqual(await again.coordinator.fetch('g'), expected);
  const missing = await again.coordinator.fetch('g', [{ topic: 't', partition: 1 }]);
  assert.equal(missing[0]?.offset, undefined);
});

test('commit: resolves once the offsets log is durable, and fetch waits for it too', async () => {
  const groups = await openWithTopic();
  groups.stateLog.hold();
  let isDone = false;
  const committing = groups.coordinator.commit({ ...alone, offsets: [at(7)] }).then(() => {
    isDone = true;
  });
  await settle();
  const fetching = offsetOf(groups);
  await settle();
  assert.equal(isDone, false);
  groups.stateLog.release();
  assert.equal(await fetching, 7);
  await committing;
});

test('commit: its log is made durable first, and its epoch noted', async () => {
  const groups = await openWithTopic(0);
  const log = groups.topics.at('t', 0);
  log.writtenOffset = 10;
  log.durableOffset = 4;
  log.epochs = [
    { epoch: 2, startOffset: 0 },
    { epoch: 3, startOffset: 7 },
  ];
  await groups.coordinator.commit({ ...alone, offsets: [at(7)] });
  assert.deepEqual(log.flushed, [6]);
  assert.equal((await groups.coordinator.fetch('g'))[0]?.epoch, 2);
  await groups.coordinator.commit({ ...alone, offsets: [at(3)] });
  assert.deepEqual(log.flushed, [6]);
});

test('fetch: an offset beyond the end of its epoch is that end', async () => {
  const groups = await openWithTopic();
  const log = groups.topics.at('t', 0);
  await groups.coordinator.commit({ ...alone, offsets: [at(80)] });
  log.epochs = [
    { epoch: 0, startOffset: 0 },
    { epoch: 1, startOffset: 50 },
  ];
  assert.equal(await offsetOf(groups), 50);
  log.fill(30);
  log.epochs = [{ epoch: 0, startOffset: 0 }];
  assert.equal(await offsetOf(groups), 30);
});

test('commit: late ones are fenced', async () => {
  const groups = await openWithTopic();
  const { coordinator } = groups;
  const [first, second] = await stableGroup(groups, [joinRequest(), joinRequest()]);
  assert(first !== undefined && second !== undefined);
  const request = { ...memberOf('g', first), offsets: [at(5)] };
  await coordinator.commit(request);
  await assert.rejects(
    coordinator.commit({ ...request, generation: 2 }),
    refused('ILLEGAL_GENERATION'),
  );
  await assert.rejects(
    coordinator.commit({ ...request, memberId: 'stranger' }),
    refused('UNKNOWN_MEMBER'),
  );
  await assert.rejects(coordinator.commit({ ...alone, offsets: [] }), refused('UNKNOWN_MEMBER'));
  await assert.rejects(
    coordinator.commit({ ...request, groupId: 'unheard of' }),
    refused('ILLEGAL_GENERATION'),
  );
  // While the others join, a member still owns what it has.
  const leading = coordinator.join(joinRequest({ memberId: first.memberId }));
  await coordinator.commit({ ...memberOf('g', second), offsets: [at(6)] });
  const following = coordinator.join(joinRequest({ memberId: second.memberId }));
  await leading;
  await assert.rejects(coordinator.commit(request), refused('ILLEGAL_GENERATION'));
  await assert.rejects(
    coordinator.commit({ ...memberOf('g', await following), offsets: [at(6)] }),
    refused('REBALANCE_IN_PROGRESS'),
  );
});

test('commit: one that waits for its log while a rebalance completes is fenced', async () => {
  const groups = await openWithTopic(0);
  const { coordinator } = groups;
  const log = groups.topics.at('t', 0);
  log.writtenOffset = 10;
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  log.gate = () => opened;
  const [first] = await stableGroup(groups, [joinRequest()]);
  assert(first !== undefined);
  const committing = coordinator.commit({ ...memberOf('g', first), offsets: [at(9)] });
  committing.catch(() => undefined);
  await coordinator.join(joinRequest({ memberId: first.memberId }));
  const before = groups.stateLog.entries.length;
  open();
  await assert.rejects(committing, refused('ILLEGAL_GENERATION'));
  assert.equal(groups.stateLog.entries.length, before);
});

test('commit: all or nothing, and each with its own error', async () => {
  const groups = await openWithTopic();
  const cases: [object, ErrorCode][] = [
    [{ topic: 't', partition: 9, offset: 1 }, 'UNKNOWN_PARTITION'],
    [{ topic: 'none', partition: 0, offset: 1 }, 'UNKNOWN_PARTITION'],
    [at(101), 'OFFSET_OUT_OF_RANGE'],
    [at(-1), 'OFFSET_OUT_OF_RANGE'],
    [at(1.5), 'OFFSET_OUT_OF_RANGE'],
    [at(1, 'é'.repeat(2_049)), 'OFFSET_METADATA_TOO_LARGE'],
  ];
  for (const [bad, code] of cases) {
    const offsets = [{ topic: 't', partition: 1, offset: 1 }, bad as ReturnType<typeof at>];
    await assert.rejects(groups.coordinator.commit({ ...alone, offsets }), refused(code));
  }
  assert.deepEqual(await groups.coordinator.fetch('g'), []);
  await groups.coordinator.commit({ ...alone, offsets: [at(100, 'é'.repeat(2_048))] });
});

test('commit: a failed append changes nothing, and those behind it go on', async () => {
  const groups = await openWithTopic();
  groups.stateLog.failNext();
  const failing = groups.coordinator.commit({ ...alone, offsets: [at(1)] });
  const next = groups.coordinator.commit({ ...alone, offsets: [at(2)] });
  await assert.rejects(failing, refused('DISK_FULL'));
  await next;
  assert.equal(await offsetOf(groups), 2);
});

test('a topic that is gone takes its offsets along', async () => {
  const groups = await openWithTopic();
  groups.topics.set('u', 1, 10);
  const offsets = [at(7), { topic: 'u', partition: 0, offset: 3 }];
  await groups.coordinator.commit({ ...alone, offsets });
  await groups.coordinator.forgetTopic('t');
  const left = await groups.coordinator.fetch('g');
  assert.deepEqual(
    left.map(({ topic }) => topic),
    ['u'],
  );
});

test('commit: one for a topic that was deleted and made again is refused', async () => {
  const groups = await openWithTopic();
  const { coordinator, topics } = groups;
  const [first] = await stableGroup(groups, [joinRequest()]);
  assert(first !== undefined);
  topics.delete('t');
  await coordinator.forgetTopic('t');
  topics.set('t', 2, 3);
  coordinator.noticeTopics(['t']);
  const late = coordinator.commit({ ...memberOf('g', first), offsets: [at(3)] });
  await assert.rejects(late, refused('UNKNOWN_PARTITION'));
  assert.equal(await offsetOf(groups), undefined);
  const next = await coordinator.join(joinRequest({ memberId: first.memberId }));
  assert.equal(next.generation, first.generation + 1);
  await coordinator.sync({
    ...memberOf('g', next),
    assignments: assignmentsOf(next),
  });
  await coordinator.commit({ ...memberOf('g', next), offsets: [at(2)] });
  assert.equal(await offsetOf(groups), 2);
});

test('commit: one for a topic that was made again is not held against the new log', async () => {
  const groups = await openWithTopic();
  const { coordinator, topics } = groups;
  const [first] = await stableGroup(groups, [joinRequest()]);
  assert(first !== undefined);
  topics.delete('t');
  await coordinator.forgetTopic('t');
  topics.set('t', 2, 3);
  const log = topics.at('t', 0);
  log.writtenOffset = 10;
  for (const offset of [5, 20]) {
    const late = coordinator.commit({ ...memberOf('g', first), offsets: [at(offset)] });
    await assert.rejects(late, refused('UNKNOWN_PARTITION'));
  }
  assert.deepEqual(log.flushed, []);
});

test('commits and their removal are told to the topics once they are durable', async () => {
  const groups = await openWithTopic();
  const { coordinator, topics } = groups;
  groups.stateLog.hold();
  const committing = coordinator.commit({ ...alone, offsets: [at(7)] });
  await settle();
  assert.deepEqual(topics.committed, []);
  groups.stateLog.release();
  await committing;
  assert.deepEqual(coordinator.committedAt({ topic: 't', partition: 0 }), [
    { group: 'g', offset: 7 },
  ]);
  await coordinator.admin.delete('g');
  assert.deepEqual(topics.committed, ['g t-0 7', 'g t-0 undefined']);
  assert.deepEqual(coordinator.committedAt({ topic: 't', partition: 0 }), []);
});
