/**
 * The pages of the index, one a record, in a partition of their own.
 */

import { createError } from '../../base/errors.js';
import type { PartitionLog } from '../topic/partition-log.js';
import type { PageStore } from './delayed-run.js';

const READ_BYTES = 64 * 1024;

export class DelayedPageLog implements PageStore {
  readonly #log: PartitionLog;

  constructor(log: PartitionLog) {
    this.#log = log;
  }

  get startOffset(): number {
    return this.#log.startOffset;
  }

  get endOffset(): number {
    return this.#log.writtenOffset;
  }

  async append(page: Uint8Array): Promise<number> {
    const { baseOffset } = await this.#log.append([{ value: page }], { acks: 'written' });
    return baseOffset;
  }

  async flush(): Promise<void> {
    await this.#log.flush();
  }

  async read(offset: number): Promise<Uint8Array> {
    const options = { from: offset, durability: 'written', readBytesMax: READ_BYTES } as const;
    if (offset >= this.startOffset && offset < this.endOffset) {
      for await (const batch of this.#log.read(options)) {
        for (const record of batch) {
          if (record.offset === offset && record.value !== null) return record.value;
          break;
        }
        break;
      }
    }
    const expected = 'a page of the index of delayed messages';
    throw createError('LOG_CORRUPT', { offset, expected });
  }

  async deleteBefore(offset: number): Promise<void> {
    await this.#log.deleteRecordsBefore(offset);
  }
}
