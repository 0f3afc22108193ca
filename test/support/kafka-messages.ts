/** Random messages of Kafka's protocol, drawn from their descriptions. */

import type { Prng } from '../../src/base/prng.js';
import type { Field, WireForm, WireType, WireVersion } from '../../src/server/kafka/wire-type.js';

const ENTRIES_MAX = 3;
const BYTES_MAX = 40;
const TEXTS = ['', 'a', 'orders', 'naïve', '日本語', 'a topic with a rather long name'];

export type Message = Readonly<Record<string, unknown>>;

/** Every field that the version has gets a value; the others keep their defaults. */
export function drawMessage(prng: Prng, type: WireType<unknown>, at: WireVersion): Message {
  return structOf(prng, type.form, type.absent, at);
}

function structOf(prng: Prng, form: WireForm, absent: unknown, at: WireVersion): Message {
  if (form.kind !== 'struct') throw new TypeError('a message is a struct');
  const values: Record<string, unknown> = { ...Object(absent) };
  for (const [name, field] of Object.entries(form.fields)) {
    if (isIn(field, at)) values[name] = drawField(prng, field, at);
  }
  return values;
}

function isIn({ options }: Field<unknown>, { version, isFlexible }: WireVersion): boolean {
  const { from = 0, to = Number.POSITIVE_INFINITY, tag } = options;
  return version >= from && version <= to && (tag === undefined || isFlexible);
}

function drawField(prng: Prng, { type, options }: Field<unknown>, at: WireVersion): unknown {
  if (options.tag !== undefined && prng.boolean()) {
    return 'absent' in options ? options.absent : type.absent;
  }
  const mayBeNull = type.form.isNullable && at.version >= (options.nullableFrom ?? 0);
  return mayBeNull && prng.boolean(0.3) ? null : drawValue(prng, type, at);
}

function drawValue(prng: Prng, { form, absent }: WireType<unknown>, at: WireVersion): unknown {
  switch (form.kind) {
    case 'bool':
      return prng.boolean();
    case 'int8':
      return prng.integer(2 ** 8) - 2 ** 7;
    case 'int16':
      return prng.integer(2 ** 16) - 2 ** 15;
    case 'int32':
      return prng.pick([prng.integer(2 ** 32) - 2 ** 31, 0, -1, 2 ** 31 - 1, -(2 ** 31)]);
    case 'int64':
      return prng.pick([prng.integer(2 ** 40), -1, 0, Number.MAX_SAFE_INTEGER]);
    case 'uuid':
      return Buffer.from(prng.bytes(16)).toString('hex');
    case 'text':
      return prng.pick(TEXTS);
    case 'bytes':
      return Buffer.from(prng.bytes(prng.integer(BYTES_MAX)));
    case 'records':
      return [Buffer.from(prng.bytes(prng.integer(BYTES_MAX)))];
    case 'list': {
      const { entry } = form;
      const count = prng.integer(ENTRIES_MAX + 1);
      return Array.from({ length: count }, () => drawValue(prng, entry, at));
    }
    case 'struct':
      return structOf(prng, form, absent, at);
    default:
      return form satisfies never;
  }
}
