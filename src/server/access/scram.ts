/**
 * SCRAM (RFC 5802): a client proves that it knows a password without sending it, and a server that
 * keeps only a verifier proves that it has that.
 *
 *     client  n,,n=<user>,r=<nonce>
 *     server  r=<nonce><more>,s=<salt>,i=<iterations>
 *     client  c=biws,r=<both nonces>,p=<proof>
 *     server  v=<signature>
 *
 * The messages are pure text here; what is known of users comes from outside.
 */

import { createError, type MillraceError } from '../../base/errors.js';
import { type HashName, hash, isSameSecret, keyedHash, stretchedHash } from '../../base/hashing.js';

/** What is kept of a password: it cannot be had back from this, and this does not log in. */
export interface ScramVerifier {
  readonly salt: Uint8Array;
  readonly iterations: number;
  readonly storedKey: Uint8Array;
  readonly serverKey: Uint8Array;
}

/** Names are escaped so that commas separate attributes. */
const NAME = /^(?:[^,=]|=2C|=3D)+$/;
const NONCE = /^[\x21-\x2b\x2d-\x7e]{1,256}$/;

export async function makeVerifier(
  name: HashName,
  password: string,
  { salt, iterations }: Pick<ScramVerifier, 'salt' | 'iterations'>,
): Promise<ScramVerifier> {
  const salted = await stretchedHash(name, Buffer.from(password), salt, iterations);
  return {
    salt,
    iterations,
    storedKey: hash(name, keyedHash(name, salted, Buffer.from('Client Key'))),
    serverKey: keyedHash(name, salted, Buffer.from('Server Key')),
  };
}

/** Whether the verifier was made of this password. */
export async function isPasswordOf(
  name: HashName,
  verifier: ScramVerifier,
  password: string,
): Promise<boolean> {
  const made = await makeVerifier(name, password, verifier);
  return isSameSecret(made.storedKey, verifier.storedKey);
}

export interface ScramStart {
  readonly user: string;
  readonly header: string;
  /** The message without its header, and the nonce in it. */
  readonly bare: string;
  readonly nonce: string;
}

/** Throws AUTHENTICATION_FAILED for what is no first message, or wants channel binding. */
export function readScramStart(message: string): ScramStart {
  const parts = /^([ny],(a=[^,]*)?,)(n=([^,]*),r=([^,]*)(?:,.*)?)$/.exec(message);
  const [, header, , bare, escaped, nonce] = parts ?? [];
  if (header === undefined || bare === undefined || escaped === undefined) {
    throw refused('the first message of SCRAM, without channel binding');
  }
  if (!NAME.test(escaped)) throw refused('a user name');
  if (nonce === undefined || !NONCE.test(nonce)) throw refused('a nonce');
  const user = escaped.replaceAll('=2C', ',').replaceAll('=3D', '=');
  const authorized = parts?.[2]?.slice(2);
  if (authorized !== undefined && authorized !== '' && authorized !== escaped) {
    throw refused('a user who acts for no other one');
  }
  return { user, header, bare, nonce };
}

export interface ScramChallenge extends ScramStart {
  readonly text: string;
  readonly nonces: string;
}

export function challengeOf(
  start: ScramStart,
  { salt, iterations }: ScramVerifier,
  serverNonce: string,
): ScramChallenge {
  const nonces = start.nonce + serverNonce;
  const text = `r=${nonces},s=${Buffer.from(salt).toString('base64')},i=${iterations}`;
  return { ...start, text, nonces };
}

/** The last message of the server. Throws AUTHENTICATION_FAILED. */
export function finishScram(
  name: HashName,
  challenge: ScramChallenge,
  verifier: ScramVerifier,
  message: string,
): string {
  const [, unproved, binding, nonces, proofText] =
    /^(c=([^,]*),r=([^,]*)(?:,.*)?),p=([A-Za-z0-9+/=]*)$/.exec(message) ?? [];
  if (unproved === undefined || proofText === undefined) {
    throw refused('the last message of SCRAM');
  }
  const isBound = Buffer.from(binding ?? '', 'base64').toString() === challenge.header;
  if (!isBound || nonces !== challenge.nonces) throw refused('what was begun');
  const signed = Buffer.from(`${challenge.bare},${challenge.text},${unproved}`);
  const signature = keyedHash(name, verifier.storedKey, signed);
  const proof = Buffer.from(proofText, 'base64');
  if (proof.length !== signature.length) throw refused('a proof');
  const clientKey = proof.map((byte, index) => byte ^ (signature[index] ?? 0));
  if (!isSameSecret(hash(name, clientKey), verifier.storedKey)) throw refused('a proof that fits');
  return `v=${Buffer.from(keyedHash(name, verifier.serverKey, signed)).toString('base64')}`;
}

function refused(expected: string): MillraceError {
  return createError('AUTHENTICATION_FAILED', { expected });
}
