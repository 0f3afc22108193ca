/**
 * `millrace append`: lines become records, streamed, durable when the command says so.
 *
 * A folder that a process holds is written by that process, asked over its socket; otherwise the
 * log is opened here. A few appends are in flight at a time; their order is the order of the lines.
 */

import { createError } from '../base/errors.js';
import { limits } from '../base/limits.js';
import { connectHolder, hasCode, Log, type RecordInput } from '../main.js';
import { type Command, countOption, EXIT_OK, firstOf, type Invocation } from './command.js';
import { followLinks, lineGroups, openInput } from './input-lines.js';
import { Progress } from './progress.js';

const BATCH_RECORDS = 1000;
/** An append of the command stays below what a log and a holder's frame take by default. */
const BATCH_BYTES = 512 * 1024;
const RECORD_BYTES_ABOUT = 64;
const IN_FLIGHT_MAX = 4;

/** Where records go: the log itself, or the process that holds it. */
interface Sink {
  append(records: readonly RecordInput[]): Promise<{ baseOffset: number; lastOffset: number }>;
  close(): Promise<void>;
}

interface Tally {
  records: number;
  firstOffset: number | undefined;
  lastOffset: number | undefined;
}

export const appendCommand: Command = {
  name: 'append',
  synopsis: '<dir> [file]',
  positionals: [1, 2],
  summary: 'Appends the lines of a file, or of stdin, as records; makes the log when it is absent.',
  options: [
    { name: 'key-separator', value: 'text', summary: 'what comes before it is the key' },
    { name: 'batch', value: 'records', summary: `most records per batch (${BATCH_RECORDS})` },
  ],
  run,
};

async function run(invocation: Invocation): Promise<number> {
  const { positionals, texts, output, signal } = invocation;
  const recordsMax = countOption(texts, 'batch') ?? BATCH_RECORDS;
  const separator = texts.get('key-separator');
  const directory = followLinks(firstOf(invocation));
  const path = positionals[1];
  const input =
    path === undefined || path === '-'
      ? { bytes: undefined, pieces: stdinPieces(signal) }
      : await openInput(path);
  const sink = await openSink(directory);
  const progress = new Progress('appended', output.isJson);
  const tally: Tally = { records: 0, firstOffset: undefined, lastOffset: undefined };
  try {
    const flights = new Flights(sink, tally);
    for await (const group of lineGroups(input.pieces, limits.batchBytesMax, tooLong)) {
      if (signal.aborted) break;
      for (const batch of batches(group.lines, separator, recordsMax)) await flights.add(batch);
      progress.show(group.inputBytes, input.bytes);
    }
    await flights.land();
  } finally {
    progress.end();
    await sink.close();
  }
  const { records, firstOffset, lastOffset } = tally;
  const range = records === 0 ? '' : `, offsets ${firstOffset} to ${lastOffset}`;
  await output.line(`appended ${records} records${range}`, { appended: records, ...tally });
  return EXIT_OK;
}

function tooLong(line: number): Error {
  const expected = `at most ${limits.batchBytesMax} bytes`;
  return createError('RECORD_TOO_LARGE', { line, expected });
}

async function openSink(directory: string): Promise<Sink> {
  for (let attempt = 1; ; attempt += 1) {
    const holder = await connectHolder(directory).catch((error: unknown) => {
      if (hasCode(error, 'LOG_NOT_FOUND')) return 'no-holder' as const;
      throw error;
    });
    if (holder !== 'no-holder') {
      return {
        append: async (records) => {
          const reply = await holder.request({ kind: 'append', records });
          if (!reply.ok) throw createError(reply.code, { ...reply.facts, message: reply.message });
          const { baseOffset, lastOffset } = reply.values;
          return { baseOffset: Number(baseOffset), lastOffset: Number(lastOffset) };
        },
        close: async () => holder.close(),
      };
    }
    try {
      const log = await Log.open(directory);
      return { append: (records) => log.append(records), close: () => log.close() };
    } catch (error) {
      // Somebody took the folder in between: then it can be asked.
      if (!hasCode(error, 'LOG_LOCKED') || attempt === 2) throw error;
    }
  }
}

/** Appends that are under way, bounded, in order. */
class Flights {
  readonly #sink: Sink;
  readonly #tally: Tally;
  readonly #pending: Promise<void>[] = [];

  constructor(sink: Sink, tally: Tally) {
    this.#sink = sink;
    this.#tally = tally;
  }

  async add(records: readonly RecordInput[]): Promise<void> {
    if (this.#pending.length >= IN_FLIGHT_MAX) await this.#pending.shift();
    const flight = this.#sink.append(records).then(({ baseOffset, lastOffset }) => {
      this.#tally.firstOffset ??= baseOffset;
      this.#tally.lastOffset = lastOffset;
      this.#tally.records += records.length;
    });
    // Whoever awaits it meets the error; until then it is not unhandled.
    flight.catch(() => undefined);
    this.#pending.push(flight);
  }

  async land(): Promise<void> {
    for (;;) {
      const flight = this.#pending.shift();
      if (flight === undefined) return;
      await flight;
    }
  }
}

function* batches(
  lines: readonly Uint8Array[],
  separator: string | undefined,
  recordsMax: number,
): Generator<readonly RecordInput[], void, undefined> {
  let records: RecordInput[] = [];
  let bytes = 0;
  for (const line of lines) {
    const lineBytes = line.length + RECORD_BYTES_ABOUT;
    const isFull = records.length === recordsMax || bytes + lineBytes > BATCH_BYTES;
    if (isFull && records.length > 0) {
      yield records;
      records = [];
      bytes = 0;
    }
    records.push(recordOf(line, separator));
    bytes += lineBytes;
  }
  if (records.length > 0) yield records;
}

/** A line without the separator has no key. */
function recordOf(line: Uint8Array, separator: string | undefined): RecordInput {
  if (separator === undefined || separator === '') return { value: line };
  const bytes = Buffer.from(line.buffer, line.byteOffset, line.length);
  const at = bytes.indexOf(separator);
  if (at === -1) return { value: line };
  const valueStart = at + Buffer.byteLength(separator);
  return { key: bytes.subarray(0, at), value: bytes.subarray(valueStart) };
}

/** Stdin until its end, or until the command is asked to stop. */
async function* stdinPieces(signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
  const stop = (): void => void process.stdin.destroy();
  signal.addEventListener('abort', stop, { once: true });
  try {
    if (signal.aborted) return;
    for await (const piece of process.stdin) {
      yield typeof piece === 'string' ? Buffer.from(piece) : new Uint8Array(piece);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', stop);
    process.stdin.destroy();
  }
}
