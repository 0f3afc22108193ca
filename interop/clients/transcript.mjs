/**
 * What the scripts of JavaScript clients share: the records, and how lines of a transcript look.
 *
 * A transcript says what a client saw, and nothing that differs from run to run: times count from
 * BASE_MS, ids of members and of producers are left out.
 */

import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

export const BASE_MS = Date.now() - 1_000_000;
const WAIT_MS_MAX = 60_000;
const SHOWN_BYTES_MAX = 40;

export function section(name) {
  console.log(`== ${name}`);
}

export function say(...words) {
  console.log(...words.map((word) => (typeof word === 'string' ? word : JSON.stringify(word))));
}

export async function sayError(what, call, nameOf = (error) => error.name) {
  try {
    await call();
    say(what, 'no error');
  } catch (error) {
    say(what, nameOf(error));
  }
}

const oddValues = new Map([
  [3, Buffer.alloc(0)],
  [7, null],
  [9, Buffer.from('large '.repeat(20_000))],
]);

/** Records with everything that a record can have. */
export function sampleRecords() {
  return Array.from({ length: 12 }, (_, i) => {
    const odd = oddValues.get(i);
    const value = odd === undefined ? Buffer.from(`välue ${i}`) : odd;
    const key = i === 5 ? null : Buffer.from(`key-${i % 4}`);
    const headers =
      i % 2 === 0
        ? []
        : [
            ['n', `${i}`],
            ['empty', ''],
          ];
    return { key, value, headers, timeMs: BASE_MS + i };
  });
}

/** One record as a line. */
export function shown(partition, offset, timeMs, { key, value, headers }) {
  const labels = headers.map(([name, content]) => `${name}=${textOf(content)}`).join();
  const when = `t+${Number(timeMs) - BASE_MS}`;
  return `${partition}@${offset} ${when} ${textOf(key)} ${textOf(value)} [${labels}]`;
}

/** Numbers from 0 on, as far as `count`. */
export function upTo(count) {
  return Array.from({ length: count }, (_, i) => i);
}

export function sorted(numbers) {
  return [...numbers].sort((one, other) => one - other);
}

/** The first answer that is true; waits for it, since servers tell news with a delay. */
export async function until(what, probe) {
  for (const endMs = Date.now() + WAIT_MS_MAX; Date.now() < endMs; await sleep(20)) {
    const answer = await probe();
    if (answer) return answer;
  }
  throw new Error(`waited in vain for ${what}`);
}

function textOf(content) {
  if (content === null || content === undefined) return 'null';
  const bytes = Buffer.from(content);
  if (bytes.length <= SHOWN_BYTES_MAX) return JSON.stringify(bytes.toString());
  const digest = createHash('sha256').update(bytes).digest('hex').slice(0, 8);
  return `<${bytes.length} bytes ${digest}>`;
}
