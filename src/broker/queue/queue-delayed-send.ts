/**
 * A message that waits for its time and has a deduplication id: it is in the window of the queue's
 * topic, and its header is there already, so it is known also when it has entered.
 */

import type { Acks, RecordHeaderInput } from '../../storage/main.js';
import { DEDUPLICATION_HEADER } from '../producer/deduplication-header.js';
import { type StoredPlace, WAITS } from '../producer/deduplication-window.js';
import type { RecordWithId } from '../producer/topic-deduplication.js';
import type { DelayedMessage, Delays } from './queue-group.js';
import { contentBytesOf } from './queue-headers.js';

export class DelayedToSend implements RecordWithId {
  readonly id: string;
  readonly acks: Acks = 'durable';
  readonly signal: AbortSignal | undefined;
  readonly #delays: Delays;
  readonly #message: DelayedMessage;

  /** The message is ours: nobody changes its memory. */
  constructor(
    delays: Delays,
    message: DelayedMessage,
    id: string,
    signal: AbortSignal | undefined,
  ) {
    this.#delays = delays;
    this.#message = message;
    this.id = id;
    this.signal = signal;
  }

  async send(header: string, after: Promise<void> | undefined): Promise<StoredPlace> {
    await after;
    const added: RecordHeaderInput = { key: DEDUPLICATION_HEADER, value: header };
    const message = { ...this.#message, headers: [...(this.#message.headers ?? []), added] };
    const [number] = await this.#delays.schedule([message], { signal: this.signal });
    return { partition: WAITS, offset: number ?? 0 };
  }

  async detach(): Promise<number> {
    return contentBytesOf(this.#message);
  }
}
