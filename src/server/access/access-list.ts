/**
 * Users as a server asks about them: does this password fit, and may this user do that.
 *
 * Of a user who is not there everything looks as of one whose password is wrong, the salt included:
 * nobody finds out names by asking.
 */

import { createError } from '../../base/errors.js';
import { type HashName, hashBytes, keyedHash } from '../../base/hashing.js';
import { Mutex } from '../../base/mutex.js';
import { randomSecret } from '../../base/prng.js';
import { allows, allowsSome, type ResourceKind, type Verb } from './access-rules.js';
import { isPasswordOf, type ScramVerifier } from './scram.js';
import { SALT_BYTES, type Users } from './users-file.js';

/** More than a server has connections: each one checks one password at a time. */
const CHECKS_MAX = 1_000_000;
/** Of `millrace user add`. */
export const ITERATIONS = 8_192;

export class AccessList {
  #users: Users;
  /** Checking a password takes a thread for milliseconds: one at a time, whoever asks. */
  readonly #checking = new Mutex(CHECKS_MAX);
  readonly #secret = randomSecret(hashBytes.sha256);

  constructor(users: Users) {
    this.#users = users;
  }

  /** From now on these count, also for who has logged in. */
  replace(users: Users): void {
    this.#users = users;
  }

  /** The verifier of a user; for one who is not there, one that no password fits. */
  verifierOf(user: string, name: HashName): ScramVerifier {
    return this.#users.get(user)?.verifiers[name] ?? this.#decoy(user, name);
  }

  /** Rejects with AUTHENTICATION_FAILED. */
  async checkPassword(user: string, password: string): Promise<void> {
    const verifier = this.verifierOf(user, 'sha256');
    const isFine = await this.#checking.run(() => isPasswordOf('sha256', verifier, password));
    if (!isFine) throw createError('AUTHENTICATION_FAILED', { user });
  }

  may(user: string, verb: Verb, kind: ResourceKind, name: string): boolean {
    return allows(this.#users.get(user)?.rules ?? [], verb, kind, name);
  }

  /** Whether the user may do it to something that may be there. */
  maySome(user: string, verb: Verb, kind: ResourceKind): boolean {
    return allowsSome(this.#users.get(user)?.rules ?? [], verb, kind);
  }

  /** The same salt each time somebody asks. */
  #decoy(user: string, name: HashName): ScramVerifier {
    const salt = keyedHash('sha256', this.#secret, Buffer.from(`${name} ${user}`));
    return {
      salt: salt.subarray(0, SALT_BYTES),
      iterations: ITERATIONS,
      storedKey: randomSecret(hashBytes[name]),
      serverKey: randomSecret(hashBytes[name]),
    };
  }
}
