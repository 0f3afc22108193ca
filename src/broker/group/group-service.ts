/**
 * What the holder of a broker does about groups, and consuming, for other processes.
 *
 * Lists come in pages, so that a reply stays within a frame; lists of lists travel as rows.
 */

import type { BrokerRequest, HolderValue } from '../../storage/main.js';
import type { Taken, TakenRecord } from '../consumer/consume-session.js';
import type { ConsumeSessions } from '../consumer/consume-sessions.js';
import { compareText } from './assignor-order.js';
import type { ResetOffset, ResetOptions } from './group-admin.js';
import type { GroupDescription, GroupListing, MemberDescription } from './group-description.js';
import type { Groups } from './groups.js';
import type { ResetTarget } from './offset-reset.js';

export interface HeldGroups {
  readonly groups: Pick<Groups, 'list' | 'describe' | 'reset' | 'delete'>;
  readonly sessions: ConsumeSessions;
  /** How many partitions a topic has. Throws UNKNOWN_TOPIC. */
  partitionsOf(topic: string): number;
}

export type GroupRequest = Extract<
  BrokerRequest,
  {
    readonly kind:
      | 'listGroups'
      | 'describeGroup'
      | 'resetGroup'
      | 'deleteGroup'
      | 'openSession'
      | 'takeRecords'
      | 'commitRecords'
      | 'closeSession';
  }
>;

type Values = Readonly<Record<string, HolderValue>>;

/** Groups, and partitions of a group, in one reply. */
const PAGE_GROUPS = 10_000;
const PAGE_PARTITIONS = 10_000;
/** What one `takeRecords` may take and wait, whatever it asks for. */
const TAKEN_RECORDS_MAX = 5_000;
const WAIT_MS_MAX = 1_000;

export async function serveGroups(held: HeldGroups, request: GroupRequest): Promise<Values> {
  switch (request.kind) {
    case 'listGroups':
      return groupsPage(await held.groups.list(), request.after);
    case 'describeGroup':
      return groupPage(await held.groups.describe(request.group), request.from);
    case 'resetGroup':
      return { offsets: (await reset(held, request)).map(resetRow) };
    case 'deleteGroup':
      await held.groups.delete(request.group);
      return {};
    case 'openSession':
      return { session: await held.sessions.open(request) };
    case 'takeRecords': {
      const recordsMax = Math.min(request.recordsMax, TAKEN_RECORDS_MAX);
      const waitMs = Math.min(request.waitMs, WAIT_MS_MAX);
      const take = () => held.sessions.use(request.session, (one) => one.take(recordsMax, waitMs));
      return takenValues(await take());
    }
    case 'commitRecords': {
      const offsets = request.offsets.map(([topic, partition, offset]) => {
        return { topic, partition, offset };
      });
      await held.sessions.use(request.session, (session) => session.commit(offsets));
      return {};
    }
    case 'closeSession':
      await held.sessions.close(request.session);
      return {};
  }
}

function reset(
  { groups, partitionsOf }: HeldGroups,
  request: GroupRequest & { readonly kind: 'resetGroup' },
): Promise<readonly ResetOffset[]> {
  const { group, topics, partitions, isDryRun } = request;
  const base = { to: targetOf(request.to), isDryRun };
  return groups.reset(group, { ...base, ...placesOf(topics, partitions, partitionsOf) });
}

function placesOf(
  topics: readonly string[] | null,
  partitions: readonly number[] | null,
  partitionsOf: (topic: string) => number,
): Pick<ResetOptions, 'topics' | 'partitions'> {
  if (topics === null) return {};
  for (const topic of topics) partitionsOf(topic);
  if (partitions === null) return { topics };
  return {
    partitions: topics.flatMap((topic) => partitions.map((partition) => ({ topic, partition }))),
  };
}

function targetOf(to: (GroupRequest & { readonly kind: 'resetGroup' })['to']): ResetTarget {
  if (to === 'earliest' || to === 'latest') return to;
  const [kind, value] = to;
  if (kind === 'offset') return { offset: value };
  return kind === 'timestamp' ? { timestamp: value } : { shiftBy: value };
}

function resetRow({ topic, partition, before, after, isClamped }: ResetOffset): HolderValue {
  return [topic, partition, before ?? null, after ?? null, isClamped];
}

function groupsPage(groups: readonly GroupListing[], after: string): Values {
  const rest = groups.filter(({ groupId }) => compareText(groupId, after) > 0);
  const page = rest.slice(0, PAGE_GROUPS).map(listingRow);
  return { groups: page, hasMore: rest.length > PAGE_GROUPS };
}

function listingRow({ groupId, state, protocolType, members }: GroupListing): HolderValue {
  return [groupId, state, protocolType, members];
}

/** Members come with the first page. */
function groupPage(group: GroupDescription, from: number): Values {
  const { generation, protocol, leaderId, memberList, partitions, lag } = group;
  const page = partitions.slice(from, from + PAGE_PARTITIONS);
  return {
    group: listingRow(group),
    generation,
    protocol,
    leaderId,
    lag,
    members: from === 0 ? memberList.map(memberRow) : [],
    partitions: page.map((one) => [
      one.topic,
      one.partition,
      one.memberId ?? null,
      one.committedOffset ?? null,
      one.metadata,
      one.startOffset ?? null,
      one.endOffset ?? null,
      one.lag ?? null,
    ]),
    hasMore: partitions.length > from + PAGE_PARTITIONS,
  };
}

function memberRow(member: MemberDescription): HolderValue {
  const { memberId, instanceId, clientId, clientHost, topics } = member;
  return [
    memberId,
    instanceId ?? null,
    clientId ?? null,
    clientHost ?? null,
    topics?.length ?? null,
  ];
}

function takenValues({ records, isAtEnd, isOver }: Taken): Values {
  return { records: records.map(recordRow), isAtEnd, isOver };
}

function recordRow({ topic, partition, record }: TakenRecord): HolderValue {
  const { offset, timestamp, key, value } = record;
  const headers = record.headers.map((header) => [header.key, header.value]);
  return [topic, partition, offset, timestamp, key, value, headers];
}
