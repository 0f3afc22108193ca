/**
 * What a log was given in a scenario, and what of it must be there afterwards.
 *
 * A record is promised from the answer that it is durable on; refused, it is never there; with any
 * other answer it may be. Records come in the order of their sends. In a compacted log the last
 * promised record of a key must be there, in a plain one all of them, but for what was deleted.
 */

import { MillraceError } from '../../../src/base/errors.js';
import type { AppendOptions } from '../../../src/storage/append-options.js';
import type { Log } from '../../../src/storage/log.js';

import { OracleViolation } from '../../support/log-oracle.js';

interface Sent {
  readonly key: string;
  readonly value: string;
  outcome: 'unknown' | 'promised' | 'refused';
}

export class SiteLedger {
  readonly #sent: Sent[] = [];
  readonly #isCompacted: boolean;
  #wantedStart = 0;
  #hasGaps: boolean;

  constructor(isCompacted: boolean) {
    this.#isCompacted = isCompacted;
    this.#hasGaps = isCompacted;
  }

  async append(log: Log, key: string, bytes = 300, options: AppendOptions = {}): Promise<void> {
    const value = `${this.#sent.length}/`.padEnd(bytes, '.');
    const sent: Sent = { key, value, outcome: 'unknown' };
    this.#sent.push(sent);
    try {
      await log.append([{ key, value }], options);
      sent.outcome = 'promised';
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
      if (error.code !== 'OUTCOME_UNKNOWN') sent.outcome = 'refused';
      throw error;
    }
  }

  async deleteBefore(log: Log, offset: number): Promise<void> {
    this.#wantedStart = Math.max(this.#wantedStart, offset);
    await log.deleteRecordsBefore(offset);
  }

  /** The start may lie anywhere: records grow old. */
  mayDeleteAll(): void {
    this.#wantedStart = Number.POSITIVE_INFINITY;
  }

  /** Damage was done to the first records, and a repair gives them up. */
  mayLose(count: number): void {
    for (const sent of this.#sent.slice(0, count)) sent.outcome = 'unknown';
    this.#hasGaps = true;
  }

  clone(): SiteLedger {
    const copy = new SiteLedger(this.#isCompacted);
    copy.#sent.push(...this.#sent.map((sent) => ({ ...sent })));
    copy.#wantedStart = this.#wantedStart;
    copy.#hasGaps = this.#hasGaps;
    return copy;
  }

  /** Throws unless an open log shows what it must. */
  async check(log: Log): Promise<void> {
    const { startOffset } = log;
    if (startOffset > this.#wantedStart) fail(`it starts at ${startOffset}`, 'lost');
    const seen: string[] = [];
    let next = startOffset;
    for await (const batch of log.read()) {
      for (const { offset, value } of batch) {
        if (!this.#hasGaps && offset !== next) fail(`${offset} where ${next} is next`, 'hole');
        next = offset + 1;
        seen.push(value?.toString() ?? '');
      }
    }
    this.#checkSeen(seen, startOffset);
  }

  #checkSeen(seen: readonly string[], startOffset: number): void {
    let last = -1;
    for (const value of seen) {
      const index = this.#sent.findIndex((sent) => sent.value === value);
      const sent = this.#sent[index];
      if (sent === undefined) fail(`${value.slice(0, 20)} was never sent`, 'phantom');
      else if (sent.outcome === 'refused') fail(`record ${index} was refused`, 'phantom');
      if (index <= last) fail(`record ${index} comes behind ${last}`, 'hole');
      last = index;
    }
    const first = this.#sent.findIndex((sent) => sent.value === seen[0]);
    for (const [index, sent] of this.#sent.entries()) {
      if (sent.outcome !== 'promised' || seen.includes(sent.value)) continue;
      const isDeleted = startOffset > 0 && (first === -1 || index < first);
      const later = this.#sent.slice(index + 1);
      const isSuperseded = later.some(
        ({ key, outcome }) => key === sent.key && outcome !== 'refused',
      );
      if (isDeleted || (this.#isCompacted && isSuperseded)) continue;
      fail(`record ${index} was promised`, 'lost');
    }
  }
}

function fail(text: string, kind: 'lost' | 'phantom' | 'hole'): never {
  throw new OracleViolation(text, { kind });
}
