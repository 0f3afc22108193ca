/**
 * What defines a queue, and how it lies in the log of definitions.
 *
 * A value is `[form, state, createdMs, [[option, value], ...], [topicId, ...]]` under the queue's
 * name; `retry` is a list of pairs itself. The ids are those of the topics that go with a queue
 * that is being deleted.
 */

import { createError } from '../../base/errors.js';
import type { StatePart, StateValue } from '../state/state-log.js';
import { type QueueConfig, queueOptionsOf, resolveQueueOptions } from './queue-options.js';

const FORM = 1;

export const queueStates = ['creating', 'active', 'deleting'] as const;
export type QueueState = (typeof queueStates)[number];

export interface QueueDefinition {
  readonly name: string;
  readonly state: QueueState;
  readonly createdMs: number;
  readonly config: QueueConfig;
  /** Of the topics whose delivery states go with it; empty until it is being deleted. */
  readonly topicIds: readonly string[];
}

export function encodeQueueDefinition(definition: QueueDefinition): StateValue {
  const { state, createdMs, config, topicIds } = definition;
  const options = Object.entries(config).map(([name, value]): StatePart => {
    return [name, typeof value === 'object' ? pairsOf(value) : value];
  });
  return [FORM, state, createdMs, options, topicIds];
}

/** Throws FORMAT_UNSUPPORTED for a newer form, LOG_CORRUPT for what is none. */
export function decodeQueueDefinition(name: string, value: StateValue): QueueDefinition {
  const [form, stored, createdMs, options, topicIds] = value;
  if (typeof form === 'number' && form > FORM) {
    throw createError('FORMAT_UNSUPPORTED', { queue: name, expected: FORM, actual: form });
  }
  if (form !== FORM) throw damaged(name, 'form');
  const state = queueStates.find((known) => known === stored);
  if (state === undefined) throw damaged(name, 'state');
  if (typeof createdMs !== 'number') throw damaged(name, 'createdMs');
  if (!isListOfIds(topicIds)) throw damaged(name, 'topicIds');
  return { name, state, createdMs, config: decodeOptions(name, options), topicIds };
}

function decodeOptions(name: string, parts: StatePart | undefined): QueueConfig {
  const entries = entriesOf(name, parts).map(([option, value]): [string, unknown] => {
    return option === 'retry'
      ? [option, Object.fromEntries(entriesOf(name, value))]
      : [option, value];
  });
  try {
    return resolveQueueOptions(name, queueOptionsOf(name, Object.fromEntries(entries)));
  } catch (error) {
    throw createError('LOG_CORRUPT', { queue: name, reason: 'an option is not valid' }, error);
  }
}

function pairsOf(options: object): StatePart {
  return Object.entries(options).map(([name, value]): StatePart => [name, value]);
}

function entriesOf(name: string, parts: StatePart | undefined): [string, StatePart][] {
  if (!isList(parts)) throw damaged(name, 'options');
  return parts.map((part): [string, StatePart] => {
    if (!isList(part) || part.length !== 2) throw damaged(name, 'options');
    const [option, value] = part;
    if (typeof option !== 'string' || value === undefined) throw damaged(name, 'options');
    return [option, value];
  });
}

function isList(part: StatePart | undefined): part is readonly StatePart[] {
  return Array.isArray(part);
}

function isListOfIds(part: StatePart | undefined): part is readonly string[] {
  return isList(part) && part.every((id) => typeof id === 'string' && /^[0-9a-f]{32}$/.test(id));
}

function damaged(queue: string, what: string): Error {
  return createError('LOG_CORRUPT', { queue, reason: `${what} is not as it was written` });
}
