/**
 * The classic group protocol: requests become the coordinator's, its answers theirs.
 */

import { hasCode, MillraceError } from '../../../base/errors.js';
import { kafkaErrorOf, kafkaErrors } from '../error-codes.js';
import type { Handlers, RequestContext } from '../handler-table.js';
import type { KafkaNode } from '../kafka-node.js';
import { heartbeat, joinGroup, leaveGroup, syncGroup } from '../messages/groups.js';
import type { RequestOf, ResponseOf } from '../wire-api.js';

type JoinRequest = RequestOf<typeof joinGroup>;
type JoinResponse = ResponseOf<typeof joinGroup>;

/** From here on a new member first gets its id, and joins with that. */
const KNOWN_ID_FROM = 4;
const NO_BYTES = new Uint8Array(0);

export function addGroupHandlers(handlers: Handlers, node: KafkaNode): void {
  handlers.add(joinGroup, (request, context) => answerJoin(node, request, context));
  handlers.add(syncGroup, async (request, { access }) => {
    const { groupId, generationId, memberId, assignments } = request;
    try {
      access.check('group', groupId);
      const coordinator = await node.engine.groups.coordinator();
      const synced = await coordinator.sync({
        groupId,
        generation: generationId,
        ...identityOf(memberId, request.groupInstanceId),
        ...(request.protocolType === null ? {} : { protocolType: request.protocolType }),
        ...(request.protocolName === null ? {} : { protocol: request.protocolName }),
        assignments,
      });
      return {
        throttleTimeMs: 0,
        errorCode: kafkaErrors.NONE,
        protocolType: synced.protocolType,
        protocolName: synced.protocol,
        assignment: synced.assignment,
      };
    } catch (error) {
      const refused = { protocolType: null, protocolName: null, assignment: NO_BYTES };
      return { throttleTimeMs: 0, errorCode: kafkaErrorOf(error), ...refused };
    }
  });
  handlers.add(heartbeat, async (request, { access }) => {
    const { groupId, generationId, memberId, groupInstanceId } = request;
    const errorCode = await codeOf(async () => {
      access.check('group', groupId);
      const coordinator = await node.engine.groups.coordinator();
      const identity = identityOf(memberId, groupInstanceId);
      await coordinator.heartbeat({ groupId, generation: generationId, ...identity });
    });
    return { throttleTimeMs: 0, errorCode };
  });
  handlers.add(leaveGroup, async ({ groupId, memberId, members }, { version, access }) => {
    const leave = (identity: { memberId: string; instanceId?: string | undefined }) =>
      codeOf(async () => {
        access.check('group', groupId);
        const coordinator = await node.engine.groups.coordinator();
        await coordinator.leave({ groupId, member: identity });
      });
    if (version < LEAVES_TOGETHER_FROM) {
      return { throttleTimeMs: 0, errorCode: await leave({ memberId }), members: [] };
    }
    const left = await Promise.all(
      members.map(async ({ memberId: id, groupInstanceId }) => ({
        memberId: id,
        groupInstanceId,
        errorCode: await leave(identityOf(id, groupInstanceId)),
      })),
    );
    return { throttleTimeMs: 0, errorCode: kafkaErrors.NONE, members: left };
  });
}

/** In older versions one member leaves with each request. */
const LEAVES_TOGETHER_FROM = 3;

async function answerJoin(
  node: KafkaNode,
  request: JoinRequest,
  { version, clientId, clientHost, signal, access }: RequestContext,
): Promise<JoinResponse> {
  const { groupId, memberId, protocols, protocolType, sessionTimeoutMs } = request;
  try {
    access.check('group', groupId);
    const coordinator = await node.engine.groups.coordinator();
    const joined = await coordinator.join({
      groupId,
      ...identityOf(memberId, request.groupInstanceId),
      ...(clientId === undefined ? {} : { clientId }),
      clientHost: `/${clientHost}`,
      sessionTimeoutMs,
      rebalanceTimeoutMs: version === 0 ? sessionTimeoutMs : request.rebalanceTimeoutMs,
      protocolType,
      // They outlive the frame that they came in.
      protocols: protocols.map(({ name, metadata }) => ({ name, metadata: metadata.slice() })),
      requiresKnownMemberId: version >= KNOWN_ID_FROM,
    });
    signal.throwIfAborted();
    return {
      throttleTimeMs: 0,
      errorCode: kafkaErrors.NONE,
      generationId: joined.generation,
      protocolType: joined.protocolType,
      protocolName: joined.protocol,
      leader: joined.leaderId,
      skipAssignment: joined.skipAssignment,
      memberId: joined.memberId,
      members: joined.members.map(({ memberId: id, instanceId, metadata }) => ({
        memberId: id,
        groupInstanceId: instanceId ?? null,
        metadata,
      })),
    };
  } catch (error) {
    return {
      throttleTimeMs: 0,
      errorCode: kafkaErrorOf(error),
      generationId: -1,
      protocolType: null,
      protocolName: version >= NULL_PROTOCOL_FROM ? null : '',
      leader: '',
      skipAssignment: false,
      memberId: idToJoinWith(error) ?? memberId,
      members: [],
    };
  }
}

const NULL_PROTOCOL_FROM = 7;

function idToJoinWith(error: unknown): string | undefined {
  if (!(error instanceof MillraceError) || !hasCode(error, 'MEMBER_ID_REQUIRED')) return undefined;
  const { memberId } = error.facts;
  return typeof memberId === 'string' ? memberId : undefined;
}

export function identityOf(
  memberId: string,
  instanceId: string | null,
): { readonly memberId: string; readonly instanceId?: string } {
  return instanceId === null ? { memberId } : { memberId, instanceId };
}

/** How it went, as a number of the protocol. */
export async function codeOf(run: () => Promise<void>): Promise<number> {
  try {
    await run();
    return kafkaErrors.NONE;
  } catch (error) {
    return kafkaErrorOf(error);
  }
}
