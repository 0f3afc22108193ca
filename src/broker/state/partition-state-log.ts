/**
 * A state log over the log of one partition: a key and a packed value per record, compacted.
 *
 * What was read is bounded before it is decoded, and anything but a list of plain parts is
 * LOG_CORRUPT with its offset: the records verified, so it was written by something else.
 */

import { createError } from '../../base/errors.js';
import { pack, unpack } from '../../base/msgpack.js';
import { shapeOf } from '../../base/msgpack-shape.js';
import type { LogRecord } from '../../storage/main.js';
import type { PartitionLog } from '../topic/partition-log.js';
import type { StateEntry, StateLog, StatePart, StateValue } from './state-log.js';

const bounds = { valuesMax: 100_000, depthMax: 8, takesTimes: false };

/** The options of a log that holds state: small segments, so that old values go soon. */
export const stateLogOptions = {
  cleanup: 'compact',
  segmentBytes: 16 * 1024 * 1024,
} as const;

export class PartitionStateLog implements StateLog {
  readonly #log: PartitionLog;
  readonly #name: string;

  /** `name` is for errors. */
  constructor(log: PartitionLog, name: string) {
    this.#log = log;
    this.#name = name;
  }

  async append(
    entries: readonly StateEntry[],
    acks: 'durable' | 'written' = 'durable',
  ): Promise<void> {
    await this.#log.append(
      entries.map(({ key, value }) => ({ key, value: value === null ? null : pack(value) })),
      { acks },
    );
  }

  async *load(): AsyncGenerator<StateEntry, void, undefined> {
    for await (const batch of this.#log.read()) {
      for (const record of batch) yield this.#entryOf(record);
    }
  }

  #entryOf(record: LogRecord): StateEntry {
    const { key, value, offset } = record;
    if (key === null) throw this.#damaged(offset, 'a key');
    if (value === null) return { key: key.toString(), value: null };
    if (shapeOf(value, bounds) !== 'valid') throw this.#damaged(offset, 'a bounded value');
    const parts = unpack(value);
    if (!isStateValue(parts)) throw this.#damaged(offset, 'a list of plain parts');
    return { key: key.toString(), value: parts };
  }

  #damaged(offset: number, expected: string): Error {
    return createError('LOG_CORRUPT', { log: this.#name, offset, expected });
  }
}

function isStateValue(value: unknown): value is StateValue {
  return Array.isArray(value) && value.every(isStatePart);
}

function isStatePart(part: unknown): part is StatePart {
  if (part === null || ['string', 'number', 'boolean'].includes(typeof part)) return true;
  return isStateValue(part);
}
