/**
 * Groups of the newer protocol, lived at random: members come, go, are slow to give up, and lose
 * answers; topics come, grow and go, and the process ends and begins. No partition is ever with two
 * members, and when nothing happens any more each has its one.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../../src/base/errors.js';
import type { Prng } from '../../src/base/prng.js';
import { partitionKey } from '../../src/broker/group/epoch-reconciliation.js';
import type { EpochHeartbeat, EpochPartition } from '../../src/broker/group/epoch-requests.js';
import { openGroups } from '../support/group-fixture.js';
import { testRuns, withSeed } from '../support/seed.js';

type Groups = Awaited<ReturnType<typeof openGroups>>;

const SUBSCRIPTIONS: readonly Pick<EpochHeartbeat, 'topics' | 'pattern'>[] = [
  { topics: ['t'] },
  { topics: ['t', 'u'] },
  { topics: [], pattern: '[tv].*' },
  { topics: ['u'], pattern: 'v' },
];

/** What a client does: it takes what it is told at once, and gives up the rest in its own time. */
class Client {
  epoch = 0;
  owned = new Map<string, EpochPartition>();
  /** What it is to have. */
  told: readonly EpochPartition[] = [];
  readonly memberId: string;
  readonly #groups: () => Groups;
  readonly #wishes: Pick<EpochHeartbeat, 'topics' | 'pattern' | 'assignor'>;

  constructor(groups: () => Groups, memberId: string, prng: Prng) {
    this.#groups = groups;
    this.memberId = memberId;
    const assignor = prng.pick([undefined, 'range', 'uniform']);
    this.#wishes = { ...prng.pick(SUBSCRIPTIONS), assignor };
  }

  /** Gives up what it is not to have. */
  settle(): void {
    this.owned = new Map(this.told.map((at) => [partitionKey(at), at]));
  }

  beat(isAnswerLost = false): void {
    const { epochs } = this.#groups().coordinator;
    const owned = [...this.owned.values()];
    const whole = { ...this.#wishes, owned, rebalanceTimeoutMs: 60_000 };
    const { epoch, memberId } = this;
    try {
      const result = epochs.heartbeat({ groupId: 'g', memberId, epoch, ...whole });
      if (isAnswerLost) return;
      this.epoch = result.epoch;
      if (result.assignment === undefined) return;
      this.told = result.assignment;
      for (const at of this.told) this.owned.set(partitionKey(at), at);
    } catch (error) {
      assert.ok(hasCode(error, 'UNKNOWN_MEMBER') || hasCode(error, 'MEMBER_FENCED'), `${error}`);
      this.epoch = 0;
      this.owned.clear();
      this.told = [];
    }
  }

  leave(): void {
    this.owned.clear();
    this.told = [];
    if (this.epoch === 0) return;
    const { memberId } = this;
    this.#groups().coordinator.epochs.heartbeat({ groupId: 'g', memberId, epoch: -1 });
    this.epoch = 0;
  }
}

function checkOwners(clients: readonly Client[]): void {
  const owners = new Map<string, string>();
  for (const { memberId, owned } of clients) {
    for (const key of owned.keys()) {
      assert.equal(owners.get(key), undefined, `${key} is with ${memberId} and another`);
      owners.set(key, memberId);
    }
  }
}

async function live(prng: Prng): Promise<void> {
  let groups = await openGroups();
  const { topics, stateLog, clock } = groups;
  topics.set('t', 5);
  topics.set('u', 2);
  const change = async (): Promise<void> => {
    const name = prng.pick(['t', 'u', 'v', 'tv']);
    const count = topics.partitionCount(name) ?? 0;
    if (count > 0 && prng.integer(3) === 0) {
      topics.delete(name);
      await groups.coordinator.forgetTopic(name);
      return;
    }
    topics.set(name, count + 1 + prng.integer(3));
    groups.coordinator.noticeTopics([name]);
  };
  const clients = Array.from({ length: 4 }, (_, at) => new Client(() => groups, `m${at}`, prng));
  for (let step = 0; step < 120; step += 1) {
    const client = prng.pick(clients);
    const draw = prng.integer(20);
    if (draw === 0) await change();
    else if (draw === 5 && prng.boolean()) {
      await groups.coordinator.close();
      groups = await openGroups({}, { topics, stateLog, clock });
    } else if (draw === 1) client.leave();
    else if (draw < 4) client.beat(true);
    else if (draw < 12) client.beat();
    else client.settle();
    checkOwners(clients);
  }
  for (let round = 0; round < 8; round += 1) {
    for (const client of clients) {
      client.beat();
      client.settle();
      checkOwners(clients);
    }
  }
  const wanted = new Set<string>();
  const { members, state } = groups.coordinator.epochs.describe('g');
  for (const topic of members.flatMap((member) => member.topics)) {
    const found = topics.find(topic);
    for (let partition = 0; partition < (found?.partitionCount ?? 0); partition += 1) {
      wanted.add(partitionKey({ topic, topicId: found?.topicId ?? '', partition }));
    }
  }
  assert.equal(state, 'Stable');
  const owned = clients.flatMap((client) => [...client.owned.keys()]);
  assert.deepEqual(owned.sort(), [...wanted].sort());
  await groups.coordinator.close();
}

test('epoch groups: a partition is never with two members, and in the end with one', async () => {
  await withSeed(async (prng) => {
    for (let run = 0; run < testRuns(60); run += 1) await live(prng);
  });
});
