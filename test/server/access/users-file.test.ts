/** The file of users, the rules in it, and the proofs of passwords. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MillraceError } from '../../../src/base/errors.js';
import {
  type AccessRule,
  allows,
  allowsSome,
  verbs,
} from '../../../src/server/access/access-rules.js';
import {
  challengeOf,
  finishScram,
  makeVerifier,
  readScramStart,
} from '../../../src/server/access/scram.js';
import { encodeUsers, parseUsers } from '../../../src/server/access/users-file.js';
import { usersOf } from '../../support/kafka-login.js';

const rules: readonly AccessRule[] = [
  { verbs: ['read', 'write'], kind: 'topic', pattern: 'orders-*' },
  { verbs: ['all'], kind: 'group', pattern: 'billing' },
  { verbs: ['describe'], kind: 'cluster', pattern: '*' },
];

test('rules: what none allows is denied', () => {
  const may = (verb: (typeof verbs)[number], kind: 'topic' | 'group' | 'cluster', name: string) =>
    allows(rules, verb, kind, name);
  assert.ok(may('read', 'topic', 'orders-eu'));
  assert.ok(may('describe', 'topic', 'orders-eu'), 'who reads may know that it is there');
  assert.ok(!may('delete', 'topic', 'orders-eu'));
  assert.ok(!may('read', 'topic', 'orders'), 'the beginning is a whole one');
  assert.ok(!may('read', 'group', 'orders-eu'), 'a rule for topics says nothing of groups');
  assert.ok(verbs.every((verb) => may(verb, 'group', 'billing')));
  assert.ok(!may('read', 'group', 'billing2'));
  assert.ok(may('describe', 'cluster', '*'));
  assert.ok(!may('alter', 'cluster', '*'));
  assert.ok(allowsSome(rules, 'write', 'topic'));
  assert.ok(!allowsSome(rules, 'create', 'topic'));
  assert.ok(!allows([{ ...rules[0], verbs: ['create'] } as AccessRule], 'describe', 'topic', 'x'));
});

test('users: the file comes back as it was written, and holds no password', async () => {
  const users = await usersOf({ alice: rules, 'bob@example.org': [] });
  const text = encodeUsers(users);
  assert.ok(!text.includes('sesame'));
  const again = parseUsers(text);
  assert.deepEqual([...again.keys()], ['alice', 'bob@example.org']);
  assert.deepEqual(again.get('alice')?.rules, rules);
  assert.equal(encodeUsers(again), text);
});

test('users: what does not belong into the file is refused, with its place', async () => {
  const text = encodeUsers(await usersOf({ alice: rules }));
  const { users } = JSON.parse(text);
  const changed = (change: object) => ({ users: { alice: { ...users.alice, ...change } } });
  const scram = users.alice['scram-sha-256'];
  const wrong: readonly (readonly [object | string, string])[] = [
    ['{', 'undefined'],
    [[], 'the file'],
    [{ users, more: 1 }, 'the file'],
    [{ users: { 'a b': users.alice } }, 'users'],
    [changed({ password: 'secret' }), 'users.alice'],
    [changed({ rules: {} }), 'users.alice.rules'],
    [changed({ rules: [{ verbs: ['read'], topics: 't' }] }), 'users.alice.rules[0]'],
    [changed({ rules: [{ verbs: ['read'], topic: 't', group: 'g' }] }), 'users.alice.rules[0]'],
    [changed({ rules: [{ verbs: ['raed'], topic: 't' }] }), 'users.alice.rules[0].verbs'],
    [changed({ rules: [{ verbs: [], topic: 't' }] }), 'users.alice.rules[0].verbs'],
    [changed({ rules: [{ verbs: ['read'], topic: 'a*b' }] }), 'users.alice.rules[0].topic'],
    [changed({ rules: [{ verbs: ['read'], cluster: 'x' }] }), 'users.alice.rules[0].cluster'],
    [
      changed({ 'scram-sha-256': { ...scram, iterations: 1 } }),
      'users.alice.scram-sha-256.iterations',
    ],
    [
      changed({ 'scram-sha-256': { ...scram, storedKey: 'AAAA' } }),
      'users.alice.scram-sha-256.storedKey',
    ],
    [changed({ 'scram-sha-512': scram }), 'users.alice.scram-sha-512.storedKey'],
  ];
  for (const [content, place] of wrong) {
    const given = typeof content === 'string' ? content : JSON.stringify(content);
    assert.throws(
      () => parseUsers(given),
      (error) => {
        assert.ok(error instanceof MillraceError);
        assert.equal(error.code, 'USERS_FILE_INVALID');
        assert.equal(String(error.facts.place), place);
        assert.ok(!error.message.includes('secret'));
        return true;
      },
    );
  }
});

test('scram: the exchange of RFC 7677 comes out', async () => {
  const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
  const verifier = await makeVerifier('sha256', 'pencil', { salt, iterations: 4_096 });
  const start = readScramStart('n,,n=user,r=rOprNGfwEbeRWgbNEkqO');
  const challenge = challengeOf(start, verifier, '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0');
  const nonces = 'rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0';
  assert.equal(challenge.text, `r=${nonces},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`);
  const proof = 'dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=';
  const last = finishScram('sha256', challenge, verifier, `c=biws,r=${nonces},p=${proof}`);
  assert.equal(last, 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=');
  for (const wrong of [
    `c=biws,r=${nonces},p=${proof.replace('d', 'e')}`,
    `c=biws,r=${nonces}x,p=${proof}`,
    `c=eSws,r=${nonces},p=${proof}`,
    `c=biws,r=${nonces},p=`,
    `r=${nonces},p=${proof}`,
  ]) {
    const finish = () => finishScram('sha256', challenge, verifier, wrong);
    assert.throws(finish, { code: 'AUTHENTICATION_FAILED' }, wrong);
  }
});

test('scram: a first message that has no name, acts for others, or binds is refused', () => {
  assert.equal(readScramStart('y,a=x,n=x,r=1,tokenauth=true').user, 'x');
  assert.equal(readScramStart('n,,n=a=2Cb=3Dc,r=1').user, 'a,b=c');
  for (const wrong of [
    '',
    'n,,n=,r=1',
    'n,a=y,n=x,r=1',
    'p=tls,,n=x,r=1',
    'n,,n=x=1,r=1',
    'n,,n=x',
  ]) {
    assert.throws(() => readScramStart(wrong), { code: 'AUTHENTICATION_FAILED' }, wrong);
  }
});
