/**
 * What a join must look like before a group sees it: everything in it comes from outside.
 */

import type { ErrorFacts } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import { isName } from '../../base/options.js';
import type { Group } from './group.js';
import { groupError } from './group-errors.js';
import type { GroupConfig } from './group-options.js';
import { commonProtocols } from './group-protocol.js';
import type { JoinRequest, MemberAssignment } from './group-requests.js';

/** GROUP_INVALID unless it is a text of 1 to 249 bytes. */
export function checkGroupId(groupId: string): void {
  if (isName(groupId, limits.groupNameBytesMax)) return;
  throw groupError('GROUP_INVALID', {
    group: String(groupId).slice(0, limits.groupNameBytesMax),
    expected: `a text of 1 to ${limits.groupNameBytesMax} bytes`,
  });
}

/** GROUP_INVALID, SESSION_TIMEOUT_INVALID, MEMBER_INVALID, GROUP_PROTOCOL_CONFLICT. */
export function checkJoin(request: JoinRequest, config: GroupConfig): void {
  checkGroupId(request.groupId);
  checkTimeouts(request, config);
  const { instanceId, clientId, clientHost, protocols, protocolType } = request;
  const texts = { instanceId, clientId, clientHost, protocolType };
  for (const [name, text] of Object.entries(texts)) {
    if (text !== undefined && !isName(text, limits.groupNameBytesMax)) {
      throw invalid(request, { what: name, expected: 'a short text' });
    }
  }
  if (request.memberId !== '' && !isName(request.memberId, limits.memberIdBytesMax)) {
    throw invalid(request, { what: 'memberId', expected: 'a short text' });
  }
  const names = new Set(protocols.map(({ name }) => name));
  if (names.size === 0 || names.size !== protocols.length) {
    throw groupError('GROUP_PROTOCOL_CONFLICT', {
      group: request.groupId,
      expected: 'one or more different protocols',
    });
  }
  if (protocols.length > limits.memberProtocolsMax) {
    throw invalid(request, { what: 'protocols', expected: `at most ${limits.memberProtocolsMax}` });
  }
  let bytes = 0;
  for (const { name, metadata } of protocols) {
    if (!isName(name, limits.groupNameBytesMax)) throw invalid(request, { what: 'protocol name' });
    bytes += metadata.length;
  }
  if (bytes > limits.memberMetadataBytesMax) {
    const bytesMax = limits.memberMetadataBytesMax;
    throw invalid(request, { what: 'metadata', bytes, bytesMax });
  }
}

/** GROUP_PROTOCOL_CONFLICT when the members in the group and this one have no way in common. */
export function checkCompatible(group: Group, request: JoinRequest): void {
  const { memberId, instanceId } = request;
  if (group.epochs !== undefined) {
    const facts = { group: group.groupId, protocolType: request.protocolType };
    throw groupError('GROUP_PROTOCOL_CONFLICT', { ...facts, expected: 'the newer protocol' });
  }
  const others = group.members.filter(
    (member) =>
      member.memberId !== memberId &&
      (instanceId === undefined || member.instanceId !== instanceId),
  );
  if (others.length === 0) return;
  const offers = [request.protocols, ...others.map(({ protocols }) => protocols)];
  const hasCommon = commonProtocols(offers).length > 0;
  if (hasCommon && request.protocolType === group.protocolType) return;
  throw groupError('GROUP_PROTOCOL_CONFLICT', {
    group: group.groupId,
    protocolType: request.protocolType,
    expectedType: group.protocolType,
    protocols: request.protocols.map(({ name }) => name).join(),
    expected: commonProtocols(others.map(({ protocols }) => protocols)).join(),
  });
}

/** GROUP_FULL when the group, with the ids it gave out, has no room for one more. */
export function checkRoom(group: Group, config: GroupConfig): void {
  const count = group.size + group.pendingIds.size;
  if (count < config.groupMaxSize) return;
  throw groupError('GROUP_FULL', { group: group.groupId, count, countMax: config.groupMaxSize });
}

/** MEMBER_INVALID when an assignment is larger than a member may get. */
export function checkAssignments(groupId: string, assignments: readonly MemberAssignment[]): void {
  for (const { memberId, assignment } of assignments) {
    if (assignment.length <= limits.memberMetadataBytesMax) continue;
    throw groupError('MEMBER_INVALID', {
      group: groupId,
      memberId,
      what: 'assignment',
      bytes: assignment.length,
      bytesMax: limits.memberMetadataBytesMax,
    });
  }
}

function checkTimeouts(request: JoinRequest, config: GroupConfig): void {
  const { sessionTimeoutMs, rebalanceTimeoutMs } = request;
  const { groupMinSessionTimeoutMs: min, groupMaxSessionTimeoutMs: max } = config;
  if (!(sessionTimeoutMs >= min && sessionTimeoutMs <= max)) {
    throw groupError('SESSION_TIMEOUT_INVALID', {
      group: request.groupId,
      sessionTimeoutMs,
      expected: `${min} to ${max} ms`,
    });
  }
  if (!(rebalanceTimeoutMs > 0 && rebalanceTimeoutMs <= limits.rebalanceTimeoutMsMax)) {
    throw invalid(request, {
      what: 'rebalanceTimeoutMs',
      actual: rebalanceTimeoutMs,
      expected: `1 to ${limits.rebalanceTimeoutMsMax} ms`,
    });
  }
}

function invalid(request: JoinRequest, facts: ErrorFacts) {
  return groupError('MEMBER_INVALID', { group: request.groupId, ...facts });
}
