/**
 * Messages whose place in the partition was given back, because nobody finished them for long: a
 * copy of each lies elsewhere.
 */

import type { LogRecord } from '../../storage/main.js';

export interface ParkedRecords {
  readonly count: number;
  /** Whether the copy of this message is durable. */
  has(offset: number): boolean;
  /** Rising. */
  offsets(): readonly number[];
  /** The message as it was, with its offset. */
  read(offset: number): Promise<LogRecord | undefined>;
}
