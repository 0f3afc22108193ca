/** Who gets in: logging in, limits before it is known who asks, and TLS. Over real sockets. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { hasCode } from '../../../src/base/errors.js';
import { Connection } from '../../../src/server/kafka/connection.js';
import { kafkaErrors } from '../../../src/server/kafka/error-codes.js';
import { Handlers } from '../../../src/server/kafka/handler-table.js';
import {
  apiVersions,
  metadata,
  saslAuthenticate,
  saslHandshake,
} from '../../../src/server/kafka/messages/cluster.js';
import { produce } from '../../../src/server/kafka/messages/data.js';
import { SaslSession } from '../../../src/server/kafka/sasl-session.js';
import { TlsIdentity } from '../../../src/server/tls-identity.js';
import { batchOf } from '../../support/batch-fixtures.js';
import { rejection } from '../../support/fixtures.js';
import { KafkaClient, until, withServer } from '../../support/kafka-client.js';
import { accessFor, loginPlain, loginPlainBare, loginScram } from '../../support/kafka-login.js';
import { tlsFiles } from '../../support/tls-fixture.js';

const { SASL_AUTHENTICATION_FAILED, ILLEGAL_SASL_STATE, UNSUPPORTED_SASL_MECHANISM } = kafkaErrors;
const NOBODY = 'nobody';
const versions = { clientSoftwareName: 'a', clientSoftwareVersion: '1' };

for (const [name, login] of [
  ['PLAIN', loginPlain],
  [
    'SCRAM-SHA-256',
    (...[client, user, word]: Parameters<typeof loginPlain>) =>
      loginScram(client, 'sha256', user, word),
  ],
  [
    'SCRAM-SHA-512',
    (...[client, user, word]: Parameters<typeof loginPlain>) =>
      loginScram(client, 'sha512', user, word),
  ],
] as const) {
  test(`login: ${name} lets in who knows the password, and nobody else`, async () => {
    const access = await accessFor({ alice: [] });
    await withServer(
      async ({ client, failures }) => {
        const one = await client();
        await one.ask(apiVersions, 3, versions);
        assert.equal(await login(one, 'alice'), 0);
        assert.equal((await one.ask(metadata, 9, { topics: [] })).brokers.length, 1);
        for (const [user, password] of [
          ['alice', 'wrong'],
          [NOBODY, undefined],
        ] as const) {
          const other = await client();
          assert.equal(await login(other, user, password), SASL_AUTHENTICATION_FAILED);
          assert.equal(await other.frame(), undefined, 'the connection is ended');
        }
        assert.ok(failures.every((error) => hasCode(error, 'AUTHENTICATION_FAILED')));
        assert.equal(failures.length, 2);
      },
      {},
      { access },
    );
  });
}

test('login: before it nothing is read but what logs in', async () => {
  const access = await accessFor({ alice: [] });
  await withServer(
    async ({ client, failures }) => {
      const one = await client();
      // Metadata whose body is nonsense: nobody looks at it.
      const frame = '0000000f' + '0003' + '0001' + '00000001' + 'ffff' + '7fffffff' + '00';
      one.socket.write(Buffer.from(frame, 'hex'));
      assert.equal(await one.frame(), undefined);
      const two = await client();
      // Beyond what logging in takes, though not beyond what a request may have.
      two.socket.write(Buffer.from('00020000' + '0012' + '0003', 'hex'));
      assert.equal(await two.frame(), undefined);
      const codes = failures.map((error) => hasCode(error, 'AUTHENTICATION_FAILED'));
      assert.deepEqual(codes, [true, false]);
    },
    {},
    { access },
  );
});

test('login: the oldest clients log in without requests around what they say', async () => {
  const access = await accessFor({ alice: [] });
  const ways: readonly ((client: KafkaClient, user: string, word?: string) => Promise<number>)[] = [
    loginPlainBare,
    (client, user, word) => loginScram(client, 'sha256', user, word, true),
    (client, user, word) => loginScram(client, 'sha512', user, word, true),
  ];
  await withServer(
    async ({ client }) => {
      for (const login of ways) {
        const one = await client();
        assert.equal(await login(one, 'alice'), 0);
        assert.equal((await one.ask(metadata, 9, { topics: [] })).brokers.length, 1);
        const other = await client();
        assert.equal(await login(other, 'alice', 'wrong'), -1);
        assert.equal(await other.frame(), undefined, 'the connection is ended');
      }
      const early = await client();
      await early.ask(saslHandshake, 0, { mechanism: 'PLAIN' });
      early.post(metadata, 9, { topics: [] });
      assert.equal(await early.frame(), undefined, 'a request is not what the mechanism says');
    },
    {},
    { access },
  );
});

test('login: steps out of order, twice, or where there are no users are refused', async () => {
  const access = await accessFor({ alice: [] });
  await withServer(
    async ({ client }) => {
      const one = await client();
      const early = await one.ask(saslAuthenticate, 2, { authBytes: Buffer.from('\0a\0b') });
      assert.equal(early.errorCode, ILLEGAL_SASL_STATE);
      assert.equal(await loginPlain(one, 'alice'), 0);
      const twice = await one.ask(saslHandshake, 1, { mechanism: 'PLAIN' });
      assert.equal(twice.errorCode, ILLEGAL_SASL_STATE);
      const two = await client();
      const { errorCode, mechanisms } = await two.ask(saslHandshake, 1, { mechanism: 'GSSAPI' });
      assert.equal(errorCode, UNSUPPORTED_SASL_MECHANISM);
      assert.deepEqual(mechanisms, ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512']);
      assert.equal(await two.frame(), undefined);
    },
    {},
    { access },
  );
  await withServer(async ({ client }) => {
    const { errorCode } = await (await client()).ask(saslHandshake, 1, { mechanism: 'PLAIN' });
    assert.equal(errorCode, ILLEGAL_SASL_STATE);
  });
});

test('login: who takes too long is put out, who is in may be silent', async () => {
  const access = await accessFor({ alice: [] });
  await withServer(
    async ({ client, sim, server }) => {
      const [quick, slow] = [await client(), await client()];
      assert.equal(await loginPlain(quick, 'alice'), 0);
      await slow.ask(apiVersions, 3, versions);
      sim.clock.advance(4_000);
      await slow.ask(apiVersions, 3, versions);
      assert.equal(server.connectionCount, 2);
      sim.clock.advance(2_000);
      assert.equal(await slow.frame(), undefined);
      assert.equal((await quick.ask(metadata, 9, { topics: [] })).brokers.length, 1);
    },
    { handshakeMs: 5_000 },
    { access },
  );
});

test('tls: what is said goes encrypted, and who does not encrypt is put out', async () => {
  const tls = new TlsIdentity(tlsFiles);
  await withServer(
    async ({ client, server, sim }) => {
      const socket = connectTls({ ...server.address, rejectUnauthorized: false });
      await once(socket, 'secureConnect');
      assert.match(String(socket.getPeerX509Certificate()?.subject), /localhost/);
      const one = KafkaClient.over(socket);
      assert.equal((await one.ask(metadata, 9, { topics: [] })).brokers.length, 1);
      const plain = await client();
      plain.post(metadata, 9, { topics: [] });
      assert.equal(await plain.frame(), undefined);
      const silent = await client();
      await until(() => server.connectionCount === 2);
      sim.clock.advance(6_000);
      assert.equal(await silent.frame(), undefined);
      assert.equal((await one.ask(metadata, 9, { topics: [] })).brokers.length, 1);
      one.end();
      await until(() => server.connectionCount === 0);
    },
    { handshakeMs: 5_000 },
    { tls },
  );
});

test('tls: with it another address than loopback may be served', async () => {
  const remote = { host: '0.0.0.0' };
  await rejection(
    withServer(async () => undefined, remote),
    'OPTION_INVALID',
  );
  const tls = new TlsIdentity(tlsFiles);
  await withServer(async () => undefined, remote, { tls });
  assert.throws(() => new TlsIdentity({ ...tlsFiles, key: 'none' }), { code: 'OPTION_INVALID' });
});

test('connections: one address has so many', async () => {
  await withServer(
    async ({ client, server }) => {
      const [one] = [await client(), await client()];
      await until(() => server.connectionCount === 2);
      assert.equal(await (await client()).frame(), undefined);
      one?.end();
      await until(() => server.connectionCount === 1);
      assert.equal((await (await client()).ask(metadata, 9, { topics: [] })).brokers.length, 1);
    },
    { connectionsPerAddress: 2 },
  );
});

test('connections: beyond so many bytes of requests under way the next one waits', async (t) => {
  const handlers = new Handlers();
  const answers: (() => void)[] = [];
  const slow = (): Promise<undefined> =>
    new Promise((resolve) => answers.push(() => resolve(undefined)));
  handlers.add(produce, slow, { mayOverlap: true });
  const limits = {
    requestBytesMax: 1_000_000,
    requestsInFlightMax: 100,
    answerBytesMax: 1_000_000,
    requestBytesInFlight: 65_536,
    isSecured: false,
  };
  let begun = 0;
  const home = {
    nowMs: () => 0,
    failed: () => undefined,
    ended: () => undefined,
    answered: () => undefined,
    spoken: () => apiVersions.response.absent,
    begun: () => {
      begun += 1;
    },
  };
  const server = createServer((socket) => {
    new Connection(socket, handlers, new SaslSession(undefined), limits, home);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = Object(server.address());
  const one = await KafkaClient.connect({ host: '127.0.0.1', port });
  const batch = batchOf([{ value: 'x'.repeat(20_000) }]);
  const topics = [{ name: 't', partitions: [{ index: 0, records: [batch] }] }];
  for (let count = 0; count < 20; count += 1) one.post(produce, 9, { topics } as never);
  // Three are below the bound, so the fourth is begun; one that is answered lets in the next.
  await until(() => begun === 4);
  for (let turn = 0; turn < 100; turn += 1) await setImmediate();
  assert.equal(begun, 4);
  answers[0]?.();
  await until(() => begun === 5);
  one.end();
});
