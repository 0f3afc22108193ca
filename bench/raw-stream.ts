/**
 * The baseline of a stream: a thread writes finished bytes, and the main thread reads them back.
 *
 * Pieces of whole batches are stamped and written in the thread, and synced each, or all at last;
 * while one is on its way, the one before is read through `node:fs` and verified.
 */

import { close, open, read } from 'node:fs';
import { promisify } from 'node:util';
import { stampCrc, verifyCrc } from '../src/storage/batch-header.js';
import type { CaseContext } from './case-context.js';
import { batchStarts, type FinishedBytes } from './finished-bytes.js';
import { RawWriter } from './raw-writer.js';
import { quantile } from './statistics.js';

const openFile = promisify(open);
const closeFile = promisify(close);
const readFile = promisify(read);

const MIB = 1024 * 1024;
const PIECE_SIZES = [MIB / 4, MIB, 4 * MIB];
const CALIBRATION_PASSES = 3;

/** Of one segment: where its batches start, and where the last one ends. */
interface FileStarts {
  readonly path: string;
  readonly starts: readonly number[];
}

export class RawStream {
  readonly #context: CaseContext;
  readonly #bytes: Buffer;
  readonly #files: readonly FileStarts[];
  readonly #writer: RawWriter;
  readonly #isDurable: boolean;
  #target = Buffer.alloc(0);
  pieceBytes = MIB;

  private constructor(context: CaseContext, finished: FinishedBytes, isDurable: boolean) {
    this.#context = context;
    this.#bytes = finished.bytes;
    this.#isDurable = isDurable;
    this.#files = finished.segments.map(({ start, end }, index) => ({
      path: context.path(`raw-stream-${index}`),
      starts: batchStarts(finished.bytes, start, end),
    }));
    this.#writer = new RawWriter(
      finished.memory,
      this.#files.map(({ path }) => path),
    );
  }

  /** Also finds the size of pieces that is best here. */
  static async start(
    context: CaseContext,
    finished: FinishedBytes,
    isDurable: boolean,
  ): Promise<RawStream> {
    const stream = new RawStream(context, finished, isDurable);
    if (context.settings.smoke) return stream;
    let bestMs = Number.POSITIVE_INFINITY;
    let best = MIB;
    for (const size of PIECE_SIZES) {
      stream.pieceBytes = size;
      const times: number[] = [];
      for (let pass = 0; pass < CALIBRATION_PASSES; pass += 1) times.push(await stream.run());
      if (quantile(times, 0.5) >= bestMs) continue;
      bestMs = quantile(times, 0.5);
      best = size;
    }
    stream.pieceBytes = best;
    return stream;
  }

  /** Milliseconds until the last piece is verified. */
  async run(): Promise<number> {
    for (const { path } of this.#files) this.#context.remove(path);
    const startedMs = performance.now();
    for (const [index, file] of this.#files.entries()) await this.#runFile(index, file);
    return performance.now() - startedMs;
  }

  async end(): Promise<void> {
    await this.#writer.end();
    for (const { path } of this.#files) this.#context.remove(path);
  }

  async #runFile(index: number, { path, starts }: FileStarts): Promise<void> {
    const writer = this.#writer;
    writer.open(index);
    writer.submit();
    await writer.settled();
    const file = await openFile(path, 'r');
    let written: readonly number[] | undefined;
    for (const piece of piecesOf(starts, this.pieceBytes)) {
      this.#submit(index, piece, starts[0] ?? 0);
      if (written !== undefined) await this.#verify(file, written, starts[0] ?? 0);
      await writer.settled();
      written = piece;
    }
    writer.sync(index);
    writer.submit();
    if (written !== undefined) await this.#verify(file, written, starts[0] ?? 0);
    await closeFile(file);
    writer.close(index);
    writer.submit();
    await writer.settled();
  }

  #submit(index: number, piece: readonly number[], base: number): void {
    const start = piece[0] ?? 0;
    const end = piece.at(-1) ?? start;
    for (const at of piece.slice(0, -1)) stampCrc(this.#bytes, at);
    this.#writer.write(index, start, end - start, start - base);
    if (this.#isDurable) this.#writer.sync(index);
    this.#writer.submit();
  }

  async #verify(file: number, piece: readonly number[], base: number): Promise<void> {
    const start = piece[0] ?? 0;
    const count = (piece.at(-1) ?? start) - start;
    if (this.#target.length < count) this.#target = Buffer.allocUnsafeSlow(count);
    const { bytesRead } = await readFile(file, this.#target, 0, count, start - base);
    if (bytesRead !== count) throw new Error('the file is shorter than what was written');
    for (const at of piece.slice(0, -1)) {
      if (!verifyCrc(this.#target, at - start)) throw new Error('a batch does not verify');
    }
  }
}

/** Starts of batches, each piece ending with the end of its last one. */
function piecesOf(starts: readonly number[], bytes: number): readonly (readonly number[])[] {
  const pieces: number[][] = [];
  let first = 0;
  for (let next = 1; next < starts.length; next += 1) {
    const isLast = next + 1 === starts.length;
    if (!isLast && (starts[next] ?? 0) - (starts[first] ?? 0) < bytes) continue;
    pieces.push(starts.slice(first, next + 1));
    first = next;
  }
  return pieces;
}
