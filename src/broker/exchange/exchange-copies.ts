/**
 * The copies of messages, by who gets them: routes that were found, and how each is sent to.
 *
 * Who is bound and not there any more gets none: its bindings are on their way out.
 */

import { DEDUPLICATION_HEADER } from '../producer/deduplication-header.js';
import type { SendTarget } from '../producer/producer-core.js';
import type { TopicRecord } from '../producer/producer-records.js';
import { bytes } from '../topic/codec.js';
import type { HostedTopic } from '../topic/hosted-topic.js';
import type { RouteTarget } from './binding-definition.js';
import type { ExchangeTargets, QueueTarget, RoutedSend } from './exchange-targets.js';

/** A queue or a topic that is there. */
export type FoundTarget =
  | { readonly kind: 'queue'; readonly name: string; readonly queue: QueueTarget }
  | { readonly kind: 'topic'; readonly name: string; readonly topic: HostedTopic };

/** What one target gets, in order. */
export interface TargetCopies {
  readonly target: FoundTarget;
  readonly messages: RoutedSend[];
}

/** Copies by target; a copy is put to those that its target has. */
export class CopyPlan {
  readonly #targets: ExchangeTargets;
  readonly #byTarget = new Map<QueueTarget | HostedTopic, TargetCopies>();
  #count = 0;

  constructor(targets: ExchangeTargets) {
    this.#targets = targets;
  }

  get all(): readonly TargetCopies[] {
    return [...this.#byTarget.values()];
  }

  /** How many there are, of all messages. */
  get count(): number {
    return this.#count;
  }

  /** How many copies of it there are. */
  add(routes: readonly RouteTarget[], message: RoutedSend): number {
    const before = this.#count;
    for (const route of routes) {
      const target = findTarget(route, this.#targets);
      if (target !== undefined) this.put(target, [message]);
    }
    return this.#count - before;
  }

  put(target: FoundTarget, messages: readonly RoutedSend[]): void {
    const one = target.kind === 'queue' ? target.queue : target.topic;
    const copies = this.#byTarget.get(one);
    if (copies === undefined) this.#byTarget.set(one, { target, messages: [...messages] });
    else for (const message of messages) copies.messages.push(message);
    this.#count += messages.length;
  }
}

export function findTarget(
  { kind, name }: RouteTarget,
  targets: ExchangeTargets,
): FoundTarget | undefined {
  if (kind === 'topic') {
    const topic = targets.findTopic(name);
    return topic === undefined ? undefined : { kind, name, topic };
  }
  const queue = targets.findQueue(name);
  return queue === undefined ? undefined : { kind, name, queue };
}

/** Whether who was found has gone since. */
export function isGone(found: FoundTarget, targets: ExchangeTargets): boolean {
  if (found.kind === 'topic') return targets.findTopic(found.name) !== found.topic;
  return targets.findQueue(found.name) !== found.queue;
}

/** Where copies to a topic go. */
export function topicTarget(topic: HostedTopic): SendTarget<Uint8Array | string> {
  return { topic, codec: bytes };
}

/** A copy as a topic keeps it: those of a group are in order. `id` is the header of its id. */
export function topicRecord(
  { value, key, group, headers }: RoutedSend,
  id?: string | undefined,
): TopicRecord<Uint8Array | string> {
  if (id === undefined) return { key: key ?? group, value, headers };
  const all = [...(headers ?? []), { key: DEDUPLICATION_HEADER, value: id }];
  return { key: key ?? group, value, headers: all };
}
