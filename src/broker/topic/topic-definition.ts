/**
 * What defines a topic, and how it lies in the log of definitions.
 *
 * A value is `[form, topicId, state, createdMs, [[option, value], ...]]` under the topic's name,
 * with the name of its owner behind them when it has one. A definition that says `deleting` is no
 * topic any more: its folders are on their way out.
 */

import { createError } from '../../base/errors.js';
import type { StatePart, StateValue } from '../state/state-log.js';
import { restoreTopicOptions, type TopicConfig } from './topic-options.js';

const FORM = 1;

export interface TopicDefinition {
  readonly name: string;
  /** 32 hexadecimal digits, also the id of each partition's log; never given twice. */
  readonly topicId: string;
  readonly state: 'active' | 'deleting';
  readonly createdMs: number;
  readonly config: TopicConfig;
  /**
   * The topic or the queue that it belongs to, and goes with; a queue's own topic belongs to
   * itself. Undefined: to nobody.
   */
  readonly owner: string | undefined;
}

export function encodeTopicDefinition(definition: TopicDefinition): StateValue {
  const { topicId, state, createdMs, config, owner } = definition;
  const options = Object.entries(config).map(([name, value]): StatePart => [name, value]);
  const value = [FORM, topicId, state, createdMs, options];
  return owner === undefined ? value : [...value, owner];
}

/** Throws FORMAT_UNSUPPORTED for a newer form, LOG_CORRUPT for what is none. */
export function decodeTopicDefinition(name: string, value: StateValue): TopicDefinition {
  const [form, topicId, state, createdMs, options, owner] = value;
  if (typeof form === 'number' && form > FORM) {
    throw createError('FORMAT_UNSUPPORTED', { topic: name, expected: FORM, actual: form });
  }
  if (form !== FORM) throw damaged(name, 'form');
  if (typeof topicId !== 'string' || !/^[0-9a-f]{32}$/.test(topicId)) throw damaged(name, 'id');
  if (state !== 'active' && state !== 'deleting') throw damaged(name, 'state');
  if (typeof createdMs !== 'number') throw damaged(name, 'createdMs');
  if (owner !== undefined && typeof owner !== 'string') throw damaged(name, 'owner');
  return { name, topicId, state, createdMs, config: decodeOptions(name, options), owner };
}

function decodeOptions(name: string, parts: StatePart | undefined): TopicConfig {
  if (!Array.isArray(parts)) throw damaged(name, 'options');
  const entries = parts.map((part: unknown): [string, unknown] => {
    if (!Array.isArray(part) || part.length !== 2) throw damaged(name, 'options');
    const [option, value]: readonly unknown[] = part;
    if (typeof option !== 'string') throw damaged(name, 'options');
    return [option, value];
  });
  try {
    return restoreTopicOptions(Object.fromEntries(entries), name);
  } catch (error) {
    throw createError('LOG_CORRUPT', { topic: name, reason: 'an option is not valid' }, error);
  }
}

function damaged(topic: string, what: string): Error {
  return createError('LOG_CORRUPT', { topic, reason: `${what} is not as it was written` });
}
