/**
 * Who can be bound: the handle of a queue, a topic or an exchange, or the kind and name of one.
 */

import { unknownQueue } from '../queue/queue-errors.js';
import { Topic } from '../topic/topic.js';
import { unknownTopic } from '../topic/topic-errors.js';
import type { BindingTarget } from './binding-definition.js';
import { invalidBinding } from './exchange-errors.js';
import type { ExchangeTargets } from './exchange-targets.js';

/** What every handle of an exchange is, so that one can be told from other things with a name. */
export class ExchangeHandle {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** The handle of a queue, as far as it is looked at here. */
export interface QueueHandle {
  readonly hosted: { readonly name: string; checkOpen(): void };
}

export type BindTarget = QueueHandle | Topic<unknown, unknown> | ExchangeHandle | BindingTarget;

export interface FoundBindTarget {
  readonly target: BindingTarget;
  /** Throws when it is there no more, or not of this broker. */
  readonly isThere: () => void;
}

/** Throws BINDING_INVALID. */
export function findBindTarget(given: BindTarget, targets: ExchangeTargets): FoundBindTarget {
  if (typeof given !== 'object' || given === null) throw invalidBinding('it has no target', given);
  if (given instanceof ExchangeHandle) {
    return { target: { kind: 'exchange', name: given.name }, isThere: () => undefined };
  }
  if (given instanceof Topic) return boundTopic(given, targets);
  if ('hosted' in given) return boundQueue(given, targets);
  const { kind, name } = given;
  const isThere = (): void => {
    if (kind === 'topic' && targets.findTopic(name) === undefined) throw unknownTopic(name);
    if (kind === 'queue' && targets.findQueue(name) === undefined) throw unknownQueue(name);
  };
  return { target: { kind, name }, isThere };
}

function boundTopic(
  { hosted }: Topic<unknown, unknown>,
  targets: ExchangeTargets,
): FoundBindTarget {
  const { name } = hosted;
  const isThere = (): void => {
    if (targets.findTopic(name) !== hosted) throw unknownTopic(name);
  };
  return { target: { kind: 'topic', name }, isThere };
}

function boundQueue({ hosted }: QueueHandle, targets: ExchangeTargets): FoundBindTarget {
  const { name } = hosted;
  const isThere = (): void => {
    hosted.checkOpen();
    if (targets.findQueue(name) === undefined) throw unknownQueue(name);
  };
  return { target: { kind: 'queue', name }, isThere };
}
