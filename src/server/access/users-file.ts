/**
 * The file of users: who there is, verifiers of their passwords, and what each may do.
 *
 *     { "users": { "alice": {
 *         "scram-sha-256": { "salt": "...", "iterations": 8192,
 *                            "storedKey": "...", "serverKey": "..." },
 *         "scram-sha-512": { ... },
 *         "rules": [ { "verbs": ["read", "write"], "topic": "orders-*" },
 *                    { "verbs": ["read"], "group": "billing" },
 *                    { "verbs": ["write"], "transaction": "copier-*" },
 *                    { "verbs": ["describe"], "cluster": "*" } ] } } }
 *
 * Bytes are in base64. Nobody can log in who is not there, and nothing is allowed that no rule
 * says. A file with anything else in it is refused whole: a misspelled rule must not be a missing
 * one.
 */

import { createError, type MillraceError } from '../../base/errors.js';
import { type HashName, hashBytes } from '../../base/hashing.js';
import {
  type AccessRule,
  CLUSTER,
  type ResourceKind,
  resourceKinds,
  type Verb,
  verbs,
} from './access-rules.js';
import type { ScramVerifier } from './scram.js';

export interface User {
  readonly verifiers: Readonly<Record<HashName, ScramVerifier>>;
  readonly rules: readonly AccessRule[];
}

export type Users = ReadonlyMap<string, User>;

export const USERS_FILE_BYTES_MAX = 4 * 1024 * 1024;
const ITERATIONS_MIN = 4_096;
const ITERATIONS_MAX = 1_000_000;
const RULES_MAX = 1_000;
const NAME_BYTES_MAX = 249;
/** Of a new user. */
export const SALT_BYTES = 16;
const SALT_BYTES_MIN = 8;
const SALT_BYTES_MAX = 128;
const verifierFields = { sha256: 'scram-sha-256', sha512: 'scram-sha-512' } as const;

type Fields = Readonly<Record<string, unknown>>;

/** Throws USERS_FILE_INVALID with the place of what is wrong. */
export function parseUsers(text: string): Users {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw createError('USERS_FILE_INVALID', { expected: 'JSON' }, cause);
  }
  const { users } = fieldsOf(parsed, 'the file', ['users']);
  const entries = Object.entries(fieldsOf(users, 'users'));
  return new Map(entries.map(([name, user]) => [checkUserName(name), userOf(user, name)]));
}

export function encodeUsers(users: Users): string {
  const entries = [...users].map(([name, { verifiers, rules }]) => [
    name,
    {
      [verifierFields.sha256]: encodeVerifier(verifiers.sha256),
      [verifierFields.sha512]: encodeVerifier(verifiers.sha512),
      rules: rules.map((rule) => ({ verbs: rule.verbs, [rule.kind]: rule.pattern })),
    },
  ]);
  return `${JSON.stringify({ users: Object.fromEntries(entries) }, null, 2)}\n`;
}

/** Throws USERS_FILE_INVALID. */
export function checkUserName(name: string): string {
  const isFine = /^[^\s,=\p{Cc}]+$/u.test(name) && Buffer.byteLength(name) <= NAME_BYTES_MAX;
  if (isFine) return name;
  throw invalid('users', `a name of at most ${NAME_BYTES_MAX} bytes without blanks`, name);
}

function userOf(value: unknown, name: string): User {
  const { sha256, sha512 } = verifierFields;
  const place = `users.${name}`;
  const fields = fieldsOf(value, place, [sha256, sha512, 'rules']);
  const { rules } = fields;
  if (!Array.isArray(rules) || rules.length > RULES_MAX) {
    throw invalid(`${place}.rules`, `a list of at most ${RULES_MAX} rules`, typeof rules);
  }
  return {
    verifiers: {
      sha256: verifierOf(fields[sha256], `${place}.${sha256}`, 'sha256'),
      sha512: verifierOf(fields[sha512], `${place}.${sha512}`, 'sha512'),
    },
    rules: rules.map((rule: unknown, index) => ruleOf(rule, `${place}.rules[${index}]`)),
  };
}

function ruleOf(value: unknown, place: string): AccessRule {
  const fields = fieldsOf(value, place);
  const kinds = resourceKinds.filter((kind) => kind in fields);
  const [kind] = kinds;
  if (kind === undefined || kinds.length > 1) {
    throw invalid(place, `one of ${resourceKinds.join(', ')}`, Object.keys(fields).join(', '));
  }
  fieldsOf(value, place, ['verbs', kind]);
  return { verbs: verbsOf(fields.verbs, place), kind, pattern: patternOf(fields, kind, place) };
}

function verbsOf(value: unknown, place: string): (Verb | 'all')[] {
  const known: readonly string[] = [...verbs, 'all'];
  const isFine = Array.isArray(value) && value.length > 0 && value.length <= known.length;
  const expected = `a list of ${known.join(', ')}`;
  if (!isFine) throw invalid(`${place}.verbs`, expected, typeof value);
  return value.map((one: unknown) => {
    const verb = one === 'all' ? 'all' : verbs.find((candidate) => candidate === one);
    if (verb === undefined) throw invalid(`${place}.verbs`, expected, String(one));
    return verb;
  });
}

function patternOf(fields: Fields, kind: ResourceKind, place: string): string {
  const pattern = fields[kind];
  const isText = typeof pattern === 'string' && pattern !== '';
  if (!isText || Buffer.byteLength(pattern) > NAME_BYTES_MAX + 1) {
    throw invalid(`${place}.${kind}`, 'a name, or the beginning of names and *', typeof pattern);
  }
  const isAmbiguous = pattern.slice(0, -1).includes('*');
  if (isAmbiguous) throw invalid(`${place}.${kind}`, '* at the end only', pattern);
  if (kind === 'cluster' && pattern !== CLUSTER) {
    throw invalid(`${place}.${kind}`, CLUSTER, pattern);
  }
  return pattern;
}

function verifierOf(value: unknown, place: string, name: HashName): ScramVerifier {
  const fields = fieldsOf(value, place, ['salt', 'iterations', 'storedKey', 'serverKey']);
  const iterations = Number(fields.iterations);
  const isCount = Number.isSafeInteger(fields.iterations);
  if (!isCount || iterations < ITERATIONS_MIN || iterations > ITERATIONS_MAX) {
    const expected = `${ITERATIONS_MIN} to ${ITERATIONS_MAX}`;
    throw invalid(`${place}.iterations`, expected, String(fields.iterations));
  }
  const digest = [hashBytes[name], hashBytes[name]] as const;
  return {
    salt: bytesOf(fields.salt, `${place}.salt`, [SALT_BYTES_MIN, SALT_BYTES_MAX]),
    iterations,
    storedKey: bytesOf(fields.storedKey, `${place}.storedKey`, digest),
    serverKey: bytesOf(fields.serverKey, `${place}.serverKey`, digest),
  };
}

function bytesOf(value: unknown, place: string, [min, max]: readonly [number, number]): Uint8Array {
  const text = typeof value === 'string' ? value : '';
  const bytes = Buffer.from(text, 'base64');
  const isWhole = bytes.toString('base64') === text;
  if (isWhole && bytes.length >= min && bytes.length <= max) return bytes;
  const expected = min === max ? `${min} bytes in base64` : `${min} to ${max} bytes in base64`;
  // What stands there is a secret, perhaps.
  throw invalid(place, expected, typeof value);
}

function encodeVerifier({ salt, iterations, storedKey, serverKey }: ScramVerifier): object {
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
  return {
    salt: base64(salt),
    iterations,
    storedKey: base64(storedKey),
    serverKey: base64(serverKey),
  };
}

/** The fields of an object; with `only`, which others are refused. */
function fieldsOf(value: unknown, place: string, only?: readonly string[]): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(place, 'an object', value === null ? 'null' : typeof value);
  }
  const fields: Fields = { ...value };
  const stranger = Object.keys(fields).find((name) => only?.includes(name) === false);
  if (stranger === undefined) return fields;
  throw invalid(place, `only ${only?.join(', ')}`, stranger);
}

function invalid(place: string, expected: string, actual: string): MillraceError {
  return createError('USERS_FILE_INVALID', { place, expected, actual });
}
