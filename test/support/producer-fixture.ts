/**
 * A producer that numbers its records, for tests: what it sends, and what it sends again.
 */

import type { AppendOptions, ProducerStamp } from '../../src/storage/append-options.js';
import { sequenceAfter } from '../../src/storage/producer-sequence.js';
import type { RecordInput } from '../../src/storage/record.js';

/** The part of a log that producers use. */
export interface ProducedLog<Result> {
  append(records: readonly RecordInput[], options?: AppendOptions): Promise<Result>;
  appendMarker(marker: {
    producerId: number;
    producerEpoch: number;
    kind: 'commit' | 'abort';
    coordinatorEpoch: number;
  }): Promise<{ readonly offset: number }>;
}

export class TestProducer {
  readonly producerId: number;
  producerEpoch = 0;
  sequence: number;

  constructor(producerId: number, sequence = 0) {
    this.producerId = producerId;
    this.sequence = sequence;
  }

  /** The stamp of the next `count` records. */
  next(count: number, isTransactional = false): ProducerStamp {
    const { producerId, producerEpoch, sequence: baseSequence } = this;
    this.sequence = sequenceAfter(baseSequence, count);
    return { producerId, producerEpoch, baseSequence, isTransactional };
  }

  /** Appends a record per value. */
  send<Result>(
    log: ProducedLog<Result>,
    values: readonly string[],
    isTransactional = false,
  ): Promise<Result> {
    const producer = this.next(values.length, isTransactional);
    return log.append(
      values.map((value) => ({ value })),
      { producer },
    );
  }

  end(log: ProducedLog<unknown>, kind: 'commit' | 'abort', coordinatorEpoch = 0) {
    const { producerId, producerEpoch } = this;
    return log.appendMarker({ producerId, producerEpoch, kind, coordinatorEpoch });
  }
}
