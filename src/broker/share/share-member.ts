/**
 * One consumer of a share group, in this process.
 */

import type { LogRecord } from '../../storage/main.js';
import type { Delivery, DeliveryPartition } from './share-delivered.js';

/** The group of a member, as far as the member needs it. */
export interface MemberGroup {
  readonly name: string;
  partitions(): readonly {
    readonly state: { heldBy(owner: number): { readonly count: number; readonly bytes: number } };
  }[];
  receive(member: ShareMember, request: ShareRequest): Promise<Delivery[]>;
  /** It has gone: what it has goes back. */
  leave(member: ShareMember): void;
}

export interface ShareMemberOptions {
  /** Messages that it has at once. */
  readonly inFlightCountMax?: number | undefined;
  /** The same in bytes of key, value and headers. */
  readonly inFlightBytesMax?: number | undefined;
  /** Members of a higher priority are served first. Default 0. */
  readonly priority?: number | undefined;
  /**
   * Called in the step in which a lease ends without the member: by time, or because the message
   * was dropped. Nobody else has the message yet.
   */
  readonly onLeaseEnded?:
    | ((partition: DeliveryPartition, offset: number, receipt: number) => void)
    | undefined;
}

export interface ShareRequest {
  /** Messages at most. */
  readonly max: number;
  /** Bytes of key, value and headers at most; one message is given anyway. */
  readonly maxBytes?: number | undefined;
  /** Only of these partitions. */
  readonly partitions?: ReadonlySet<number> | undefined;
  /** How long to wait for the first message; 0 (the default): not at all. */
  readonly waitMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Instead of that of the group. */
  readonly leaseMs?: number | undefined;
  /** A message that has expired is not handed out. */
  readonly filter?: ((record: LogRecord) => 'expired' | undefined) | undefined;
}

export class ShareMember {
  /** The number of the member in the delivery states. */
  readonly owner: number;
  /** Rises with each member of the group. */
  readonly turn: number;
  readonly priority: number;
  readonly inFlightCountMax: number;
  readonly inFlightBytesMax: number;
  readonly onLeaseEnded: ShareMemberOptions['onLeaseEnded'];
  readonly #group: MemberGroup;
  #isClosed = false;

  /** @internal */
  constructor(group: MemberGroup, owner: number, turn: number, options: ShareMemberOptions) {
    this.turn = turn;
    this.#group = group;
    this.owner = owner;
    this.priority = options.priority ?? 0;
    this.inFlightCountMax = options.inFlightCountMax ?? Number.POSITIVE_INFINITY;
    this.inFlightBytesMax = options.inFlightBytesMax ?? Number.POSITIVE_INFINITY;
    this.onLeaseEnded = options.onLeaseEnded;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get heldCount(): number {
    let count = 0;
    for (const { state } of this.#group.partitions()) count += state.heldBy(this.owner).count;
    return count;
  }

  get heldBytes(): number {
    let bytes = 0;
    for (const { state } of this.#group.partitions()) bytes += state.heldBy(this.owner).bytes;
    return bytes;
  }

  /**
   * Messages, as many as there are up to `max`; waits for the first one, and resolves to none when
   * the wait is over or the member closes. Rejects with the signal's reason, CONSUMER_CLOSED,
   * UNKNOWN_TOPIC, BROKER_CLOSED, DISK_FULL and what reading and appending reject with; nothing was
   * handed out then.
   */
  receive(request: ShareRequest): Promise<Delivery[]> {
    return this.#group.receive(this, request);
  }

  /** Gives back what it has; its waits end. Idempotent. */
  close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#group.leave(this);
    }
    return Promise.resolve();
  }
}
