/**
 * The entries of the broker's logs of last values, for the target of stored values: how one is
 * drawn, and what reading and writing it again gives.
 */

import type { Prng } from '../src/base/prng.js';
import {
  decodeBinding,
  encodeBinding,
  resolveBinding,
} from '../src/broker/exchange/binding-definition.js';
import {
  decodeExchange,
  exchangeEntry,
  exchangeKinds,
} from '../src/broker/exchange/exchange-definition.js';
import {
  memberEntry,
  noMemberEntry,
  type StoredMember,
} from '../src/broker/group/epoch-member-entry.js';
import { partitionKey } from '../src/broker/group/epoch-reconciliation.js';
import {
  groupEntry,
  markEntry,
  noMarkEntry,
  noOffsetEntry,
  offsetEntry,
  readEntry,
} from '../src/broker/group/offset-entry.js';
import {
  decodeQueueDefinition,
  encodeQueueDefinition,
  queueStates,
} from '../src/broker/queue/queue-definition.js';
import { resolveQueueOptions } from '../src/broker/queue/queue-options.js';
import { type DeliveryPart, encodePart, readPart } from '../src/broker/share/share-part.js';
import type { StateEntry, StateValue } from '../src/broker/state/state-log.js';
import {
  decodeTopicDefinition,
  encodeTopicDefinition,
} from '../src/broker/topic/topic-definition.js';
import { resolveTopicOptions } from '../src/broker/topic/topic-options.js';
import { clientEntry, readClient } from '../src/broker/transaction/client-entry.js';
import {
  type Decision,
  decisionEntry,
  doneEntry,
  readDecision,
} from '../src/broker/transaction/transaction-decision.js';
import { drawBinding } from '../test/support/exchange-draw.js';

export interface StoredForm {
  readonly name: string;
  readonly draw: (prng: Prng) => StateEntry;
  /** The entry that says what was read; throws as reading does. */
  readonly again: (entry: StateEntry) => StateEntry;
}

export const storedForms: readonly StoredForm[] = [
  {
    name: 'topic',
    draw: (prng) => ({ key: 'orders', value: drawTopic(prng) }),
    again: ofValue((key, value) => encodeTopicDefinition(decodeTopicDefinition(key, value))),
  },
  {
    name: 'queue',
    draw: (prng) => ({ key: 'jobs', value: drawQueue(prng) }),
    again: ofValue((key, value) => encodeQueueDefinition(decodeQueueDefinition(key, value))),
  },
  {
    name: 'exchange',
    draw: (prng) => ({
      key: 'events',
      value: exchangeEntry({
        name: 'events',
        kind: prng.pick(exchangeKinds),
        alternate: prng.boolean() ? undefined : 'others',
      }).value,
    }),
    again: ofValue((key, value) => exchangeEntry(decodeExchange(key, value)).value ?? []),
  },
  {
    name: 'binding',
    draw: (prng) => ({
      key: 'binding',
      value: encodeBinding(
        resolveBinding(drawBinding(prng, { name: 'e', kind: 'headers' }, ['e', 'f']), 'headers'),
      ),
    }),
    again: ofValue((_, value) => encodeBinding(decodeBinding(value, 'headers'))),
  },
  { name: 'offsets', draw: drawOffsets, again: offsetsAgain },
  { name: 'decision', draw: (prng) => decisionEntry(drawDecision(prng)), again: decisionAgain },
  {
    name: 'client',
    draw: (prng) =>
      clientEntry({
        transactionalId: `client ${prng.integer(10)}`,
        producerId: prng.integer(2 ** 40),
        producerEpoch: prng.integer(2 ** 15),
        lastEpoch: prng.integer(2 ** 15) - 1,
        timeoutMs: 1 + prng.integer(100_000),
        state: prng.pick(['empty', 'ongoing', 'committed', 'aborted']),
        usedAtMs: prng.integer(2 ** 45),
      }),
    again: (entry) => clientEntry(readClient(entry)),
  },
  {
    name: 'delivery part',
    draw: (prng) => ({ key: 'part', value: encodePart(drawPart(prng)) }),
    again: ofValue((_, value) => encodePart(readPart(value))),
  },
];

/** For readers of values; a removed entry says nothing but its key. */
function ofValue(again: (key: string, value: StateValue) => StateValue) {
  return ({ key, value }: StateEntry): StateEntry => ({
    key,
    value: value === null ? null : again(key, value),
  });
}

function drawTopic(prng: Prng): StateValue {
  const given = {
    partitions: 1 + prng.integer(20),
    segmentBytes: 4096 + prng.integer(1_000_000),
    retentionMs: prng.pick([1 + prng.integer(2 ** 40), 'unlimited'] as const),
    compression: prng.pick(['none', 'gzip', 'lz4'] as const),
  };
  return encodeTopicDefinition({
    name: 'orders',
    topicId: drawId(prng),
    state: prng.pick(['active', 'deleting']),
    createdMs: prng.integer(2 ** 45),
    config: resolveTopicOptions(given, 'orders'),
    owner: prng.boolean() ? undefined : 'jobs',
  });
}

function drawQueue(prng: Prng): StateValue {
  const given = {
    fifo: prng.boolean(),
    maxDeliveries: 1 + prng.integer(20),
    retry: { attempts: 1 + prng.integer(100) },
  };
  return encodeQueueDefinition({
    name: 'jobs',
    state: prng.pick(queueStates),
    createdMs: prng.integer(2 ** 45),
    config: resolveQueueOptions('jobs', given),
    topicIds: Array.from({ length: prng.integer(3) }, () => drawId(prng)),
  });
}

function drawOffsets(prng: Prng): StateEntry {
  const group = `group ${prng.integer(3)}`;
  const at = { topic: 'orders', partition: prng.integer(100) };
  const producerId = prng.integer(2 ** 40);
  switch (prng.integer(8)) {
    case 6:
      return memberEntry(group, drawMember(prng));
    case 7:
      return noMemberEntry(group, 'a/member');
    case 0:
      return noOffsetEntry(group, at);
    case 1:
      return groupEntry(group, null);
    case 2: {
      const emptySinceMs = prng.boolean() ? null : prng.integer(2 ** 45);
      return groupEntry(group, {
        protocolType: 'consumer',
        generation: prng.integer(9),
        emptySinceMs,
        hasEpochs: prng.boolean(),
      });
    }
    case 3:
      return markEntry({ producerId, producerEpoch: prng.integer(2 ** 15) });
    case 4:
      return noMarkEntry(producerId);
    default:
      return offsetEntry(group, drawCommitted(prng, at));
  }
}

function drawMember(prng: Prng): StoredMember {
  const text = (): string | undefined => (prng.boolean() ? undefined : prng.pick(['', 'naïve']));
  const places = Array.from({ length: prng.integer(4) }, (_, partition) => {
    return { topic: 'orders', topicId: drawId(prng), partition };
  });
  const held = places.map((at) => [partitionKey(at), { at, sinceEpoch: prng.integer(9) }] as const);
  return {
    memberId: prng.pick(['m', 'a/member']),
    instanceId: text(),
    rackId: text(),
    clientId: text(),
    clientHost: text(),
    rebalanceTimeoutMs: 1 + prng.integer(2 ** 20),
    topics: prng.pick([[], ['orders', 'bills']]),
    pattern: prng.pick(['', 'o.*']),
    assignor: prng.pick([undefined, 'range', 'uniform']),
    state: {
      phase: prng.pick(['stable', 'revoking', 'waiting']),
      epoch: prng.integer(9),
      assigned: new Map(prng.boolean() ? held : []),
      revoking: new Map(prng.boolean() ? places.map((at) => [partitionKey(at), at]) : []),
    },
    previousEpoch: prng.integer(9),
    isAway: prng.boolean(),
  };
}

function drawCommitted(prng: Prng, at: { readonly topic: string; readonly partition: number }) {
  return {
    ...at,
    offset: prng.integer(2 ** 52),
    epoch: prng.integer(9) - 1,
    metadata: prng.pick(['', 'here', 'naïve']),
    committedAtMs: prng.integer(2 ** 45),
  };
}

function offsetsAgain(entry: StateEntry): StateEntry {
  const loaded = readEntry(entry);
  switch (loaded.kind) {
    case 'offset':
      return offsetEntry(loaded.group, loaded.committed);
    case 'no-offset':
      return noOffsetEntry(loaded.group, loaded.at);
    case 'group':
      return groupEntry(loaded.group, loaded.facts);
    case 'no-group':
      return groupEntry(loaded.group, null);
    case 'member':
      return memberEntry(loaded.group, loaded.member);
    case 'no-member':
      return noMemberEntry(loaded.group, loaded.memberId);
    case 'mark':
      return markEntry(loaded.mark);
    case 'no-mark':
      return noMarkEntry(loaded.producerId);
  }
}

function drawDecision(prng: Prng): Decision {
  const isClient = prng.boolean();
  const topicId = drawId(prng);
  const partitions = Array.from({ length: prng.integer(4) }, (_, partition) =>
    isClient ? { topicId, partition, end: prng.integer(2 ** 40) } : { topicId, partition },
  );
  const committed = drawCommitted(prng, { topic: 'orders', partition: 0 });
  const groups = prng.boolean() ? [] : [{ group: 'g', offsets: [{ topicId, committed }] }];
  const identity = { producerId: prng.integer(2 ** 40), producerEpoch: prng.integer(2 ** 15) };
  const decision = { ...identity, partitions, groups, deliveries: [] };
  return isClient ? { ...decision, writer: { producerId: 7, producerEpoch: 1 } } : decision;
}

function decisionAgain(entry: StateEntry): StateEntry {
  const { producerId, decision } = readDecision(entry);
  return decision === undefined ? doneEntry(producerId) : decisionEntry(decision);
}

export function drawPart(prng: Prng): DeliveryPart {
  const startOffset = prng.integer(2 ** 40);
  let from = startOffset;
  const next = () => {
    const first = from + prng.integer(5) + 1;
    from = first + 1 + prng.integer(3);
    return { first, end: from };
  };
  const acknowledged = Array.from({ length: prng.integer(4) }, next);
  const archived = Array.from({ length: prng.integer(4) }, next);
  const attempts = Array.from({ length: prng.integer(3) }, () => {
    const { first, end } = next();
    const deliveries = 1 + prng.integer(9);
    const failures = prng.integer(deliveries + 1);
    return { offset: first, count: end - first, deliveries, failures, notBeforeMs: 0 };
  });
  return { startOffset, acknowledged, archived, attempts };
}

function drawId(prng: Prng): string {
  return Buffer.from(prng.bytes(16)).toString('hex');
}
