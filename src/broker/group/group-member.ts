/**
 * One member as its group keeps it: who it is, what it can do, what it was given, what it awaits.
 *
 * A member has at most one join and one sync under way; a newer request of the same kind takes the
 * place of the older one, which gets an error. While a member waits for an answer of ours it is
 * alive: its session is only counted from the answer on.
 */

import type { Cancel } from '../../base/clock.js';
import type { MillraceError } from '../../base/errors.js';
import type { GroupProtocol, JoinRequest, JoinResult, SyncResult } from './group-requests.js';

/** A promise that is settled from outside, once. */
export class Waiter<T> {
  readonly promise: Promise<T>;
  #resolve: (value: T) => void = unset;
  #reject: (error: MillraceError) => void = unset;

  constructor() {
    this.promise = new Promise<T>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  resolve(value: T): void {
    this.#resolve(value);
  }

  reject(error: MillraceError): void {
    this.#reject(error);
  }
}

function unset(): void {}

export class GroupMember {
  /** A static member that comes back gets a new one. */
  memberId: string;
  readonly instanceId: string | undefined;
  /** What it said at its latest join. */
  request: JoinRequest;
  assignment: Uint8Array = new Uint8Array(0);
  joining: Waiter<JoinResult> | undefined;
  syncing: Waiter<SyncResult> | undefined;
  /** It must fetch the assignment of this generation yet. */
  owesSync = false;
  /** Monotonic time at which it is given up. */
  sessionEndMs = 0;
  cancelSession: Cancel | undefined;

  constructor(memberId: string, request: JoinRequest) {
    this.memberId = memberId;
    this.instanceId = request.instanceId;
    this.request = request;
  }

  get isWaiting(): boolean {
    return this.joining !== undefined || this.syncing !== undefined;
  }

  get protocols(): readonly GroupProtocol[] {
    return this.request.protocols;
  }

  metadataOf(protocol: string): Uint8Array | undefined {
    return this.protocols.find(({ name }) => name === protocol)?.metadata;
  }

  /** Whether another join says the same, in the same order of preference. */
  offersSame(protocols: readonly GroupProtocol[]): boolean {
    if (protocols.length !== this.protocols.length) return false;
    return protocols.every(({ name, metadata }, index) => {
      const known = this.protocols[index];
      return known?.name === name && isSameBytes(known.metadata, metadata);
    });
  }

  /** Whoever waits for an answer to this member gets the error. */
  refuse(error: MillraceError): void {
    const { joining, syncing } = this;
    this.joining = undefined;
    this.syncing = undefined;
    joining?.reject(error);
    syncing?.reject(error);
  }
}

export function isSameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}
