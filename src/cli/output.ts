/**
 * What the command prints: results to stdout, waiting while the reader is slow, and errors and
 * progress to stderr.
 *
 * A reader that has gone (EPIPE) is no error: writing then rejects with {@link ReaderGone}, the
 * command closes what it holds, and the process ends with 0.
 */

import { hasCode, MillraceError } from '../storage/main.js';
import type { Streams } from './streams.js';
import { UsageError } from './usage-error.js';

/** Thrown by `write` when nobody reads stdout any more. */
export class ReaderGone extends Error {
  override readonly name = 'ReaderGone';
}

const PIECE_BYTES = 64 * 1024;

export class Output {
  readonly isJson: boolean;
  readonly #streams: Streams;
  #pieces: (string | Uint8Array)[] = [];
  #bytes = 0;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(isJson: boolean, streams: Streams) {
    this.isJson = isJson;
    this.#streams = streams;
    streams.stdout.on('error', (error: NodeJS.ErrnoException) => {
      this.#failure = error.code === 'EPIPE' ? new ReaderGone() : error;
      this.#wake?.();
    });
    // A reader that goes while stderr is the same pipe must not end the process loudly.
    streams.stderr.on('error', () => undefined);
  }

  /** Whether nobody reads stdout any more. */
  get isGone(): boolean {
    return this.#failure !== undefined;
  }

  /** Takes a piece; resolves when there is room for more. */
  async write(piece: string | Uint8Array): Promise<void> {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    if (this.#bytes >= PIECE_BYTES) await this.flush();
  }

  async line(text: string, machine: object): Promise<void> {
    await this.write(`${this.isJson ? JSON.stringify(machine) : text}\n`);
  }

  /** Hands over what was taken; resolves when the stream has taken it. */
  async flush(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#pieces.length === 0) return;
    const bytes = Buffer.concat(this.#pieces.map((piece) => Buffer.from(piece)));
    this.#pieces = [];
    this.#bytes = 0;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      this.#streams.stdout.write(bytes, () => resolve());
    });
    this.#wake = undefined;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** One line about what happens beside the results. */
  note(type: string, facts: Readonly<Record<string, unknown>>): void {
    const text = Object.entries(facts).map(([name, value]) => `${name} ${String(value)}`);
    this.#streams.stderr.write(
      this.isJson
        ? `${JSON.stringify({ type, ...facts })}\n`
        : `millrace: ${type}: ${text.join(', ')}\n`,
    );
  }

  /** One clear line about what went wrong. */
  error(error: unknown): void {
    const { code, text, facts, retryable } = faultOf(error);
    const machine = { error: { code, message: text, retryable, ...facts } };
    this.#streams.stderr.write(
      this.isJson ? `${JSON.stringify(machine)}\n` : `millrace: ${code}: ${text}\n`,
    );
  }
}

interface Fault {
  readonly code: string;
  readonly text: string;
  readonly retryable: boolean;
  readonly facts: object;
}

function faultOf(error: unknown): Fault {
  if (error instanceof MillraceError) {
    const prefix = `${error.code}: `;
    const { message } = error;
    const text = message.startsWith(prefix) ? message.slice(prefix.length) : message;
    const retryable = hasCode(error, error.code) && error.retryable;
    return { code: error.code, text: oneLine(text), retryable, facts: { facts: error.facts } };
  }
  const text = oneLine(error instanceof Error ? error.message : String(error));
  const code = error instanceof UsageError ? error.code : systemCode(error);
  return { code, text, retryable: false, facts: {} };
}

/** The errno of a system error; anything else is a bug of ours. */
function systemCode(error: unknown): string {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : 'INTERNAL';
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, ' ');
}
