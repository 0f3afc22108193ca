/**
 * In key order: messages that did not fit in memory are read again when their keys are next.
 *
 * Many keys share one pass over the log, and a pass is bounded; what it did not reach waits for the
 * next one.
 */

import type { LogRecord } from '../../storage/main.js';
import type { PartitionLog } from '../topic/partition-log.js';
import type { DeliveryState } from './share-delivery.js';
import type { LostRange } from './share-key-group.js';

/** Keys that one pass looks for, and the bytes that it reads at most. */
const KEYS_MAX = 1_024;
const PASS_BYTES = 4 * 1024 * 1024;
const READ_BYTES = 256 * 1024;

export class LookUps {
  readonly #state: DeliveryState;
  readonly #log: PartitionLog;
  readonly #keyOf: ((record: LogRecord) => string | undefined) | undefined;
  #going: Promise<boolean> | undefined;

  constructor(
    state: DeliveryState,
    log: PartitionLog,
    keyOf: ((record: LogRecord) => string | undefined) | undefined,
  ) {
    this.#state = state;
    this.#log = log;
    this.#keyOf = keyOf;
  }

  /** Resolves to whether something was looked up. Throws what reading throws. */
  run(): Promise<boolean> {
    if (this.#keyOf === undefined) return Promise.resolve(false);
    this.#going ??= this.#pass(this.#keyOf).finally(() => {
      this.#going = undefined;
    });
    return this.#going;
  }

  async #pass(keyOf: (record: LogRecord) => string | undefined): Promise<boolean> {
    const wanted = new Map<string, LostRange>();
    while (wanted.size < KEYS_MAX) {
      const lookUp = this.#state.beginLookUp();
      if (lookUp === undefined) break;
      wanted.set(lookUp.key, lookUp);
    }
    if (wanted.size === 0) return false;
    let reached = Number.POSITIVE_INFINITY;
    for (const { first } of wanted.values()) reached = Math.min(reached, first);
    try {
      reached = await this.#search(wanted, keyOf, reached);
    } finally {
      // What was not reached is looked for again.
      for (const lookUp of wanted.values()) this.#state.endLookUp(lookUp, reached);
    }
    return true;
  }

  /** Reads from `from` on; returns behind which offset nothing was looked at. */
  async #search(
    wanted: Map<string, LostRange>,
    keyOf: (record: LogRecord) => string | undefined,
    from: number,
  ): Promise<number> {
    let end = 0;
    for (const lookUp of wanted.values()) end = Math.max(end, lookUp.end);
    let reached = Math.max(from, this.#log.startOffset);
    let bytes = 0;
    const options = { from: reached, isolation: 'uncommitted', readBytesMax: READ_BYTES } as const;
    for await (const batch of this.#log.read(options)) {
      for (const record of batch) {
        const lookUp = wanted.get(keyOf(record) ?? '');
        if (lookUp === undefined) continue;
        if (record.offset < lookUp.first || record.offset >= lookUp.end) continue;
        if (this.#state.addFound(lookUp, record.offset)) continue;
        wanted.delete(lookUp.key);
        this.#state.endLookUp(lookUp, record.offset);
      }
      reached = batch.nextOffset;
      bytes += batch.bytes;
      if (wanted.size === 0 || reached >= end || bytes >= PASS_BYTES) return reached;
    }
    // The log ends here, so there is nothing behind it.
    return Math.max(reached, end);
  }
}
