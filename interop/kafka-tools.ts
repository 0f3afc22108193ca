/**
 * Kafka's side of the comparison as calls: its file reader, its dump tool, and the Java programs
 * that write and consume the topics. Each call is one Java process with a time limit.
 */

import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { assertSucceeded, type ChildExit, type ChildProcesses } from './child-processes.js';
import { javaCommand, toolMemory } from './java-command.js';
import type { Toolchain } from './java-toolchain.js';
import type { KafkaBroker } from './kafka-broker.js';
import {
  booleanField,
  numberField,
  parseLines,
  type RecordLine,
  readRecordLines,
  readStoredRecordLines,
  type StoredRecordLine,
  textField,
} from './record-line.js';

const TOOL_MS_MAX = 300_000;
const WRITE_MS_MAX = 900_000;
/** Keeps one command line well below what the system takes. */
const FILES_PER_CALL_MAX = 500;

export type Scale = 'quick' | 'full';
export type Isolation = 'read_uncommitted' | 'read_committed';

/** One topic that Kafka wrote, and what must be true of its files. */
export interface WrittenTopic {
  readonly topic: string;
  /** Records that the producer was given. */
  readonly written: number;
  readonly segmentsMin: number;
  readonly isCompacted: boolean;
  /** A codec that must occur in the files. */
  readonly codec: string;
}

export class KafkaTools {
  readonly #children: ChildProcesses;
  readonly #toolchain: Toolchain;
  readonly #folder: string;

  /** `folder` takes what the programs write. */
  constructor(children: ChildProcesses, toolchain: Toolchain, folder: string) {
    this.#children = children;
    this.#toolchain = toolchain;
    this.#folder = folder;
  }

  async writeTopics(broker: KafkaBroker, scale: Scale): Promise<WrittenTopic[]> {
    const manifest = join(this.#folder, 'topics.jsonl');
    const args = [broker.bootstrap, broker.logFolder, scale, manifest];
    const exit = await this.#java('write-topics', WRITE_MS_MAX, 'WriteTopics', args);
    assertSucceeded('writing the topics', exit);
    return parseLines(manifest, (fields) => ({
      topic: textField(fields, 'topic'),
      written: numberField(fields, 'written'),
      segmentsMin: numberField(fields, 'segmentsMin'),
      isCompacted: booleanField(fields, 'isCompacted'),
      codec: textField(fields, 'codec'),
    }));
  }

  /** Topics with one partition, no records, and no retention. */
  async createTopics(broker: KafkaBroker, topics: readonly string[]): Promise<void> {
    const args = [broker.bootstrap, broker.logFolder, ...topics];
    const exit = await this.#java('create-topics', TOOL_MS_MAX, 'CreateTopics', args);
    assertSucceeded('creating topics', exit);
  }

  /** Afterwards `readConsumed` has the records of every topic at both isolation levels. */
  async consumeTopics(broker: KafkaBroker, topics: readonly string[]): Promise<void> {
    await mkdir(this.#consumedFolder, { recursive: true });
    const args = [broker.bootstrap, this.#consumedFolder, ...topics];
    const exit = await this.#java('consume-topics', WRITE_MS_MAX, 'ConsumeTopics', args);
    assertSucceeded('consuming the topics', exit);
  }

  readConsumed(topic: string, isolation: Isolation): RecordLine[] {
    return readRecordLines(join(this.#consumedFolder, `${topic}.${isolation}.jsonl`));
  }

  /** The records of each segment by Kafka's file reader, in the order of `files`. */
  async readSegments(files: readonly string[]): Promise<StoredRecordLine[][]> {
    const { exit, folder } = await this.#dumpRecords(files);
    assertSucceeded("reading segments with Kafka's file reader", exit);
    return files.map((_, i) => readStoredRecordLines(join(folder, `${i}.jsonl`)));
  }

  /** Whether Kafka's file reader takes the segment as it is. */
  async acceptsSegment(file: string): Promise<boolean> {
    const { exit } = await this.#dumpRecords([file]);
    return exit.outcome === 'exited' && exit.exitCode === 0;
  }

  /** What Kafka's own classes make of bodies of messages: an answer for each, in their order. */
  async parseMessages(messages: readonly string[]): Promise<readonly string[]> {
    const [given, parsed] = ['messages.txt', 'parsed.txt'].map((name) => join(this.#folder, name));
    if (given === undefined || parsed === undefined) throw new Error('there are two files');
    await writeFile(given, `${messages.join('\n')}\n`);
    const exit = await this.#java('parse-messages', TOOL_MS_MAX, 'ParseMessages', [given, parsed]);
    assertSucceeded('parsing messages', exit);
    return (await readFile(parsed, 'utf8')).trimEnd().split('\n');
  }

  async dumpLogs(files: readonly string[]): Promise<ChildExit> {
    return this.#dump('dump-logs', files, '--deep-iteration', '--print-data-log');
  }

  async checkIndexSanity(files: readonly string[]): Promise<ChildExit> {
    return this.#dump('index-sanity', files, '--index-sanity-check');
  }

  async verifyIndexes(files: readonly string[]): Promise<ChildExit> {
    return this.#dump('verify-indexes', files, '--verify-index-only');
  }

  /** For `.snapshot` and `.txnindex` files. */
  async dumpStateFiles(files: readonly string[]): Promise<ChildExit> {
    return this.#dump('dump-state', files);
  }

  get #consumedFolder(): string {
    return join(this.#folder, 'consumed');
  }

  async #dumpRecords(files: readonly string[]): Promise<{ exit: ChildExit; folder: string }> {
    assertFileCount(files);
    const folder = await mkdtemp(join(this.#folder, 'records-'));
    const exit = await this.#java('dump-records', TOOL_MS_MAX, 'DumpRecords', [folder, ...files]);
    return { exit, folder };
  }

  async #dump(name: string, files: readonly string[], ...options: string[]): Promise<ChildExit> {
    assertFileCount(files);
    const mainClass = 'org.apache.kafka.tools.DumpLogSegments';
    const args = [...options, '--files', files.join(',')];
    const command = javaCommand(this.#toolchain, toolMemory, mainClass, ...args);
    return this.#children.run(name, TOOL_MS_MAX, ...command);
  }

  async #java(
    name: string,
    timeoutMs: number,
    program: string,
    args: readonly string[],
  ): Promise<ChildExit> {
    const mainClass = `millrace.interop.${program}`;
    const command = javaCommand(this.#toolchain, toolMemory, mainClass, ...args);
    return this.#children.run(name, timeoutMs, ...command);
  }
}

function assertFileCount(files: readonly string[]): void {
  if (files.length === 0) throw new Error('no files to look at');
  if (files.length > FILES_PER_CALL_MAX) throw new Error(`${files.length} files in one call`);
}
