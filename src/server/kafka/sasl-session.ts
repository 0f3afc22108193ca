/**
 * Logging in, for one connection: PLAIN and SCRAM by SaslHandshake and SaslAuthenticate.
 *
 *     unknown -> chosen -> [challenged] -> known
 *
 * After the oldest version of SaslHandshake frames are what the mechanism says, and no requests,
 * until it is known who asks; what is wrong then has no answer.
 *
 * One wrong step ends the connection, once its answer is sent. Where there are no users, everybody
 * is welcome, and logging in is a mistake.
 */

import { createError, hasCode } from '../../base/errors.js';
import type { HashName } from '../../base/hashing.js';
import { randomSecret } from '../../base/prng.js';
import type { AccessList } from '../access/access-list.js';
import { challengeOf, finishScram, readScramStart, type ScramChallenge } from '../access/scram.js';
import type { Asker } from './authorization.js';
import { kafkaErrors } from './error-codes.js';
import { apiVersions, saslAuthenticate, saslHandshake } from './messages/cluster.js';
import type { ResponseOf } from './wire-api.js';

type Authenticated = ResponseOf<typeof saslAuthenticate>;

export const mechanisms = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const;
type Mechanism = (typeof mechanisms)[number];

const hashes = { 'SCRAM-SHA-256': 'sha256', 'SCRAM-SHA-512': 'sha512' } as const;
const NONCE_BYTES = 24;
const NO_BYTES = new Uint8Array(0);
/** What may be asked before it is known who asks. */
const openToAll: readonly number[] = [apiVersions.key, saslHandshake.key, saslAuthenticate.key];

type SaslState =
  | { readonly kind: 'unknown' | 'failed' }
  | { readonly kind: 'chosen'; readonly mechanism: Mechanism }
  | { readonly kind: 'challenged'; readonly hash: HashName; readonly challenge: ScramChallenge }
  | { readonly kind: 'known'; readonly asker: Asker };

export class SaslSession {
  readonly #list: AccessList | undefined;
  #state: SaslState = { kind: 'unknown' };
  #isBare = false;

  constructor(list: AccessList | undefined) {
    this.#list = list;
  }

  /** Undefined also where everybody is welcome. */
  get asker(): Asker | undefined {
    return this.#state.kind === 'known' ? this.#state.asker : undefined;
  }

  /** Whether anything may be asked. */
  get isWelcome(): boolean {
    return this.#list === undefined || this.#state.kind === 'known';
  }

  /** The connection ends with the answer that says so. */
  get hasFailed(): boolean {
    return this.#state.kind === 'failed';
  }

  /** Whether requests of this API are read at all. */
  mayBegin(apiKey: number): boolean {
    return this.isWelcome || openToAll.includes(apiKey);
  }

  /** Whether the next frame is what the mechanism says. */
  get takesTokens(): boolean {
    const { kind } = this.#state;
    return this.#isBare && (kind === 'chosen' || kind === 'challenged');
  }

  /** `isBare`: what the mechanism says comes without requests around it. */
  choose(name: string, isBare = false): ResponseOf<typeof saslHandshake> {
    const { ILLEGAL_SASL_STATE, NONE, UNSUPPORTED_SASL_MECHANISM } = kafkaErrors;
    const mechanism = mechanisms.find((one) => one === name);
    const told = this.#list === undefined ? [] : mechanisms;
    if (this.#list === undefined || this.#state.kind !== 'unknown') {
      return { errorCode: ILLEGAL_SASL_STATE, mechanisms: told };
    }
    if (mechanism === undefined) {
      this.#state = { kind: 'failed' };
      return { errorCode: UNSUPPORTED_SASL_MECHANISM, mechanisms: told };
    }
    this.#state = { kind: 'chosen', mechanism };
    this.#isBare = isBare;
    return { errorCode: NONE, mechanisms: told };
  }

  /** The answer to a frame of the mechanism; undefined: there is none, and the connection ends. */
  async answerToken(token: Uint8Array): Promise<Uint8Array | undefined> {
    const { errorCode, authBytes } = await this.authenticate(token);
    return errorCode === kafkaErrors.NONE ? authBytes : undefined;
  }

  async authenticate(message: Uint8Array): Promise<Authenticated> {
    const state = this.#state;
    const list = this.#list;
    if (list === undefined || (state.kind !== 'chosen' && state.kind !== 'challenged')) {
      const errorMessage = 'SaslHandshake comes first, and only once.';
      return answerOf(NO_BYTES, kafkaErrors.ILLEGAL_SASL_STATE, errorMessage);
    }
    try {
      const text = Buffer.from(message).toString('utf8');
      return answerOf(Buffer.from(await this.#step(list, state, text)));
    } catch (error) {
      this.#state = { kind: 'failed' };
      if (!hasCode(error, 'AUTHENTICATION_FAILED')) throw error;
      const { SASL_AUTHENTICATION_FAILED } = kafkaErrors;
      // The same words whatever was wrong.
      const errorMessage = 'Authentication failed: invalid credentials.';
      return answerOf(NO_BYTES, SASL_AUTHENTICATION_FAILED, errorMessage);
    }
  }

  async #step(
    list: AccessList,
    state: Extract<SaslState, { kind: 'chosen' | 'challenged' }>,
    text: string,
  ): Promise<string> {
    if (state.kind === 'challenged') {
      const { hash, challenge } = state;
      const verifier = list.verifierOf(challenge.user, hash);
      const last = finishScram(hash, challenge, verifier, text);
      this.#welcome(list, challenge.user);
      return last;
    }
    const { mechanism } = state;
    if (mechanism === 'PLAIN') {
      const { user, password } = readPlain(text);
      await list.checkPassword(user, password);
      this.#welcome(list, user);
      return '';
    }
    const hash = hashes[mechanism];
    const start = readScramStart(text);
    const nonce = Buffer.from(randomSecret(NONCE_BYTES)).toString('base64');
    const challenge = challengeOf(start, list.verifierOf(start.user, hash), nonce);
    this.#state = { kind: 'challenged', hash, challenge };
    return challenge.text;
  }

  #welcome(list: AccessList, user: string): void {
    const asker: Asker = {
      user,
      may: (verb, kind, name) => list.may(user, verb, kind, name),
      maySome: (verb, kind) => list.maySome(user, verb, kind),
    };
    this.#state = { kind: 'known', asker };
  }
}

/** Who is acted for, who acts, and the password, with zero bytes between. */
function readPlain(text: string): { readonly user: string; readonly password: string } {
  const [forWhom, user, password, ...rest] = text.split('\0');
  const isWhole = user !== undefined && password !== undefined && rest.length === 0;
  if (isWhole && user !== '' && password !== '' && (forWhom === '' || forWhom === user)) {
    return { user, password };
  }
  throw createError('AUTHENTICATION_FAILED', { expected: 'a user and a password' });
}

function answerOf(
  authBytes: Uint8Array,
  errorCode: number = kafkaErrors.NONE,
  errorMessage: string | null = null,
): Authenticated {
  return { errorCode, errorMessage, authBytes, sessionLifetimeMs: 0 };
}
