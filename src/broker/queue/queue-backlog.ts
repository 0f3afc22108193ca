/**
 * What is found in the log of a queue when its limits are set: how large a message is on average.
 *
 * One batch of each priority is looked at, the oldest one, so the cost does not depend on how much
 * there is.
 */

import type { HostedTopic } from '../topic/hosted-topic.js';
import { storedBytesOf } from './queue-headers.js';

const SAMPLE_RECORDS = 1_000;

export class QueueBacklog {
  /** Bytes of key, value and headers; 0 in an empty queue. */
  readonly averageBytes: number;

  private constructor(averageBytes: number) {
    this.averageBytes = averageBytes;
  }

  static async sample(topic: HostedTopic): Promise<QueueBacklog> {
    let records = 0;
    let bytes = 0;
    for (const partition of await topic.usedPartitions()) {
      const log = await topic.partition(partition);
      for await (const batch of log.read({ from: log.startOffset })) {
        for (const record of batch) {
          records += 1;
          bytes += storedBytesOf(record);
          if (records % SAMPLE_RECORDS === 0) break;
        }
        break;
      }
    }
    return new QueueBacklog(records === 0 ? 0 : bytes / records);
  }
}
