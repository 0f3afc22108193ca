/**
 * A client's transactional id as it lies in the state log.
 *
 *     client/<transactional id>   [1, producer id, epoch, epoch before, timeout, state, last use]
 *
 * The epoch before is the one that the client had when it asked for the next one, or when its time
 * was over; -1 without. The timeout is in milliseconds, the last use a wall time in milliseconds.
 * The state is 'empty' (no transaction with this epoch), 'ongoing', 'committed' or 'aborted' (the
 * last one). 'ongoing' is durable before a client may write, and 'committed' is stored with the
 * decision: so a restart knows what became of the transaction that its client asks about.
 */

import { createError } from '../../base/errors.js';
import type { StateEntry } from '../state/state-log.js';

export type ClientState = 'empty' | 'ongoing' | 'committed' | 'aborted';

export interface StoredClient {
  readonly transactionalId: string;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly lastEpoch: number;
  readonly timeoutMs: number;
  readonly state: ClientState;
  readonly usedAtMs: number;
}

const FORM = 1;
const PREFIX = 'client/';
const EPOCH_MAX = 2 ** 15 - 1;

export function isClientEntry({ key }: StateEntry): boolean {
  return key.startsWith(PREFIX);
}

export function clientEntry(client: StoredClient): StateEntry {
  const { transactionalId, producerId, producerEpoch, lastEpoch } = client;
  const { timeoutMs, state, usedAtMs } = client;
  const value = [FORM, producerId, producerEpoch, lastEpoch, timeoutMs, state, usedAtMs];
  return { key: PREFIX + transactionalId, value };
}

/** The id is forgotten. */
export function noClientEntry(transactionalId: string): StateEntry {
  return { key: PREFIX + transactionalId, value: null };
}

/** FORMAT_UNSUPPORTED for a newer form, LOG_CORRUPT for what is none. */
export function readClient({ key, value }: StateEntry): StoredClient {
  const [form, producerId, producerEpoch, lastEpoch, timeoutMs, state, usedAtMs] = value ?? [];
  if (typeof form === 'number' && form > FORM) {
    throw createError('FORMAT_UNSUPPORTED', { key, expected: FORM, actual: form });
  }
  const isFine =
    form === FORM &&
    isWithin(producerId, 0, Number.MAX_SAFE_INTEGER) &&
    isWithin(producerEpoch, 0, EPOCH_MAX) &&
    isWithin(lastEpoch, -1, EPOCH_MAX) &&
    isWithin(timeoutMs, 1, Number.MAX_SAFE_INTEGER) &&
    isState(state) &&
    isWithin(usedAtMs, 0, Number.MAX_SAFE_INTEGER);
  if (!isFine) {
    throw createError('LOG_CORRUPT', { key, expected: 'a client as it was written' });
  }
  const transactionalId = key.slice(PREFIX.length);
  return { transactionalId, producerId, producerEpoch, lastEpoch, timeoutMs, state, usedAtMs };
}

function isWithin(part: unknown, min: number, max: number): part is number {
  return Number.isSafeInteger(part) && Number(part) >= min && Number(part) <= max;
}

function isState(part: unknown): part is ClientState {
  return part === 'empty' || part === 'ongoing' || part === 'committed' || part === 'aborted';
}
