/**
 * How delivery states lie in the log of share groups: one record for each part.
 *
 *     key     <group>/<topic id>/<partition>
 *     value   [2, start offset, acknowledged, archived, attempts, generation]; null: forgotten
 *
 *     life    [1, number]: rises with each process that gives messages out
 *
 * Parts of one generation add up. Of several generations the largest counts: a reset begins a new
 * one.
 */

import { createError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import { pack, unpack } from '../../base/msgpack.js';
import { shapeOf } from '../../base/msgpack-shape.js';
import type { LogRecord, RecordInput } from '../../storage/main.js';
import type { StateValue } from '../state/state-log.js';
import { type DeliveryPart, encodePart, readPart } from './share-part.js';

/** A partition in a share group. */
export interface DeliveryKey {
  /** May hold slashes. */
  readonly group: string;
  readonly topicId: string;
  readonly partition: number;
}

export interface StoredEntry {
  readonly kind: 'state';
  readonly key: DeliveryKey;
  /** Undefined: everything of the key is forgotten. */
  readonly stored: { readonly generation: number; readonly part: DeliveryPart } | undefined;
}

/** The number of the process that gave messages out last. */
export interface StoredLife {
  readonly kind: 'life';
  readonly life: number;
}

const LIFE = 'life';
const LIFE_FORM = 1;
const BOUNDS = { valuesMax: 100_000, depthMax: 8, takesTimes: false };
const GENERATION_AT = 5;
const KEY_FORM = /^(.+)\/([0-9a-f]{32})\/(0|[1-9][0-9]{0,4})$/s;

export function keyText({ group, topicId, partition }: DeliveryKey): string {
  return `${group}/${topicId}/${partition}`;
}

export function encodeEntry(key: string, generation: number, part: DeliveryPart): RecordInput {
  return { key, value: pack(encodePart(part).concat(generation)) };
}

export function lifeEntry(life: number): RecordInput {
  return { key: LIFE, value: pack([LIFE_FORM, life]) };
}

export function forgottenEntry(key: string): RecordInput {
  return { key, value: null };
}

/** Throws LOG_CORRUPT, FORMAT_UNSUPPORTED. */
export function readEntry(record: LogRecord): StoredEntry | StoredLife {
  const { key, value, offset } = record;
  if (key?.toString() === LIFE) return readLife(record);
  const found = KEY_FORM.exec(key?.toString() ?? '');
  const [, group, topicId, partition] = found ?? [];
  if (group === undefined || topicId === undefined) throw damaged(offset, 'a key');
  const entryKey = { group, topicId, partition: Number(partition) };
  if (entryKey.partition >= limits.topicPartitionsMax) throw damaged(offset, 'a partition');
  if (value === null) return { kind: 'state', key: entryKey, stored: undefined };
  if (shapeOf(value, BOUNDS) !== 'valid') throw damaged(offset, 'a bounded value');
  const parts = unpack(value);
  if (!Array.isArray(parts)) throw damaged(offset, 'a list');
  const part = readPart(parts as StateValue);
  const generation: unknown = parts[GENERATION_AT];
  if (!Number.isSafeInteger(generation) || Number(generation) < 0) {
    throw damaged(offset, 'a generation');
  }
  return { kind: 'state', key: entryKey, stored: { generation: Number(generation), part } };
}

function readLife({ value, offset }: LogRecord): StoredLife {
  if (value === null || shapeOf(value, BOUNDS) !== 'valid') throw damaged(offset, 'a life');
  const parts: unknown = unpack(value);
  const [form, life] = Array.isArray(parts) ? parts : [];
  if (form !== LIFE_FORM) {
    if (!Number.isSafeInteger(form) || form < LIFE_FORM) throw damaged(offset, 'a life');
    throw createError('FORMAT_UNSUPPORTED', { version: form, expected: LIFE_FORM });
  }
  if (!Number.isSafeInteger(life) || life < 0) throw damaged(offset, 'a life');
  return { kind: 'life', life };
}

function damaged(offset: number, expected: string): Error {
  return createError('LOG_CORRUPT', { log: 'share groups', offset, expected });
}
