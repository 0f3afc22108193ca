/**
 * The sessions of share groups' clients, by group and member: bounded, and ended with their
 * connections.
 */

import { kafkaErrors } from './error-codes.js';
import { FIRST_EPOCH, LAST_EPOCH } from './fetch-session.js';
import { ShareSession } from './share-session.js';

export interface SessionRequest {
  readonly groupId: string;
  readonly memberId: string;
  readonly epoch: number;
  /** Aborts when the connection of the client has ended. */
  readonly signal: AbortSignal;
}

export type SessionPlan =
  | { readonly kind: 'refused'; readonly errorCode: number }
  | { readonly kind: 'open' | 'last'; readonly session: ShareSession };

/** Of all sessions together. */
const PARTITIONS_MAX = 200_000;

export class ShareSessions {
  readonly #sessionsMax: number;
  readonly #sessions = new Map<string, ShareSession>();

  constructor(sessionsMax: number) {
    this.#sessionsMax = sessionsMax;
  }

  get count(): number {
    return this.#sessions.size;
  }

  /** The session of a request; a new one takes the place of the one that the member had. */
  async begin(request: SessionRequest): Promise<SessionPlan> {
    const { groupId, memberId, epoch, signal } = request;
    const key = keyOf(groupId, memberId);
    const known = this.#sessions.get(key);
    if (epoch === FIRST_EPOCH) {
      await this.#end(known);
      if (this.#sessions.size >= this.#sessionsMax) return refused('SHARE_SESSION_LIMIT_REACHED');
      const session = new ShareSession(groupId, memberId);
      this.#sessions.set(key, session);
      const ended = (): void => void this.#end(session);
      if (signal.aborted) ended();
      else signal.addEventListener('abort', ended, { once: true });
      return { kind: 'open', session };
    }
    if (known === undefined) return refused('SHARE_SESSION_NOT_FOUND');
    if (epoch === LAST_EPOCH) return { kind: 'last', session: known };
    if (epoch !== known.epoch) return refused('INVALID_SHARE_SESSION_EPOCH');
    known.advance();
    return { kind: 'open', session: known };
  }

  /** Whether so many partitions more fit. */
  hasRoomFor(partitions: number): boolean {
    let count = partitions;
    for (const session of this.#sessions.values()) count += session.partitionCount;
    return count <= PARTITIONS_MAX;
  }

  end(session: ShareSession): Promise<void> {
    return this.#end(session);
  }

  /** All clients give back what they have. */
  async close(): Promise<void> {
    await Promise.all([...this.#sessions.values()].map((session) => this.#end(session)));
  }

  async #end(session: ShareSession | undefined): Promise<void> {
    if (session === undefined) return;
    const key = keyOf(session.groupId, session.memberId);
    if (this.#sessions.get(key) === session) this.#sessions.delete(key);
    await session.close();
  }
}

function refused(name: keyof typeof kafkaErrors): SessionPlan {
  return { kind: 'refused', errorCode: kafkaErrors[name] };
}

function keyOf(groupId: string, memberId: string): string {
  return JSON.stringify([groupId, memberId]);
}
