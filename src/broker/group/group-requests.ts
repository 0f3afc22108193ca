/**
 * What members ask of the coordinator and what it answers: Kafka's classic group requests as plain
 * values, so that a promise in this process and a frame from a socket meet in one place.
 *
 * Metadata and assignments are bytes that the coordinator hands on; of protocol type `consumer` it
 * reads the topics (see `group-subscription.ts`).
 */

/** The protocol type whose metadata are subscriptions. */
export const CONSUMER_PROTOCOL = 'consumer';

export interface GroupProtocol {
  /** The name of an assignor that the member knows. */
  readonly name: string;
  /** Kept as long as the member; not to be changed by whoever gave it. */
  readonly metadata: Uint8Array;
}

export interface MemberIdentity {
  readonly memberId: string;
  /** A static member has one: its place in the group outlives the process. */
  readonly instanceId?: string | undefined;
}

export interface JoinRequest extends MemberIdentity {
  readonly groupId: string;
  /** For people: what the member calls itself, and where it is. */
  readonly clientId?: string;
  readonly clientHost?: string;
  readonly sessionTimeoutMs: number;
  /** How long a rebalance waits for this member to join again. */
  readonly rebalanceTimeoutMs: number;
  readonly protocolType: string;
  /** What the member prefers comes first. */
  readonly protocols: readonly GroupProtocol[];
  /**
   * A new dynamic member first gets MEMBER_ID_REQUIRED with its id in the facts and joins with
   * that: one whose answers get lost leaves no members behind that nobody is.
   */
  readonly requiresKnownMemberId?: boolean;
  /** Called soon after a rebalance begins or the member is removed: a reason to heartbeat now. */
  readonly onRebalance?: () => void;
}

export interface JoinedMember extends MemberIdentity {
  readonly metadata: Uint8Array;
}

export interface JoinResult {
  readonly generation: number;
  readonly memberId: string;
  readonly leaderId: string;
  readonly protocolType: string;
  readonly protocol: string;
  /** The leader is back in a stable group: the assignment stands, it only fetches its own. */
  readonly skipAssignment: boolean;
  /** For the leader; empty for all others. */
  readonly members: readonly JoinedMember[];
}

export interface GenerationRequest extends MemberIdentity {
  readonly groupId: string;
  readonly generation: number;
}

export interface MemberAssignment {
  readonly memberId: string;
  readonly assignment: Uint8Array;
}

export interface SyncRequest extends GenerationRequest {
  /** When given, they must be those of the generation. */
  readonly protocolType?: string;
  readonly protocol?: string;
  /** From the leader; empty from all others. */
  readonly assignments: readonly MemberAssignment[];
}

export interface SyncResult {
  readonly protocolType: string;
  readonly protocol: string;
  readonly assignment: Uint8Array;
}

export interface LeaveRequest {
  readonly groupId: string;
  /** A static member may be named by its instance id alone, with an empty member id. */
  readonly member: MemberIdentity;
}
