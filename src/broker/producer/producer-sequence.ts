/**
 * The numbers of one producer's batches in one partition.
 *
 * Several batches are on their way at once. When one of them is not stored, those behind it are
 * refused by the log as out of order, so none of them is stored either: nothing new goes until all
 * have come back, and then the numbers go on from what the log says, which alone knows what became
 * of a batch whose outcome is unknown.
 */

import { assert } from '../../base/assert.js';
import { createError, type MillraceError } from '../../base/errors.js';
import type { ProducerDescription, ProducerStamp } from '../../storage/main.js';
import type { ProducerIdentity } from './producer-ids.js';

/** Sequences go from 0 to 2^31 - 1 and then from 0 again. */
const SEQUENCES = 2 ** 31;

export class ProducerSequence {
  readonly #identity: ProducerIdentity;
  #next: number;
  #isSettling = false;

  /** `known` is what the partition's log knows of its producers: a name goes on from there. */
  constructor(identity: ProducerIdentity, known: readonly ProducerDescription[]) {
    this.#identity = identity;
    this.#next = this.#nextAfter(known);
  }

  /** The error that ends this producer, or undefined. */
  get refusal(): MillraceError | undefined {
    if (!this.#identity.isFenced) return undefined;
    const { producerId, producerEpoch } = this.#identity;
    const facts = { producerId, producerEpoch, kafka: 'INVALID_PRODUCER_EPOCH' };
    return createError('PRODUCER_FENCED', facts);
  }

  /** Whether what is on its way has to come back first. */
  get isSettling(): boolean {
    return this.#isSettling;
  }

  /** Numbers the next batch. */
  stamp(records: number): ProducerStamp {
    assert(!this.#isSettling, 'nothing is numbered behind a gap');
    const { producerId, producerEpoch } = this.#identity;
    const baseSequence = this.#next;
    this.#next = (baseSequence + records) % SEQUENCES;
    return { producerId, producerEpoch, baseSequence };
  }

  /** A batch was not stored; true when one before it was not stored either. */
  failed(): boolean {
    const isBehind = this.#isSettling;
    this.#isSettling = true;
    return isBehind;
  }

  /** Nothing is on its way any more; `known` is what the log knows now. */
  settled(known: readonly ProducerDescription[]): void {
    this.#next = this.#nextAfter(known);
    this.#isSettling = false;
  }

  #nextAfter(known: readonly ProducerDescription[]): number {
    const { producerId, producerEpoch } = this.#identity;
    const last = known.find((producer) => producer.producerId === BigInt(producerId));
    return last?.producerEpoch === producerEpoch ? (last.lastSequence + 1) % SEQUENCES : 0;
  }
}
