/**
 * Ids of messages: what a send resolves to, and what a message that was received says.
 *
 *     <priority>-<offset>    where it lies in the queue's topic
 *     d<number>              it was sent with a delay, and keeps this id when it has entered
 */

import type { RecordHeader } from '../../storage/main.js';
import { DELAYED_HEADER } from '../delayed/delayed-header.js';

export function messageId(partition: number, offset: number): string {
  return `${partition}-${offset}`;
}

/** The id of a message that lies there and has these headers. */
export function receivedId(
  partition: number,
  offset: number,
  headers: readonly RecordHeader[],
): string {
  const delayed = headers.find(({ key }) => key === DELAYED_HEADER)?.value;
  return delayed?.toString() ?? messageId(partition, offset);
}
