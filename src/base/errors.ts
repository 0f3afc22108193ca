/**
 * The error table: every operating error that Millrace reports, defined once.
 *
 * `code` is permanent and what callers switch on; the text may change. `retryable` says whether the
 * same call can succeed later without anybody changing it. The facts (file, position, expected,
 * actual, ...) are own properties of the error, for people and for machines.
 */

export interface ErrorEntry {
  /** Whether the same call can succeed later by itself. */
  readonly retryable: boolean;
  /** What it means, as the first words of the message. */
  readonly summary: string;
}

export const errorTable = {
  NOT_A_DIRECTORY: { retryable: false, summary: 'the path is not a directory' },
  NOT_A_LOG: { retryable: false, summary: 'the directory is not a log' },
  LOG_NOT_FOUND: { retryable: false, summary: 'there is no log at this path' },
  PERMISSION_DENIED: { retryable: false, summary: 'the operating system denies access' },
  LOG_LOCKED: { retryable: true, summary: 'another writer holds the log' },
  OPTION_UNKNOWN: { retryable: false, summary: 'no such option' },
  OPTION_INVALID: { retryable: false, summary: 'the option has an invalid value' },
  OPTION_CONFLICT: { retryable: false, summary: 'the option differs from what the log remembers' },
  RECORD_INVALID: { retryable: false, summary: 'the record is not valid' },
  KEY_REQUIRED: { retryable: false, summary: 'a compacted log takes records with a key only' },
  BATCH_INVALID: { retryable: false, summary: 'the ready-made batch is not valid' },
  RECORD_TOO_LARGE: { retryable: false, summary: 'the record exceeds the limit' },
  BATCH_TOO_LARGE: { retryable: false, summary: 'the batch exceeds the limit' },
  OFFSET_OUT_OF_RANGE: { retryable: false, summary: 'the offset is outside the log' },
  CODEC_UNAVAILABLE: { retryable: false, summary: 'the compression codec is not available' },
  DECOMPRESSION_FAILED: { retryable: false, summary: 'the compressed bytes are not valid' },
  DECOMPRESSED_TOO_LARGE: { retryable: false, summary: 'the batch inflates beyond the limit' },
  LOG_CORRUPT: { retryable: false, summary: 'stored bytes are damaged' },
  FORMAT_UNSUPPORTED: { retryable: false, summary: 'the file has an unknown format version' },
  LOG_READ_ONLY: { retryable: false, summary: 'the log is open for reading only' },
  LOG_POISONED: {
    retryable: false,
    summary: 'the log refuses writes after a failed write or sync',
  },
  OUTCOME_UNKNOWN: { retryable: false, summary: 'the records may or may not be stored' },
  DISK_FULL: { retryable: true, summary: 'no space is left; the records are not stored' },
  BUFFER_FULL: { retryable: true, summary: 'the append buffer is full' },
  LOG_CLOSED: { retryable: false, summary: 'the log is closed' },
  BATCH_ENDED: { retryable: false, summary: 'the borrowed batch has ended' },
  TOO_MANY_OPEN_FILES: { retryable: true, summary: 'the limit of open files is reached' },
  IO_FAILED: { retryable: false, summary: 'an operating system call failed' },
  HOLDER_FAILED: { retryable: true, summary: 'the holder of the log did not answer' },
  CLEANER_FAILED: { retryable: true, summary: 'the cleaning was ended before it was done' },
  OUT_OF_ORDER_SEQUENCE: { retryable: false, summary: 'batches of the producer are missing' },
  PRODUCER_FENCED: { retryable: false, summary: 'a newer process of the producer has written' },
  TRANSACTION_STATE_INVALID: { retryable: false, summary: 'the transaction is not in that state' },
  TRANSACTION_TIMED_OUT: { retryable: true, summary: 'the transaction took too long' },
  TRANSACTION_ABORTED: { retryable: false, summary: 'the transaction cannot commit; it is undone' },
  TRANSACTION_TOO_LARGE: { retryable: false, summary: 'the transaction exceeds a limit' },
  TRANSACTIONS_FULL: { retryable: true, summary: 'too many transactions are open' },
  OFFSET_HELD: { retryable: true, summary: 'a transaction holds the offset of the partition' },
  COORDINATOR_FENCED: { retryable: false, summary: 'a newer coordinator has ended a transaction' },
  PRODUCERS_FULL: { retryable: true, summary: 'too many producers have open transactions' },
  FRAME_INVALID: { retryable: false, summary: 'the frame is not one of the protocol' },
  AUTHENTICATION_FAILED: { retryable: false, summary: 'the user or the secret is not right' },
  ACCESS_DENIED: { retryable: false, summary: 'no rule allows the user to do this' },
  USERS_FILE_INVALID: { retryable: false, summary: 'the file of users is not valid' },
  ADDRESS_IN_USE: { retryable: true, summary: 'another program listens on this address' },
  NOT_A_BROKER: { retryable: false, summary: 'the directory is not a broker' },
  BROKER_CLOSED: { retryable: false, summary: 'the broker is closed' },
  INVALID_TOPIC_NAME: { retryable: false, summary: 'the name cannot be that of a topic' },
  TOPIC_EXISTS: { retryable: false, summary: 'there is a topic of this name' },
  TOPIC_CONFLICT: { retryable: false, summary: 'the topic differs from what is asked for' },
  UNKNOWN_TOPIC: { retryable: false, summary: 'there is no such topic' },
  UNKNOWN_PARTITION: { retryable: false, summary: 'the topic has no such partition' },
  VALUE_INVALID: { retryable: false, summary: 'the value does not fit the codec of the topic' },
  PRODUCER_CLOSED: { retryable: false, summary: 'the producer is closed' },
  CONSUMER_CLOSED: { retryable: false, summary: 'the consumer is closed' },
  RECORD_DROPPED: { retryable: true, summary: 'newer records took the place in the buffer' },
  UNKNOWN_MEMBER: { retryable: false, summary: 'the group has no such member' },
  ILLEGAL_GENERATION: { retryable: false, summary: 'the generation of the group is another one' },
  REBALANCE_IN_PROGRESS: { retryable: true, summary: 'the group is rebalancing' },
  FENCED_INSTANCE: { retryable: false, summary: 'another process is this static member now' },
  INSTANCE_IN_USE: { retryable: false, summary: 'the static member is there already' },
  MEMBER_FENCED: { retryable: false, summary: 'the member is in another epoch; it joins anew' },
  MEMBER_EPOCH_STALE: { retryable: true, summary: 'the epoch of the member is another one' },
  ASSIGNOR_UNKNOWN: { retryable: false, summary: 'the coordinator has no such assignor' },
  PATTERN_INVALID: { retryable: false, summary: 'the pattern of topic names is not valid' },
  MEMBER_ID_REQUIRED: { retryable: true, summary: 'a new member joins with the id it was given' },
  MEMBER_INVALID: { retryable: false, summary: 'what the member asks is not valid' },
  SESSION_TIMEOUT_INVALID: { retryable: false, summary: 'the session timeout is out of bounds' },
  GROUP_PROTOCOL_CONFLICT: {
    retryable: false,
    summary: 'the members of the group have no assignor in common',
  },
  GROUP_FULL: { retryable: true, summary: 'there is no room for one more' },
  GROUP_INVALID: { retryable: false, summary: 'the text cannot be the id of a group' },
  GROUP_NOT_FOUND: { retryable: false, summary: 'there is no such group' },
  GROUP_NOT_EMPTY: { retryable: true, summary: 'the group has members' },
  GROUP_SUBSCRIBED: { retryable: true, summary: 'members of the group subscribe to the topic' },
  OFFSET_METADATA_TOO_LARGE: {
    retryable: false,
    summary: 'the text of the commit exceeds the limit',
  },
  ATTEMPT_TIMED_OUT: { retryable: true, summary: 'the handler took too long' },
  ATTEMPT_ENDED: { retryable: true, summary: 'the handler is to end; the record comes again' },
  INVALID_EXCHANGE_NAME: { retryable: false, summary: 'the name cannot be that of an exchange' },
  EXCHANGE_CONFLICT: { retryable: false, summary: 'the exchange differs from what is asked for' },
  EXCHANGE_EXISTS: { retryable: false, summary: 'there is an exchange of this name' },
  UNKNOWN_EXCHANGE: { retryable: false, summary: 'there is no such exchange' },
  EXCHANGES_FULL: { retryable: true, summary: 'there is no room for another exchange or binding' },
  BINDING_INVALID: { retryable: false, summary: 'the binding is not valid' },
  FILTER_POLICY_INVALID: { retryable: false, summary: 'the filter policy is not valid' },
  ROUTING_KEY_INVALID: { retryable: false, summary: 'the text cannot be a routing key' },
  MESSAGE_UNROUTABLE: { retryable: false, summary: 'no queue or topic is bound for the message' },
  REQUEST_TIMED_OUT: { retryable: true, summary: 'nobody replied to the request in time' },
  ATTRIBUTE_INVALID: { retryable: false, summary: 'the attributes cannot be looked at' },
  UNKNOWN_QUEUE: { retryable: false, summary: 'there is no such queue' },
  QUEUE_EXISTS: { retryable: false, summary: 'there is a queue of this name' },
  QUEUE_CONFLICT: { retryable: false, summary: 'the queue differs from what is asked for' },
  QUEUE_FULL: { retryable: true, summary: 'the queue holds as much as it may' },
  QUEUES_FULL: { retryable: true, summary: 'there is no room for another queue' },
  RECEIPT_INVALID: { retryable: false, summary: 'the text cannot be a receipt' },
  RECEIPT_STALE: { retryable: false, summary: 'the delivery of the message is over' },
  LEASE_FROZEN: { retryable: true, summary: 'a transaction holds the message' },
  REPAIR_REFUSED: { retryable: false, summary: 'the repair would lose records' },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errorTable;

export type ErrorFact = string | number | boolean | null | undefined;
export type ErrorFacts = Readonly<Record<string, ErrorFact>>;

export class MillraceError extends Error {
  override readonly name = 'MillraceError';
  readonly code: ErrorCode;
  /** Whether the same call can succeed later by itself. */
  readonly retryable: boolean;
  readonly facts: ErrorFacts;

  constructor(code: ErrorCode, facts: ErrorFacts, cause?: unknown) {
    super(describe(code, facts), cause === undefined ? undefined : { cause });
    this.code = code;
    this.retryable = errorTable[code].retryable;
    this.facts = Object.freeze({ ...facts });
  }
}

/** Makes the error of `code`; `facts` says what, where, expected and found. */
export function createError(code: ErrorCode, facts: ErrorFacts, cause?: unknown): MillraceError {
  return new MillraceError(code, facts, cause);
}

/** Whether `error` is Millrace's error of `code`. */
export function hasCode(error: unknown, code: ErrorCode): error is MillraceError {
  return error instanceof MillraceError && error.code === code;
}

/** The errno name (`ENOSPC`, ...) of an operating system error, or undefined. */
export function errnoOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

function describe(code: ErrorCode, facts: ErrorFacts): string {
  const { message, ...rest } = facts;
  const parts = Object.entries(rest)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${String(value)}`);
  const detail = parts.length === 0 ? '' : ` (${parts.join(', ')})`;
  const text = message === undefined ? errorTable[code].summary : String(message);
  return `${code}: ${text}${detail}`;
}
