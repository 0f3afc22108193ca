/**
 * Kafka's own command-line tools against `millrace serve` with users and TLS: they log in with each
 * mechanism, get what a rule allows, and are refused the rest.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AccessRule } from '../src/server/access/access-rules.js';
import { makeUser } from '../src/server/access/new-user.js';
import { encodeUsers } from '../src/server/access/users-file.js';
import { tlsFiles } from '../test/support/tls-fixture.js';
import type { Checks } from './checks.js';
import { type ChildProcesses, readOutput } from './child-processes.js';
import { javaCommand, toolMemory } from './java-command.js';
import type { Toolchain } from './java-toolchain.js';
import { ServedBroker } from './served-broker.js';

const TOOL_MS_MAX = 60_000;
const PASSWORD = 'open sesame';
const rules: readonly AccessRule[] = [
  { verbs: ['create', 'describe', 'write'], kind: 'topic', pattern: 'mine-*' },
];

export async function checkKafkaLogsIn(
  checks: Checks,
  children: ChildProcesses,
  toolchain: Toolchain,
  folder: string,
): Promise<void> {
  mkdirSync(folder);
  const path = (name: string): string => join(folder, name);
  writeFileSync(path('cert.pem'), tlsFiles.certificate);
  writeFileSync(path('key.pem'), tlsFiles.key);
  const users = new Map([['alice', await makeUser(PASSWORD, rules)]]);
  writeFileSync(path('users.json'), encodeUsers(users));
  const tls = ['--tls-cert', path('cert.pem'), '--tls-key', path('key.pem')];
  const given = ['--users', path('users.json'), ...tls];
  const server = await ServedBroker.start(children, path('broker'), { more: given });

  /** What the tool says when it makes a topic. */
  const create = async (topic: string, mechanism: string, password: string): Promise<string> => {
    const settings = path(`${topic}.properties`);
    writeFileSync(settings, settingsText(mechanism, password, path('cert.pem')));
    const at = ['--bootstrap-server', server.bootstrap, '--command-config', settings];
    const wanted = ['--create', '--topic', topic];
    const main = 'org.apache.kafka.tools.TopicCommand';
    const command = javaCommand(toolchain, toolMemory, main, ...at, ...wanted);
    const exit = await children.run('login', TOOL_MS_MAX, ...command);
    return readOutput(exit.stdoutFile) + readOutput(exit.stderrFile);
  };
  const cases = [
    ['mine-plain', 'PLAIN', PASSWORD, 'Created topic mine-plain'],
    ['mine-256', 'SCRAM-SHA-256', PASSWORD, 'Created topic mine-256'],
    ['mine-512', 'SCRAM-SHA-512', PASSWORD, 'Created topic mine-512'],
    ['wrong', 'SCRAM-SHA-512', 'guessed', 'SaslAuthenticationException'],
    ['others', 'SCRAM-SHA-512', PASSWORD, 'TopicAuthorizationException'],
  ] as const;
  for (const [topic, mechanism, password, expected] of cases) {
    await checks.check(`kafka-topics with ${mechanism} over TLS: ${expected}`, async () => {
      const told = await create(topic, mechanism, password);
      return told.includes(expected) ? [] : [told];
    });
  }
  await server.end('SIGTERM');
}

function settingsText(mechanism: string, password: string, certificate: string): string {
  const module = mechanism === 'PLAIN' ? 'plain.PlainLoginModule' : 'scram.ScramLoginModule';
  const login = `org.apache.kafka.common.security.${module} required`;
  return [
    'security.protocol=SASL_SSL',
    `sasl.mechanism=${mechanism}`,
    `sasl.jaas.config=${login} username="alice" password="${password}";`,
    'ssl.truststore.type=PEM',
    `ssl.truststore.location=${certificate}`,
    // The certificate names no address.
    'ssl.endpoint.identification.algorithm=',
    '',
  ].join('\n');
}
