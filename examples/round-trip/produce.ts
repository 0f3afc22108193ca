/**
 * Sends the input to a topic: lists of records, several on their way at once.
 */

import type { RecordInput, Topic } from '../../src/main.js';
import { type Input, inputLines, recordOf } from './topic-input.js';

const RECORDS_PER_SEND = 500;
const BYTES_PER_SEND = 512 * 1024;
const SENDS_IN_FLIGHT = 16;
/** Length fields, key and the like, roughly. */
const RECORD_EXTRA_BYTES = 300;

export type LinesTopic = Topic<Buffer, Uint8Array | string>;

export interface Sent {
  records: number;
  bytes: number;
}

/** Resolves when every line is durable; `sent` counts those that are, while it runs. */
export async function sendLines(
  topic: LinesTopic,
  input: Input,
  baseMs: number,
  sent: Sent,
): Promise<void> {
  let number = 0;
  let list: RecordInput[] = [];
  let listBytes = 0;
  const inFlight = new Set<Promise<unknown>>();
  const send = async (): Promise<void> => {
    if (list.length === 0) return;
    const bytes = list.reduce((sum, { value }) => sum + (value?.length ?? 0), 0);
    const sending = topic.send(list).then(({ count }) => {
      sent.records += count;
      sent.bytes += bytes;
    });
    list = [];
    listBytes = 0;
    inFlight.add(sending);
    sending.finally(() => inFlight.delete(sending)).catch(() => undefined);
    if (inFlight.size >= SENDS_IN_FLIGHT) await Promise.race(inFlight);
  };
  for await (const lines of inputLines(input)) {
    for (const line of lines) {
      if (listBytes + line.length > BYTES_PER_SEND) await send();
      list.push(recordOf(line, number, baseMs));
      number += 1;
      listBytes += line.length + RECORD_EXTRA_BYTES;
      if (list.length === RECORDS_PER_SEND) await send();
    }
  }
  await send();
  await Promise.all(inFlight);
}
