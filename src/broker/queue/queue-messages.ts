/**
 * What hands the messages of an open queue out: its share group, and what becomes of those that
 * are not acknowledged.
 */

import type { Codec } from '../topic/codec.js';
import type { HostedTopic } from '../topic/hosted-topic.js';
import type { QueueDefinition } from './queue-definition.js';
import { QueueEndings } from './queue-endings.js';
import { QueueExpiry } from './queue-expiry.js';
import type {
  DeadLetters,
  FinishedMessage,
  QueueDelivery,
  QueueGroup,
  QueueMember,
} from './queue-group.js';
import { storedBytesOf } from './queue-headers.js';
import type { MissingRoom } from './queue-limits.js';
import type { MessageHome, QueueMessage } from './queue-message.js';
import {
  ChangingPicker,
  groupExtras,
  groupSettings,
  type OpenGroup,
  type QueueSurroundings,
} from './queue-opening.js';
import { NO_DEAD_LETTER, type QueueConfig } from './queue-options.js';
import type { ReceiveRequest } from './queue-receive-options.js';
import { readMessages } from './queue-values.js';

export interface OpenMessagesParts {
  readonly queue: string;
  readonly topic: HostedTopic;
  readonly definition: () => QueueDefinition;
  readonly around: QueueSurroundings;
  readonly finished: (finished: readonly FinishedMessage[] | undefined) => void;
  /** Whether somebody wants to hear of what is finished. */
  readonly wantsFinished: () => boolean;
}

export async function openMessages(parts: OpenMessagesParts): Promise<OpenMessages> {
  const { topic, definition, around } = parts;
  const { config } = definition();
  const picker = new ChangingPicker(config.priorityOrder);
  const open = await around.openGroup(
    topic,
    groupSettings(config),
    groupExtras(picker, topic, around),
  );
  const target = (): string => definition().config.deadLetter;
  const letters = around.openLetters(definition(), open.group, target);
  return new OpenMessages(parts, open, letters, picker);
}

export class OpenMessages {
  readonly group: QueueGroup;
  readonly letters: DeadLetters;
  readonly endings: QueueEndings;
  readonly expiry: QueueExpiry;
  readonly #parts: OpenMessagesParts;
  readonly #open: OpenGroup;
  readonly #picker: ChangingPicker;

  constructor(
    parts: OpenMessagesParts,
    open: OpenGroup,
    letters: DeadLetters,
    picker: ChangingPicker,
  ) {
    this.#parts = parts;
    this.#open = open;
    this.#picker = picker;
    this.group = open.group;
    this.letters = letters;
    this.endings = new QueueEndings(parts.queue, this.group, letters);
    this.expiry = new QueueExpiry({
      clock: parts.around.clock,
      config: () => this.#config,
      group: this.group,
      end: (deliveries) => {
        const cause = { reason: 'the time to live was over', code: 'MESSAGE_EXPIRED' };
        return this.#end(deliveries, this.#config.expired, cause);
      },
    });
    this.group.onFinished(parts.finished, parts.wantsFinished);
    this.group.onExpired((deliveries) => void this.expiry.end(deliveries));
  }

  get #config(): QueueConfig {
    return this.#parts.definition().config;
  }

  /**
   * Messages for this consumer: at least one, unless the wait is over or the consumer is closed.
   * What cannot be read goes to the dead letters.
   */
  async receive<Output>(
    member: QueueMember,
    codec: Codec<Output, never>,
    home: MessageHome,
    { max, maxBytes, waitMs, signal, leaseMs }: ReceiveRequest,
  ): Promise<QueueMessage<Output>[]> {
    const { clock } = this.#parts.around;
    const { filter } = this.expiry;
    const endMs = clock.monotonicMs() + waitMs;
    for (let leftMs = waitMs; ; leftMs = Math.max(endMs - clock.monotonicMs(), 0)) {
      const request = { max, maxBytes, waitMs: leftMs, signal, leaseMs, filter };
      const deliveries = await member.receive(request);
      if (deliveries.length === 0) return [];
      const read = readMessages(home, codec, deliveries);
      const { messages, unreadable } = read instanceof Promise ? await read : read;
      for (const { delivery, error } of unreadable) await this.#bury(delivery, error);
      if (messages.length > 0 || leftMs === 0) return messages;
    }
  }

  /** Takes the oldest that nobody has out of the queue; resolves to their number. */
  async dropOldest({ count, bytes, countMax }: MissingRoom): Promise<number> {
    let leftCount = count;
    let leftBytes = bytes;
    const oldest = await this.group.takeOldest(countMax, (record) => {
      if (leftCount <= 0 && leftBytes <= 0) return false;
      leftCount -= 1;
      leftBytes -= storedBytesOf(record);
      return true;
    });
    if (oldest.length === 0) return 0;
    const cause = { reason: 'the queue was full', code: 'QUEUE_FULL' };
    try {
      await this.#end(oldest, this.#config.dropped, cause);
    } catch (error) {
      await this.group.giveBack(oldest);
      throw error;
    }
    return oldest.length;
  }

  follow(config: QueueConfig): void {
    const { order, startsAt, ...settings } = groupSettings(config);
    this.group.alter(settings);
    this.#picker.change(config.priorityOrder);
    this.expiry.look();
  }

  async close(): Promise<void> {
    await this.expiry.close();
    await this.letters.close();
    await this.#open.release();
  }

  /** Of messages that are held: a dead letter for each, or nothing. */
  async #end(
    deliveries: readonly QueueDelivery[],
    how: 'dead-letter' | 'drop',
    cause: { readonly reason: string; readonly code: string },
  ): Promise<void> {
    const isDropped = how === 'drop' || this.#config.deadLetter === NO_DEAD_LETTER;
    if (isDropped) await this.group.archive(deliveries);
    else await this.letters.move(deliveries, cause);
  }

  /** What nobody can read now is received again when its lease is over, and tried again then. */
  async #bury(delivery: QueueDelivery, error: unknown): Promise<void> {
    try {
      await this.letters.move([delivery], { error });
    } catch {
      this.letters.noteFailure(delivery, error);
      await this.group.releaseAll([delivery], { isFailure: true, delayMs: AGAIN_MS }).catch(ignore);
    }
  }
}

/** When a message is tried again whose dead letter could not be written. */
const AGAIN_MS = 1_000;

function ignore(): void {}
