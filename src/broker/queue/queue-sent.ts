/**
 * What a send resolves to: the id of the message, and a way to take it back while it waits.
 */

import { messageId } from './queue-message-id.js';

export interface SentMessage {
  /** See `queue-message-id.ts`. */
  readonly id: string;
  /** A message with the same deduplication id was sent before: this is its id. */
  readonly isDuplicate: boolean;
  /**
   * Takes back a message that waits for its time; false when it does not: it may have been
   * received. Durable when it resolves.
   */
  cancel(): Promise<boolean>;
}

export interface MessagePlace {
  readonly partition: number;
  readonly offset: number;
}

/** A message that can be received. */
export class PlacedMessage implements SentMessage {
  readonly isDuplicate: boolean;
  readonly #partition: number;
  readonly #offset: number;

  constructor(partition: number, offset: number, isDuplicate: boolean) {
    this.isDuplicate = isDuplicate;
    this.#partition = partition;
    this.#offset = offset;
  }

  get id(): string {
    return messageId(this.#partition, this.#offset);
  }

  /** Where it lies in the queue's topic. */
  get place(): MessagePlace {
    return { partition: this.#partition, offset: this.#offset };
  }

  async cancel(): Promise<boolean> {
    return false;
  }
}

/** A message that waits for its time. */
export class WaitingMessage implements SentMessage {
  readonly id: string;
  readonly isDuplicate: boolean;
  readonly #cancel: (id: string) => Promise<boolean>;

  constructor(id: string, isDuplicate: boolean, cancel: (id: string) => Promise<boolean>) {
    this.id = id;
    this.isDuplicate = isDuplicate;
    this.#cancel = cancel;
  }

  cancel(): Promise<boolean> {
    return this.#cancel(this.id);
  }
}
