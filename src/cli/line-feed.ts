/**
 * Lines of a file or of stdin as records, streamed to wherever they are stored.
 *
 * A few batches are in flight at a time; their order is the order of the lines.
 */

import { createError } from '../base/errors.js';
import { limits } from '../base/limits.js';
import type { RecordInput } from '../storage/main.js';
import { type CommandOption, countOption, type Invocation } from './command.js';
import { lineGroups, openInput } from './input-lines.js';
import { Progress } from './progress.js';

const BATCH_RECORDS = 1000;
/** An append of the command stays below what a log and a holder's frame take by default. */
const BATCH_BYTES = 512 * 1024;
const RECORD_BYTES_ABOUT = 64;
const IN_FLIGHT_MAX = 4;

/** Where records go. */
export interface LineSink {
  append(records: readonly RecordInput[]): Promise<void>;
  close(): Promise<void>;
}

export const lineOptions: readonly CommandOption[] = [
  { name: 'key-separator', value: 'text', summary: 'what comes before it is the key' },
  { name: 'batch', value: 'records', summary: `most records per batch (${BATCH_RECORDS})` },
];

/**
 * Feeds the lines of `path`, or of stdin, to the sink, which is opened once the input is, and
 * closed. Resolves when all of them are stored; `verb` is for the progress.
 */
export async function feedLines(
  invocation: Invocation,
  path: string | undefined,
  verb: string,
  openSink: () => Promise<LineSink>,
): Promise<void> {
  const { texts, signal } = invocation;
  const recordsMax = countOption(texts, 'batch') ?? BATCH_RECORDS;
  const separator = texts.get('key-separator');
  const input =
    path === undefined || path === '-'
      ? { bytes: undefined, pieces: stdinPieces(invocation) }
      : await openInput(path);
  const sink = await openSink();
  const progress = new Progress(verb, invocation);
  try {
    const flights = new Flights(sink);
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
}

function tooLong(line: number): Error {
  const expected = `at most ${limits.batchBytesMax} bytes`;
  return createError('RECORD_TOO_LARGE', { line, expected });
}

/** Appends that are under way, bounded, in order. */
class Flights {
  readonly #sink: LineSink;
  readonly #pending: Promise<void>[] = [];

  constructor(sink: LineSink) {
    this.#sink = sink;
  }

  async add(records: readonly RecordInput[]): Promise<void> {
    if (this.#pending.length >= IN_FLIGHT_MAX) await this.#pending.shift();
    const flight = this.#sink.append(records);
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
async function* stdinPieces({
  signal,
  streams,
}: Invocation): AsyncGenerator<Uint8Array, void, undefined> {
  const stop = (): void => void streams.stdin.destroy();
  signal.addEventListener('abort', stop, { once: true });
  try {
    if (signal.aborted) return;
    for await (const piece of streams.stdin) {
      yield typeof piece === 'string' ? Buffer.from(piece) : new Uint8Array(piece);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', stop);
    streams.stdin.destroy();
  }
}
