/**
 * The life of a log on the simulated disk, step by step beside an array that holds what it must.
 *
 * Appends of every kind, reads from offsets and times by iterator and by cursor, readers that
 * follow, a reader beside the writer, deletion, changed options, closed and killed processes. What
 * a power cut may take is the business of the crash explorer.
 */

import type { FuzzEvent } from './event.js';
import { fuzzWith } from './fuzz-data.js';
import { LogLife } from './log-life.js';

type Act = (life: LogLife) => void | Promise<void>;

interface Step {
  readonly name: string;
  /** How often it is drawn, of a hundred times. */
  readonly share: number;
  readonly act: Act;
}

const steps: readonly Step[] = [
  { name: 'append', share: 30, act: (life) => life.append(1) },
  { name: 'appends', share: 8, act: (life) => life.append(4) },
  { name: 'tryAppend', share: 10, act: (life) => life.tryAppend() },
  { name: 'flush', share: 4, act: (life) => life.flush() },
  { name: 'delete', share: 5, act: (life) => life.deleteBefore() },
  { name: 'alter', share: 2, act: (life) => life.alter() },
  { name: 'advance', share: 6, act: (life) => life.advance() },
  { name: 'reopen', share: 5, act: (life) => life.reopen() },
  { name: 'kill', share: 5, act: (life) => life.kill() },
  { name: 'follow', share: 4, act: (life) => life.follow() },
  { name: 'beside', share: 4, act: (life) => life.lookBeside() },
  { name: 'read', share: 17, act: (life) => life.read() },
];

/** Each step as often as its share. */
const deck: readonly Step[] = steps.flatMap((step) =>
  Array.from({ length: step.share }, () => step),
);

export async function tryLife(event: FuzzEvent): Promise<void> {
  const { prng } = event;
  const life = new LogLife(prng);
  const names: string[] = [];
  await life.begin();
  for (let left = 10 + prng.integer(40); left > 0; left -= 1) {
    const { name, act } = prng.pick(deck);
    names.push(name);
    event.input(new Uint8Array(0), `steps: ${names.join(', ')}`);
    event.met(name);
    await act(life);
    life.checkEnds();
  }
  await life.end();
}

export const fuzz = fuzzWith(tryLife);
