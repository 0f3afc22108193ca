/**
 * A new user: verifiers of a password, each with a salt of its own.
 */

import { createError } from '../../base/errors.js';
import { randomSecret } from '../../base/prng.js';
import { ITERATIONS } from './access-list.js';
import type { AccessRule } from './access-rules.js';
import { makeVerifier } from './scram.js';
import { checkUserName, SALT_BYTES, type User } from './users-file.js';

export const PASSWORD_BYTES_MAX = 1_024;

/** Throws OPTION_INVALID. */
export function newUserName(name: string): string {
  try {
    return checkUserName(name);
  } catch (cause) {
    const expected = 'a name without blanks, commas and =';
    throw createError('OPTION_INVALID', { option: 'name', expected, actual: name }, cause);
  }
}

/** Throws OPTION_INVALID for a password that is empty or too long. */
export async function makeUser(password: string, rules: readonly AccessRule[]): Promise<User> {
  const bytes = Buffer.byteLength(password);
  if (bytes === 0 || bytes > PASSWORD_BYTES_MAX || password.includes('\0')) {
    const expected = `1 to ${PASSWORD_BYTES_MAX} bytes without a zero`;
    throw createError('OPTION_INVALID', { option: 'password', expected, actual: `${bytes} bytes` });
  }
  const [sha256, sha512] = await Promise.all([
    makeVerifier('sha256', password, { salt: randomSecret(SALT_BYTES), iterations: ITERATIONS }),
    makeVerifier('sha512', password, { salt: randomSecret(SALT_BYTES), iterations: ITERATIONS }),
  ]);
  return { verifiers: { sha256, sha512 }, rules };
}
