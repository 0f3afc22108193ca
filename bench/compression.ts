/**
 * `compression-<codec>`: lines of real text, appended and read with each codec.
 *
 * The text is the project's own documents, line by line, as often as a round needs; a batch has a
 * thousand lines. The column of raw is the same log without a codec, so the ratio is what the codec
 * costs or gives; `stored` is the share of the bytes that lies on the disk. `-read` walks over all
 * records with a cursor. A codec that this Node does not have is skipped.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type CodecName, hasCode, Log, type RecordInput } from '../src/storage/main.js';
import { type CaseContext, timed } from './case-context.js';
import { takeBytes } from './finished-bytes.js';
import { ReadSum } from './read-sum.js';
import { inBatches } from './records.js';
import type { Subject } from './row.js';
import { compare, interleave } from './statistics.js';

const codecs: readonly Exclude<CodecName, 'none'>[] = ['gzip', 'snappy', 'lz4', 'zstd'];
const IN_FLIGHT = 8;

export async function compression(context: CaseContext): Promise<void> {
  const lines = textLines(context.size(200_000, 500));
  const plain = new TextLog(context, 'none', lines);
  await plain.append();
  for (const codec of codecs) {
    const log = new TextLog(context, codec, lines);
    try {
      await log.append();
    } catch (error) {
      if (!hasCode(error, 'CODEC_UNAVAILABLE')) throw error;
      const skipped = 'this Node does not have the codec';
      context.skip({ case: `compression-${codec}`, against: 'no codec', valueBytes: 0, skipped });
      continue;
    }
    await compareCodec(context, codec, log, plain);
    log.remove();
  }
  plain.remove();
}

async function compareCodec(
  context: CaseContext,
  codec: CodecName,
  log: TextLog,
  plain: TextLog,
): Promise<void> {
  const rounds = context.rounds(5);
  const appends = await interleave(
    rounds,
    context.warmUps,
    () => log.append(),
    () => plain.append(),
  );
  const subject: Subject = {
    case: `compression-${codec}`,
    valueBytes: Math.round(log.textBytes / log.lines),
    ...{ batch: 1000, callers: IN_FLIGHT, acks: 'durable', unit: 'bytes/s', against: 'no codec' },
  };
  const stored = Number((log.storedBytes() / plain.storedBytes()).toFixed(3));
  context.report(subject, compare(appends), { stored, lines: log.lines });
  const reads = await interleave(
    rounds,
    context.warmUps,
    () => log.read(),
    () => plain.read(),
  );
  const reading: Subject = { ...subject, case: `compression-${codec}-read`, acks: '-' };
  context.report(reading, compare(reads), { stored, checksum: log.sum });
}

/** The text in a log of one codec; rates are in bytes of text per second. */
class TextLog {
  readonly #context: CaseContext;
  readonly #codec: CodecName;
  readonly #values: readonly Buffer[];
  readonly #batches: readonly (readonly RecordInput[])[];
  readonly textBytes: number;
  readonly lines: number;
  sum = '';

  constructor(context: CaseContext, codec: CodecName, lines: readonly Buffer[]) {
    this.#context = context;
    this.#codec = codec;
    this.#values = lines;
    const records = lines.map((value): RecordInput => ({ value }));
    this.#batches = inBatches(records, 1000);
    this.textBytes = lines.reduce((sum, { length }) => sum + length, 0);
    this.lines = lines.length;
  }

  async append(): Promise<number> {
    this.remove();
    const log = await Log.open(this.#folder, { compression: this.#codec });
    try {
      let next = 0;
      const caller = async (): Promise<void> => {
        for (;;) {
          const batch = this.#batches[next++];
          if (batch === undefined) return;
          await log.append(batch);
        }
      };
      const elapsedMs = await timed(async () => {
        await Promise.all(Array.from({ length: IN_FLIGHT }, caller));
      });
      return this.textBytes / (elapsedMs / 1000);
    } finally {
      await log.close();
    }
  }

  async read(): Promise<number> {
    const log = await Log.open(this.#folder, { readOnly: true });
    const sum = new ReadSum();
    const elapsedMs = await timed(async () => {
      for await (const batch of log.read()) {
        const cursor = batch.cursor();
        while (cursor.next()) sum.take(cursor.bytes, cursor.valueStart, cursor.valueEnd);
      }
    });
    await log.close();
    sum.check(this.#values);
    this.sum = sum.text();
    return this.textBytes / (elapsedMs / 1000);
  }

  storedBytes(): number {
    return takeBytes(this.#folder).bytes.length;
  }

  remove(): void {
    this.#context.remove(this.#folder);
  }

  get #folder(): string {
    return this.#context.path(`compression-${this.#codec}`);
  }
}

/** Lines of the documents in their order, from the first again when they are used up. */
function textLines(count: number): readonly Buffer[] {
  const root = fileURLToPath(new URL('../../', import.meta.url));
  const documents = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'));
  const files = ['README.md', ...documents.sort().map((name) => join('docs', name))];
  const text = files.map((file) => readFileSync(join(root, file), 'utf8')).join('\n');
  const lines = text.split('\n').filter((line) => line.length > 0);
  return Array.from({ length: count }, (_, index) =>
    Buffer.from(lines[index % lines.length] ?? ''),
  );
}
