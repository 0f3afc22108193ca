/**
 * Errors of groups, each with the name that Kafka's protocol has for it in the fact `kafka`.
 */

import {
  createError,
  type ErrorCode,
  type ErrorFacts,
  type MillraceError,
} from '../../base/errors.js';

const kafkaNames = Object.freeze({
  UNKNOWN_MEMBER: 'UNKNOWN_MEMBER_ID',
  ILLEGAL_GENERATION: 'ILLEGAL_GENERATION',
  REBALANCE_IN_PROGRESS: 'REBALANCE_IN_PROGRESS',
  FENCED_INSTANCE: 'FENCED_INSTANCE_ID',
  MEMBER_ID_REQUIRED: 'MEMBER_ID_REQUIRED',
  GROUP_PROTOCOL_CONFLICT: 'INCONSISTENT_GROUP_PROTOCOL',
  GROUP_FULL: 'GROUP_MAX_SIZE_REACHED',
  GROUP_INVALID: 'INVALID_GROUP_ID',
  GROUP_NOT_FOUND: 'GROUP_ID_NOT_FOUND',
  GROUP_NOT_EMPTY: 'NON_EMPTY_GROUP',
  GROUP_SUBSCRIBED: 'GROUP_SUBSCRIBED_TO_TOPIC',
  BROKER_CLOSED: 'COORDINATOR_NOT_AVAILABLE',
  MEMBER_INVALID: 'INVALID_REQUEST',
  SESSION_TIMEOUT_INVALID: 'INVALID_SESSION_TIMEOUT',
  OFFSET_METADATA_TOO_LARGE: 'OFFSET_METADATA_TOO_LARGE',
  OFFSET_HELD: 'UNSTABLE_OFFSET_COMMIT',
  OFFSET_OUT_OF_RANGE: 'OFFSET_OUT_OF_RANGE',
  UNKNOWN_PARTITION: 'UNKNOWN_TOPIC_OR_PARTITION',
} as const satisfies Partial<Record<ErrorCode, string>>);

type GroupErrorCode = keyof typeof kafkaNames;

export function groupError(code: GroupErrorCode, facts: ErrorFacts): MillraceError {
  return createError(code, { ...facts, kafka: kafkaNames[code] });
}
