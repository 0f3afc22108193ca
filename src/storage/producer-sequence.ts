/**
 * Whether a producer's batch is the one that comes next: a pure decision over facts.
 *
 * A producer numbers its records; an epoch tells a newer process of the same producer from an older
 * one. So a batch that is sent again is recognised, one whose predecessor is missing is refused,
 * and a process that was replaced writes nothing any more. The rules are Kafka's; besides, a batch
 * that was stored longer ago than its place is remembered still counts as stored.
 *
 * Sequences go from 0 to 2^31 - 1 and then from 0 again.
 */

/** A batch that was stored, as far as its producer may send it again. */
export interface StoredBatch {
  readonly baseSequence: number;
  readonly lastSequence: number;
  readonly baseOffset: number;
  readonly lastOffset: number;
}

/** What is known of a producer. */
export interface SequenceFacts {
  readonly producerEpoch: number;
  /** The last ones of this epoch, oldest first; none when only a marker was seen of it. */
  readonly batches: readonly StoredBatch[];
}

/** What a batch says of itself. */
export interface BatchSequence {
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly lastSequence: number;
}

export type SequenceVerdict =
  | { readonly kind: 'next' }
  /** It is stored, there. */
  | { readonly kind: 'duplicate'; readonly stored: StoredBatch }
  /** It is stored, somewhere below `endOffset`. */
  | { readonly kind: 'old-duplicate'; readonly endOffset: number }
  | { readonly kind: 'fenced' }
  | { readonly kind: 'out-of-order'; readonly expected: number };

/** How many batches of a producer are remembered: as many as Kafka's producers have in flight. */
export const STORED_BATCHES_MAX = 5;

const SEQUENCES = 2 ** 31;
/** What lies less than half the circle behind is old; what lies ahead is too early. */
const BEHIND_MAX = SEQUENCES / 2;

const NEXT: SequenceVerdict = Object.freeze({ kind: 'next' });
const FENCED: SequenceVerdict = Object.freeze({ kind: 'fenced' });

/** The sequence `count` records behind `sequence`, which may be negative. */
export function sequenceAfter(sequence: number, count: number): number {
  return (((sequence + count) % SEQUENCES) + SEQUENCES) % SEQUENCES;
}

/** `known` is undefined for a producer of which nothing is known: it may begin anywhere. */
export function judgeSequence(
  known: SequenceFacts | undefined,
  batch: BatchSequence,
): SequenceVerdict {
  const { producerEpoch, baseSequence, lastSequence } = batch;
  if (known === undefined) return NEXT;
  if (producerEpoch < known.producerEpoch) return FENCED;
  const last = known.batches.at(-1);
  if (producerEpoch > known.producerEpoch || last === undefined) {
    return baseSequence === 0 ? NEXT : { kind: 'out-of-order', expected: 0 };
  }
  const expected = sequenceAfter(last.lastSequence, 1);
  if (baseSequence === expected) return NEXT;
  const stored = known.batches.find(
    (one) => one.baseSequence === baseSequence && one.lastSequence === lastSequence,
  );
  if (stored !== undefined) return { kind: 'duplicate', stored };
  const oldest = known.batches[0] ?? last;
  const isOld =
    isBefore(baseSequence, oldest.baseSequence) && isBefore(lastSequence, oldest.baseSequence);
  if (isOld) return { kind: 'old-duplicate', endOffset: oldest.baseOffset };
  return { kind: 'out-of-order', expected };
}

function isBefore(sequence: number, other: number): boolean {
  const distance = sequenceAfter(other, -sequence);
  return distance > 0 && distance <= BEHIND_MAX;
}
