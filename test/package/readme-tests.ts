/**
 * README.md does what it says: each snippet runs as it stands, twice on the same folders, and each
 * command exists and works. Blocks are found, not listed: a new one is tested once it is written.
 */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { test } from 'node:test';
import { metadata } from '../../src/server/kafka/messages/cluster.js';
import { KafkaClient } from '../support/kafka-client.js';
import {
  assertSuccess,
  buildFolder,
  type PackedProject,
  readManifest,
  root,
  runNode,
  runProgram,
  startProgram,
} from '../support/packed-project.js';
import { type Command, commandsOf, fencedBlocks, linkedFiles } from '../support/readme.js';

/** Its snippets need a client of Kafka: `npm run interop` runs the file that has the same text. */
const PYTHON_SNIPPET = 'interop/samples/readme.py';
const SERVED_ADDRESS = '127.0.0.1:9092';
/** How often something is appended until a command that follows the log has begun to. */
const FOLLOW_TRIES_MAX = 100;
const FOLLOWED = 'a line to follow';

const readme = readFileSync(join(root, 'README.md'), 'utf8');
const blocks = fencedBlocks(readme);
const snippets = blocks.filter(({ language }) => language === 'js');
const commands = blocks.filter(({ language }) => language === 'sh').flatMap(commandsOf);

export function readmeTests(packed: () => PackedProject): void {
  test('README: every fenced block is a snippet or commands', () => {
    const others = blocks.filter(({ language }) => !['js', 'sh', 'python'].includes(language));
    assert.deepEqual(others, []);
    assert.equal(readme.match(/^```/gm)?.length, 2 * blocks.length, 'every fence names a language');
    assert.ok(snippets.length > 0 && commands.length > 0);
  });

  test('README: the snippet in Python is the one that runs against real servers', () => {
    const texts = blocks.filter(({ language }) => language === 'python').map(({ text }) => text);
    assert.deepEqual(texts, [readFileSync(join(root, PYTHON_SNIPPET), 'utf8')]);
  });

  test('README: every link to a file leads to one', () => {
    const broken = linkedFiles(readme).filter((target) => !existsSync(join(root, target)));
    assert.deepEqual(broken, []);
  });

  test('README: snippets run, and run again; then the commands on what they stored', async (t) => {
    const { project } = packed();
    for (const { text, line } of snippets) {
      const file = `readme-line-${line}.mjs`;
      writeFileSync(join(project, file), text);
      for (const time of ['first', 'second']) {
        const outcome = await runNode(project, [file]);
        assertSuccess(outcome, `the snippet in line ${line}, the ${time} time,`);
        assert.notEqual(outcome.stdout, '', `the snippet in line ${line} shows something`);
        assert.equal(outcome.stderr, '', `the snippet in line ${line}`);
      }
    }
    for (const command of commands.filter(([program]) => program === 'millrace')) {
      t.diagnostic(command.join(' '));
      await runCommand(project, command);
    }
  });

  test('README: every other command of the shell is one that works in a clone', async () => {
    for (const command of commands.filter(([program]) => program !== 'millrace')) {
      await checkCommand(packed(), command);
    }
  });

  test('README: npm ci works, since the lock file is that of the manifest', () => {
    const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
    const { dependencies, devDependencies, engines } = readManifest(root);
    const locked = lock.packages[''];
    assert.deepEqual(
      [locked.dependencies, locked.devDependencies, locked.engines],
      [dependencies, devDependencies, engines],
    );
  });
}

/** Runs `millrace ...` of the installed package; input files that it names are made. */
async function runCommand(project: string, command: Command): Promise<void> {
  const [program = '', ...words] = command;
  const executable = join(project, 'node_modules', '.bin', program);
  for (const word of words.filter((each) => extname(each) === '.txt')) {
    writeFileSync(join(project, word), 'a line\nanother line\n');
  }
  if (words.includes('--follow')) return await followAndStop(project, executable, words);
  if (words[0] === 'serve') return await askAndStop(project, executable, words);
  assertSuccess(await runProgram(executable, words, project), command.join(' '));
}

/** A server, on a port that is free, answers a client and ends when it is asked to. */
async function askAndStop(
  project: string,
  executable: string,
  words: readonly string[],
): Promise<void> {
  assert.ok(words.includes(SERVED_ADDRESS), `${words.join(' ')} serves the usual address`);
  const given = words.map((word) => (word === SERVED_ADDRESS ? '127.0.0.1:0' : word));
  const child = startProgram(executable, [...given, '--json'], project);
  const ended = once(child, 'exit');
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += chunk));
  while (!said.includes('\n')) await Promise.race([once(child.stdout, 'data'), ended]);
  const { host, port } = JSON.parse(said.split('\n')[0] ?? '');
  const client = await KafkaClient.connect({ host, port });
  const { topics } = await client.ask(metadata, 9, { topics: null });
  assert.notDeepEqual(topics, [], 'it has the topics of the folder');
  child.kill('SIGTERM');
  const [exitCode] = await ended;
  assert.equal(exitCode, 143, said);
}

/** A command that waits for more prints what is appended meanwhile, and ends with Ctrl-C. */
async function followAndStop(
  project: string,
  executable: string,
  words: readonly string[],
): Promise<void> {
  const folder = words.find((word) => existsSync(join(project, word)));
  assert.ok(folder !== undefined, `${words.join(' ')} names a log that is there`);
  const [name, , topic = ''] = words;
  const adding = name === 'consume' ? ['produce', folder, topic] : ['append', folder];
  writeFileSync(join(project, 'followed.txt'), `${FOLLOWED}\n`);
  const child = startProgram(executable, words, project);
  const ended = once(child, 'exit');
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += chunk));
  for (let tries = 0; !said.includes(FOLLOWED) && tries < FOLLOW_TRIES_MAX; tries += 1) {
    const appended = await runProgram(executable, [...adding, 'followed.txt'], project);
    assertSuccess(appended, `millrace ${adding.join(' ')}`);
  }
  child.kill('SIGINT');
  const [exitCode] = await ended;
  // Only a log has one order: the partitions of a topic come as they are read.
  const lines =
    name === 'consume'
      ? /^(?:(?:a|another) line\n|a line to follow\n)+$/
      : /^(?:(?:a|another) line\n)*(?:a line to follow\n)+$/;
  assert.match(said, lines);
  assert.ok(said.includes(FOLLOWED), said);
  assert.equal(exitCode, 130);
}

/** Commands of a clone: npm's are looked up in the manifest, cheap programs of ours are run. */
async function checkCommand(packed: PackedProject, command: Command): Promise<void> {
  const [program, verb = '', ...rest] = command;
  const shown = command.join(' ');
  if (program === 'node') {
    const file = verb.replace(/^dist\//, '');
    const folder = file === verb ? root : buildFolder;
    assert.ok(existsSync(join(folder, file)), `${shown}: ${verb} is not there`);
    return;
  }
  assert.equal(program, 'npm', `${shown}: this test knows npm, node and millrace`);
  if (verb === 'ci' || verb === 'pack') return;
  const [name = '', ...words] = verb === 'run' ? rest : [verb, ...rest];
  const programs = programsOf(name, shown);
  if (name !== 'start') return;
  // Built already; what is left of the script is its last program.
  const last = programs.at(-1);
  assert.ok(last !== undefined);
  const separator = words.indexOf('--');
  const given = separator === -1 ? [] : words.slice(separator + 1);
  const files = given.map((word) => (existsSync(join(root, word)) ? join(root, word) : word));
  const outcome = await runNode(packed.project, [last, ...files]);
  assertSuccess(outcome, shown);
}

/** The files that an npm script runs with Node, which must be there, in order. */
function programsOf(name: string, shown: string): string[] {
  const script = readManifest(root).scripts?.[name];
  assert.ok(script !== undefined, `${shown}: there is no script ${name}`);
  return script.split(' && ').flatMap((part) => {
    const words = part.split(' ').filter((word) => !word.startsWith('-'));
    if (words[0] === 'npm' && words[1] === 'run') return programsOf(words[2] ?? '', shown);
    assert.equal(words[0], 'node', `${shown}: ${part}`);
    const path = words[1] ?? '';
    const file = /^dist\//.test(path) ? join(buildFolder, path.slice(5)) : join(root, path);
    assert.ok(existsSync(file), `${shown}: ${path} is not there`);
    return [file];
  });
}
