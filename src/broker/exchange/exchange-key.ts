/**
 * Routing keys: AMQP's short strings, words with points between them for topic exchanges.
 */

import { createError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';

/** It would not come back from the log as it was given. */
const LONE_SURROGATE = /\p{Surrogate}/u;
/** No UTF-16 code unit takes more bytes in UTF-8. */
const UNIT_BYTES_MAX = 3;

/** Throws ROUTING_KEY_INVALID for a key that cannot be stored. */
export function checkRoutingKey(key: unknown): asserts key is string {
  checkKeyBytes(key);
  if (LONE_SURROGATE.test(key)) throw invalidKey(key);
}

/** Throws ROUTING_KEY_INVALID for a key that is no text, or too long. */
export function checkKeyBytes(key: unknown): asserts key is string {
  if (typeof key !== 'string') throw invalidKey(typeof key);
  const max = limits.routingKeyBytesMax;
  if (key.length * UNIT_BYTES_MAX <= max) return;
  if (key.length > max || Buffer.byteLength(key) > max) throw invalidKey(key);
}

function invalidKey(key: string): Error {
  return createError('ROUTING_KEY_INVALID', {
    routingKey: key.slice(0, 64),
    expected: `a text of at most ${limits.routingKeyBytesMax} UTF-8 bytes`,
    amqp: 'SYNTAX_ERROR',
  });
}
