/**
 * Which workloads are explored, and in which order.
 *
 * All sequences of up to three operations of an alphabet, each cut at the calls that its last
 * operation adds: those of the beginning were cut when the beginning was a sequence of its own.
 * They come in clusters that begin alike, so that what was learned about their disks is of use; the
 * clusters come in an order drawn from the seed.
 */

import { Prng } from '../../../src/base/prng.js';

export interface PlannedWorkload {
  readonly name: string;
  /** The first step whose calls are cut; 0 cuts the opening, too. */
  readonly from: number;
  /** At most so many states, at calls that are drawn. */
  readonly statesMax: number;
}

/** Of a long random workload, which has ten thousand and more. */
const RANDOM_STATES_MAX = 400;

/** The sequences that begin with the same two operations, and those two, and at times the first. */
function sequenceClusters(alphabet: readonly string[], prng: Prng): PlannedWorkload[][] {
  const clusters = alphabet.flatMap((first) =>
    alphabet.map((second): PlannedWorkload[] => {
      const pair = `${first}.${second}`;
      const alone = second === alphabet[0] ? [whole(first, 0)] : [];
      const triples = alphabet.map((third) => whole(`${pair}.${third}`, 2));
      return [...alone, whole(pair, 1), ...triples];
    }),
  );
  clusters.push([whole('', 0)]);
  return prng.shuffle(clusters);
}

function whole(name: string, from: number): PlannedWorkload {
  return { name, from, statesMax: Number.POSITIVE_INFINITY };
}

/** Every sequence once. */
export function sequencesOf(alphabet: readonly string[], seed: number): Iterator<PlannedWorkload> {
  return sequenceClusters(alphabet, new Prng(seed)).flat().values();
}

/** Long ones, without an end. */
export function* randomWorkloads(seed: number): Generator<PlannedWorkload> {
  for (let number = seed; ; number += 1) {
    yield { name: `random ${number}`, from: 0, statesMax: RANDOM_STATES_MAX };
  }
}
