/**
 * The newer group protocol (KIP-848): ConsumerGroupHeartbeat and ConsumerGroupDescribe.
 *
 * On the wire topics have their ids. What a member says of a topic that is gone has an id that no
 * topic has, and is nothing that it could be given.
 */

import { MillraceError } from '../../../base/errors.js';
import type { EpochHeartbeat, EpochPartition } from '../../../broker/main.js';
import type { RequestAccess } from '../authorization.js';
import { kafkaErrorOf, kafkaErrors } from '../error-codes.js';
import type { Handlers, RequestContext } from '../handler-table.js';
import type { KafkaNode } from '../kafka-node.js';
import { consumerGroupDescribe, consumerGroupHeartbeat } from '../messages/groups.js';
import type { RequestOf, ResponseOf } from '../wire-api.js';
import { identityOf } from './group-handlers.js';

type HeartbeatRequest = RequestOf<typeof consumerGroupHeartbeat>;
type HeartbeatResponse = ResponseOf<typeof consumerGroupHeartbeat>;
type TopicPartitions = NonNullable<HeartbeatRequest['topicPartitions']>;
type DescribedGroup = ResponseOf<typeof consumerGroupDescribe>['groups'][number];

const NO_OPERATIONS = -0x8000_0000;
/** The member uses this protocol, and not the classic one. */
const CONSUMER_TYPE = 1;
/** From here on a member brings its own id. */
const OWN_ID_FROM = 1;

export function addEpochGroupHandlers(handlers: Handlers, node: KafkaNode): void {
  handlers.add(consumerGroupHeartbeat, (request, context) => beat(node, request, context));
  handlers.add(consumerGroupDescribe, async ({ groupIds }, { access }) => ({
    throttleTimeMs: 0,
    groups: await Promise.all(groupIds.map((groupId) => describe(node, groupId, access))),
  }));
}

async function beat(
  node: KafkaNode,
  request: HeartbeatRequest,
  context: RequestContext,
): Promise<HeartbeatResponse> {
  try {
    const { access, version } = context;
    access.check('group', request.groupId);
    for (const name of request.subscribedTopicNames ?? []) access.check('topic', name);
    if (version >= OWN_ID_FROM && request.memberId === '') {
      return refusal(kafkaErrors.INVALID_REQUEST, "MemberId can't be empty.");
    }
    const { epochs } = await node.engine.groups.coordinator();
    const told = epochs.heartbeat(heartbeatOf(request, context));
    const { memberId, epoch, heartbeatIntervalMs, assignment } = told;
    await told.stored;
    return {
      throttleTimeMs: 0,
      errorCode: kafkaErrors.NONE,
      errorMessage: null,
      memberId,
      memberEpoch: epoch,
      heartbeatIntervalMs,
      assignment: assignment === undefined ? null : { topicPartitions: byTopic(assignment) },
    };
  } catch (error) {
    return refusal(kafkaErrorOf(error), messageOf(error));
  }
}

function heartbeatOf(request: HeartbeatRequest, context: RequestContext): EpochHeartbeat {
  const { memberId, instanceId, rebalanceTimeoutMs, topicPartitions } = request;
  const { access, clientId, clientHost } = context;
  return {
    groupId: request.groupId,
    ...identityOf(memberId, instanceId),
    epoch: request.memberEpoch,
    rackId: request.rackId ?? undefined,
    clientId,
    clientHost: `/${clientHost}`,
    rebalanceTimeoutMs: rebalanceTimeoutMs === -1 ? undefined : rebalanceTimeoutMs,
    topics: request.subscribedTopicNames ?? undefined,
    pattern: request.subscribedTopicRegex ?? undefined,
    assignor: request.serverAssignor ?? undefined,
    owned: topicPartitions === null ? undefined : partitionsOf(topicPartitions),
    mayRead: (topic) => access.may('topic', topic),
  };
}

function refusal(errorCode: number, errorMessage: string | null): HeartbeatResponse {
  return {
    throttleTimeMs: 0,
    errorCode,
    errorMessage,
    memberId: null,
    memberEpoch: 0,
    heartbeatIntervalMs: 0,
    assignment: null,
  };
}

async function describe(
  node: KafkaNode,
  groupId: string,
  access: RequestAccess,
): Promise<DescribedGroup> {
  const base = { groupId, authorizedOperations: NO_OPERATIONS };
  try {
    access.check('group', groupId);
    const { epochs } = await node.engine.groups.coordinator();
    const { state, epoch, assignmentEpoch, assignor, members } = epochs.describe(groupId);
    return {
      ...base,
      errorCode: kafkaErrors.NONE,
      errorMessage: null,
      groupState: state,
      groupEpoch: epoch,
      assignmentEpoch,
      assignorName: assignor,
      members: members.map((member) => ({
        memberId: member.memberId,
        instanceId: member.instanceId ?? null,
        rackId: member.rackId ?? null,
        memberEpoch: member.epoch,
        clientId: member.clientId ?? '',
        clientHost: member.clientHost ?? '',
        subscribedTopicNames: member.topics.filter((topic) => access.may('topic', topic)),
        subscribedTopicRegex: member.pattern === '' ? null : member.pattern,
        assignment: { topicPartitions: namedByTopic(member.assignment) },
        targetAssignment: { topicPartitions: namedByTopic(member.target) },
        memberType: CONSUMER_TYPE,
      })),
    };
  } catch (error) {
    const errorCode = kafkaErrorOf(error);
    const isAbsent = errorCode === kafkaErrors.GROUP_ID_NOT_FOUND;
    return {
      ...base,
      errorCode,
      // Clients ask again with DescribeGroups.
      errorMessage: isAbsent ? `Group ${groupId} is not a consumer group.` : messageOf(error),
      groupState: '',
      groupEpoch: 0,
      assignmentEpoch: 0,
      assignorName: '',
      members: [],
    };
  }
}

/** Names are not looked at: the id alone tells what is meant. */
function partitionsOf(topics: TopicPartitions): EpochPartition[] {
  return topics.flatMap(({ topicId, partitions }) =>
    partitions.map((partition) => ({ topic: '', topicId, partition })),
  );
}

function byTopic(
  assigned: readonly EpochPartition[],
): { readonly topicId: string; readonly partitions: readonly number[] }[] {
  return namedByTopic(assigned).map(({ topicId, partitions }) => ({ topicId, partitions }));
}

function namedByTopic(assigned: readonly EpochPartition[]): {
  readonly topicId: string;
  readonly topicName: string;
  readonly partitions: readonly number[];
}[] {
  const topics = new Map<string, { topicName: string; partitions: number[] }>();
  for (const { topic, topicId, partition } of assigned) {
    const known = topics.get(topicId) ?? { topicName: topic, partitions: [] };
    topics.set(topicId, known);
    known.partitions.push(partition);
  }
  return [...topics].map(([topicId, named]) => ({ topicId, ...named }));
}

function messageOf(error: unknown): string | null {
  return error instanceof MillraceError ? error.message : null;
}
