/**
 * All fetch sessions of a server, bounded: by their number and by the partitions in them.
 *
 * When there is no room, sessions that have been idle for long make it, the oldest first. Else the
 * client gets no session and says all that it wants each time, which is always allowed.
 */

import { assert } from '../../base/assert.js';
import type { Prng } from '../../base/prng.js';
import { kafkaErrors } from './error-codes.js';
import {
  type FetchPlace,
  type FetchRequest,
  FetchSession,
  FIRST_EPOCH,
  LAST_EPOCH,
  NO_SESSION,
  placesOf,
} from './fetch-session.js';

export interface FetchSessionLimits {
  readonly sessionsMax: number;
  /** Of all sessions together. */
  readonly partitionsMax: number;
  /** A session that was idle for so long may be ended for another one. */
  readonly idleMs: number;
}

/** What a request comes to: an error; or what is wanted, and the session that it belongs to. */
export type FetchPlan =
  | { readonly kind: 'refused'; readonly errorCode: number }
  | {
      readonly kind: 'all' | 'news';
      readonly session: FetchSession | undefined;
      readonly places: readonly FetchPlace[];
    };

const ID_BELOW = 0x7fff_ffff;

export class FetchSessions {
  readonly #limits: FetchSessionLimits;
  readonly #random: Prng;
  /** In the order of their last use. */
  readonly #sessions = new Map<number, FetchSession>();
  #partitions = 0;

  constructor(limits: FetchSessionLimits, random: Prng) {
    this.#limits = limits;
    this.#random = random;
  }

  get count(): number {
    return this.#sessions.size;
  }

  /** Of all sessions together. */
  get partitionCount(): number {
    return this.#partitions;
  }

  begin(request: FetchRequest, usesTopicIds: boolean, nowMs: number): FetchPlan {
    const { sessionId, sessionEpoch } = request;
    if (sessionEpoch === LAST_EPOCH || sessionEpoch === FIRST_EPOCH) {
      this.#end(sessionId);
      const places = placesOf(request.topics);
      const isWanted = sessionEpoch === FIRST_EPOCH && places.length > 0;
      const session = isWanted ? this.#create(request, usesTopicIds, nowMs) : undefined;
      return { kind: 'all', session, places: session?.places() ?? places };
    }
    const session = this.#sessions.get(sessionId);
    if (session === undefined) return refused('FETCH_SESSION_ID_NOT_FOUND');
    if (session.epoch !== sessionEpoch) return refused('INVALID_FETCH_SESSION_EPOCH');
    if (session.usesTopicIds !== usesTopicIds) return refused('FETCH_SESSION_TOPIC_ID_ERROR');
    return this.#go(session, request, nowMs);
  }

  #go(session: FetchSession, request: FetchRequest, nowMs: number): FetchPlan {
    this.#end(session.id);
    session.advance(nowMs);
    session.update(request);
    // One that grew beyond what there is room for begins anew, and then gets none.
    if (!this.#makeRoom(session.partitionCount, nowMs)) {
      return refused('FETCH_SESSION_ID_NOT_FOUND');
    }
    const isEmpty = session.partitionCount === 0;
    if (!isEmpty) this.#add(session);
    return { kind: 'news', session: isEmpty ? undefined : session, places: session.places() };
  }

  #create(request: FetchRequest, usesTopicIds: boolean, nowMs: number): FetchSession | undefined {
    const session = new FetchSession(this.#newId(), usesTopicIds, nowMs);
    session.update({ topics: request.topics, forgottenTopics: [] });
    if (!this.#makeRoom(session.partitionCount, nowMs)) return undefined;
    this.#add(session);
    return session;
  }

  /** Whether one more session with so many partitions fits, once those that may go are gone. */
  #makeRoom(partitions: number, nowMs: number): boolean {
    const { sessionsMax, partitionsMax, idleMs } = this.#limits;
    const fits = (): boolean =>
      this.#sessions.size < sessionsMax && this.#partitions + partitions <= partitionsMax;
    for (const { id, usedMs } of this.#sessions.values()) {
      if (fits() || nowMs - usedMs < idleMs) break;
      this.#end(id);
    }
    return fits();
  }

  #add(session: FetchSession): void {
    assert(!this.#sessions.has(session.id), 'a session is there once');
    this.#sessions.set(session.id, session);
    this.#partitions += session.partitionCount;
  }

  #end(id: number): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    this.#sessions.delete(id);
    this.#partitions -= session.partitionCount;
  }

  #newId(): number {
    for (;;) {
      const id = this.#random.integer(ID_BELOW - 1) + 1;
      if (id !== NO_SESSION && !this.#sessions.has(id)) return id;
    }
  }
}

function refused(name: keyof typeof kafkaErrors): FetchPlan {
  return { kind: 'refused', errorCode: kafkaErrors[name] };
}
