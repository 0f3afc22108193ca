/**
 * Digests: the only door to those of the operating system.
 *
 * Of secrets, what is slow on purpose runs in another thread; comparing takes as long whatever the
 * outcome.
 */

import { createHash, createHmac, pbkdf2, timingSafeEqual } from 'node:crypto';

export type HashName = 'sha256' | 'sha512';

/** How long a digest is. */
export const hashBytes: Readonly<Record<HashName, number>> = { sha256: 32, sha512: 64 };

export function hash(name: HashName, bytes: Uint8Array): Uint8Array {
  return createHash(name).update(bytes).digest();
}

/** SHA-256 for telling contents apart: 64 hexadecimal digits; text counts as UTF-8. */
export function sha256Hex(content: Uint8Array | string): string {
  return createHash('sha256').update(content).digest('hex');
}

/** HMAC. */
export function keyedHash(name: HashName, key: Uint8Array, bytes: Uint8Array): Uint8Array {
  return createHmac(name, key).update(bytes).digest();
}

/** PBKDF2, as long as the digest: what a guess at a password costs rises with `iterations`. */
export function stretchedHash(
  name: HashName,
  password: Uint8Array,
  salt: Uint8Array,
  iterations: number,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    pbkdf2(password, salt, iterations, hashBytes[name], name, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}

/** Whether both are the same; how long it takes says nothing of where they differ. */
export function isSameSecret(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}
