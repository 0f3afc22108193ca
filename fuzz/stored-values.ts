/**
 * What the broker keeps in logs of its own, changed: definitions, offsets, decisions, delivery
 * states and their journal, facts and pages of delayed messages, receipts, subscriptions.
 *
 * What must hold: whoever reads one of them answers for any bytes with a value or with LOG_CORRUPT
 * or FORMAT_UNSUPPORTED, in memory bounded by what is there; and what it accepts, written again,
 * is read as the same.
 */

import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { MillraceError } from '../src/base/errors.js';
import { pack, unpack } from '../src/base/msgpack.js';
import { shapeOf } from '../src/base/msgpack-shape.js';
import type { Prng } from '../src/base/prng.js';
import type { StateEntry, StatePart, StateValue } from '../src/broker/state/state-log.js';
import { drawFrom, plain } from './draw-values.js';
import type { FuzzEvent } from './event.js';
import { fuzzWith } from './fuzz-data.js';
import { boundedMemory } from './memory.js';
import { mutate } from './mutate.js';
import { storedBytes } from './stored-bytes.js';
import { storedForms } from './stored-forms.js';

const CODES: readonly string[] = ['LOG_CORRUPT', 'FORMAT_UNSUPPORTED'];
const BOUNDS = { valuesMax: 100_000, depthMax: 8, takesTimes: false };
/** What a value costs once it is decoded, beside its bytes in the log. */
const BYTES_PER_BYTE = 100;
const SPARE_BYTES = 256 * 1024;

export function tryStored(event: FuzzEvent): void {
  const { prng } = event;
  if (prng.boolean(0.35)) tryBytes(event);
  else tryEntry(event);
  assert.deepEqual(Object.keys(Object.prototype), [], 'nothing gets into all objects');
}

export const fuzz = fuzzWith(tryStored);

function tryEntry(event: FuzzEvent): void {
  const { prng } = event;
  const form = prng.pick(storedForms);
  const original = form.draw(prng);
  assert.deepEqual(form.again(original), original, `${form.name} comes back as written`);
  const changed = changedEntry(prng, original);
  event.input(Buffer.from(JSON.stringify(changed)), `${form.name} as JSON`);
  const again = coded(event, form.name, changed, () => form.again(changed));
  if (again === undefined) return;
  assert.ok(isDeepStrictEqual(form.again(again), again), `${form.name} means the same again`);
}

function tryBytes(event: FuzzEvent): void {
  const { prng } = event;
  const form = prng.pick(storedBytes);
  const original = form.draw(prng);
  const written = form.again(original);
  assert.ok(written !== undefined, `${form.name} comes back`);
  const bytes = mutate(prng, original);
  event.input(bytes, form.name);
  const again = coded(event, form.name, bytes, () => form.again(bytes));
  if (again === undefined) return;
  assert.deepEqual(form.again(again), again, `${form.name} means the same again`);
}

/** Undefined when it was refused as it should be. */
function coded<Value>(
  event: FuzzEvent,
  name: string,
  given: StateEntry | Uint8Array,
  again: () => Value | undefined,
): Value | undefined {
  const bytes = given instanceof Uint8Array ? given.length : JSON.stringify(given).length;
  try {
    const value = boundedMemory(BYTES_PER_BYTE * bytes + SPARE_BYTES, again);
    event.met(`${name} ${value === undefined ? 'none' : 'accepted'}`);
    return value;
  } catch (error) {
    if (!(error instanceof MillraceError) || !CODES.includes(error.code)) throw error;
    event.met(`${name} ${error.code}`);
    return undefined;
  }
}

/** A change of the key, of some part of the value, or of the bytes that the value is packed in. */
function changedEntry(prng: Prng, { key, value }: StateEntry): StateEntry {
  const drawn = prng.integer(10);
  if (drawn === 0) return { key: Buffer.from(mutate(prng, Buffer.from(key))).toString(), value };
  if (value === null) return { key, value };
  if (drawn < 5) return { key, value: unpacked(mutate(prng, pack(value))) ?? value };
  return { key, value: changedList(prng, value) };
}

/** As the log reads it; undefined for what it refuses by itself. */
function unpacked(bytes: Uint8Array): StateValue | undefined {
  if (shapeOf(bytes, BOUNDS) !== 'valid') return undefined;
  const value = unpack(bytes);
  return isStateValue(value) ? value : undefined;
}

function changedList(prng: Prng, parts: StateValue): StateValue {
  const changed = [...parts];
  const at = prng.integer(changed.length + 1);
  const part = changed[at];
  if (isStateValue(part) && prng.boolean(0.7)) changed[at] = changedList(prng, part);
  else if (prng.boolean(0.2)) changed.splice(at, 1);
  else {
    const drawn = drawFrom(prng, plain);
    changed[at] = isStatePart(drawn) ? drawn : null;
  }
  return changed;
}

function isStateValue(value: unknown): value is StateValue {
  return Array.isArray(value) && value.every(isStatePart);
}

function isStatePart(part: unknown): part is StatePart {
  if (part === null || ['string', 'number', 'boolean'].includes(typeof part)) return true;
  return isStateValue(part);
}
