/**
 * Logging in to a server, as clients do: written from the standard, not from our own side of it.
 */

import assert from 'node:assert/strict';
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { AccessList } from '../../src/server/access/access-list.js';
import type { AccessRule } from '../../src/server/access/access-rules.js';
import { makeUser } from '../../src/server/access/new-user.js';
import type { Users } from '../../src/server/access/users-file.js';
import { saslAuthenticate, saslHandshake } from '../../src/server/kafka/messages/cluster.js';
import type { KafkaClient } from './kafka-client.js';

export const PASSWORD = 'open, =sesame';

export async function usersOf(
  rules: Readonly<Record<string, readonly AccessRule[]>>,
): Promise<Users> {
  const users = Object.entries(rules).map(async ([name, own]) => {
    return [name, await makeUser(PASSWORD, own)] as const;
  });
  return new Map(await Promise.all(users));
}

export async function accessFor(
  rules: Readonly<Record<string, readonly AccessRule[]>>,
): Promise<AccessList> {
  return new AccessList(await usersOf(rules));
}

/** The error of the last step; 0 when the client is in. */
export async function loginPlain(
  client: KafkaClient,
  user: string,
  password = PASSWORD,
): Promise<number> {
  const { errorCode } = await client.ask(saslHandshake, 1, { mechanism: 'PLAIN' });
  assert.equal(errorCode, 0);
  const authBytes = Buffer.from(`\0${user}\0${password}`);
  return (await client.ask(saslAuthenticate, 2, { authBytes })).errorCode;
}

/** As the oldest clients do, without requests around what they say; -1 when they are put out. */
export async function loginPlainBare(
  client: KafkaClient,
  user: string,
  password = PASSWORD,
): Promise<number> {
  await client.ask(saslHandshake, 0, { mechanism: 'PLAIN' });
  const frame = await sayBare(client, `\0${user}\0${password}`);
  if (frame !== undefined) assert.equal(frame.length, 0);
  return frame === undefined ? -1 : 0;
}

/** The frame of the answer; undefined when the connection is ended. */
export function sayBare(client: KafkaClient, text: string): Promise<Buffer | undefined> {
  const token = Buffer.from(text);
  const length = Buffer.alloc(4);
  length.writeInt32BE(token.length);
  client.socket.write(Buffer.concat([length, token]));
  return client.frame();
}

export async function loginScram(
  client: KafkaClient,
  hash: 'sha256' | 'sha512',
  user: string,
  password = PASSWORD,
  isBare = false,
): Promise<number> {
  const mechanism = `SCRAM-${hash.toUpperCase().replace('SHA', 'SHA-')}`;
  await client.ask(saslHandshake, isBare ? 0 : 1, { mechanism });
  const say = async (text: string) => {
    if (isBare) {
      const frame = await sayBare(client, text);
      return { errorCode: frame === undefined ? -1 : 0, text: frame?.toString() ?? '' };
    }
    const answer = await client.ask(saslAuthenticate, 2, { authBytes: Buffer.from(text) });
    return { ...answer, text: Buffer.from(answer.authBytes).toString() };
  };
  const bare = `n=${user.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=clientnonce`;
  const first = await say(`n,,${bare}`);
  const [, nonce = '', salt = '', iterations = ''] =
    /^r=([^,]+),s=([^,]+),i=(\d+)$/.exec(first.text) ?? [];
  const hmac = (key: Uint8Array, text: string) => createHmac(hash, key).update(text).digest();
  const bytes = hash === 'sha256' ? 32 : 64;
  const salted = pbkdf2Sync(password, Buffer.from(salt, 'base64'), Number(iterations), bytes, hash);
  const key = hmac(salted, 'Client Key');
  const unproved = `c=biws,r=${nonce}`;
  const signed = `${bare},${first.text},${unproved}`;
  const signature = hmac(createHash(hash).update(key).digest(), signed);
  const proof = Buffer.from(key.map((byte, index) => byte ^ (signature[index] ?? 0)));
  const last = await say(`${unproved},p=${proof.toString('base64')}`);
  if (last.errorCode !== 0) return last.errorCode;
  const expected = hmac(hmac(salted, 'Server Key'), signed).toString('base64');
  assert.equal(last.text, `v=${expected}`, 'the server has the verifier');
  return 0;
}
