/**
 * The other side of the holder's socket: asks the process that holds a folder to do something.
 *
 * Used by the command line for changes to a live folder. Requests go out one at a time, in the
 * order of asking. A holder that hangs up, stays silent too long or says what cannot be read ends
 * the connection, and every request on it fails with `HOLDER_FAILED`; whether one that was sent has
 * been carried out is then not known. The connection keeps the process alive until `close`.
 */

import type { Socket } from 'node:net';
import { join, resolve } from 'node:path';
import { type Cancel, type Clock, systemClock } from '../base/clock.js';
import { createError, type MillraceError } from '../base/errors.js';
import { nodeLockFileSystem as files } from '../base/node-file-system.js';
import { folderError } from './holder-errors.js';
import { FrameAssembler } from './holder-frame.js';
import {
  encodeRequest,
  type HolderReply,
  type HolderRequest,
  parseReply,
  UNKNOWN_ID,
} from './holder-protocol.js';
import {
  type Connected,
  connectTo,
  isWindows,
  kernelNameOf,
  openSocketFolder,
  SOCKET_NAME,
} from './holder-socket.js';

export interface HolderClient {
  request(request: HolderRequest): Promise<HolderReply>;
  /** Hangs up; idempotent. Requests that wait fail. */
  close(): void;
}

export interface HolderClientOptions {
  readonly clock: Clock;
  /** How long the holder may take for one request. */
  readonly replyMsMax: number;
}

const defaults: HolderClientOptions = { clock: systemClock, replyMsMax: 60_000 };

/** Connects to the process that holds this folder, if one does. */
export async function connectHolder(
  directory: string,
  options: Partial<HolderClientOptions> = {},
): Promise<HolderClient | 'no-holder'> {
  const path = resolve(directory);
  const socket = await connectFolder(path);
  if (socket === 'dead' || socket === 'absent') return 'no-holder';
  if (socket === 'busy') throw createError('HOLDER_FAILED', { path, message: 'it is too busy' });
  return new SocketClient(socket, path, { ...defaults, ...options });
}

async function connectFolder(path: string): Promise<Connected> {
  try {
    const identity = files.identityOfTarget(path);
    if (identity === undefined) return 'absent';
    if (identity.kind !== 'directory') throw createError('NOT_A_DIRECTORY', { path });
    if (isWindows) return await connectTo(kernelNameOf(identity) ?? path);
    const folder = openSocketFolder(path);
    try {
      return await connectTo(join(folder.path, SOCKET_NAME));
    } finally {
      folder.close();
    }
  } catch (error) {
    throw folderError(error, path);
  }
}

interface Waiter {
  readonly id: number;
  readonly resolve: (reply: HolderReply) => void;
  readonly reject: (error: MillraceError) => void;
  readonly cancelDeadline: Cancel;
}

class SocketClient implements HolderClient {
  readonly #socket: Socket;
  readonly #path: string;
  readonly #options: HolderClientOptions;
  readonly #assembler = new FrameAssembler();
  #waiter: Waiter | undefined;
  #failure: MillraceError | undefined;
  #lastId = UNKNOWN_ID;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(socket: Socket, path: string, options: HolderClientOptions) {
    this.#socket = socket;
    this.#path = path;
    this.#options = options;
    socket.on('data', (piece: Buffer) => this.#receive(piece));
    socket.once('close', () => this.#fail('the holder hung up'));
  }

  request(request: HolderRequest): Promise<HolderReply> {
    const turn = this.#tail.then(() => this.#send(request));
    this.#tail = turn.catch(() => undefined);
    return turn;
  }

  close(): void {
    this.#fail('the connection was closed');
  }

  #send(request: HolderRequest): Promise<HolderReply> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    this.#lastId += 1;
    const id = this.#lastId;
    const frame = encodeRequest(id, request);
    return new Promise((resolve, reject) => {
      const cancelDeadline = this.#options.clock.schedule(this.#options.replyMsMax, () =>
        this.#fail('the holder stays silent'),
      );
      this.#waiter = { id, resolve, reject, cancelDeadline };
      this.#socket.write(frame);
    });
  }

  #receive(piece: Uint8Array): void {
    this.#assembler.push(piece);
    const body = this.#assembler.take();
    if (body === 'more') return;
    const problem = body === 'too-large' ? 'the reply is too large' : this.#accept(body);
    if (problem !== undefined) this.#fail(problem);
  }

  /** Resolves the request that this reply is for, or says what is wrong with it. */
  #accept(body: Uint8Array): string | undefined {
    const parsed = parseReply(body);
    if (parsed.outcome === 'malformed') return `the reply cannot be read: ${parsed.reason}`;
    const waiter = this.#waiter;
    if (waiter === undefined || (parsed.id !== waiter.id && parsed.id !== UNKNOWN_ID)) {
      return 'the reply answers no request';
    }
    this.#waiter = undefined;
    waiter.cancelDeadline();
    waiter.resolve(parsed.reply);
    return undefined;
  }

  #fail(message: string): void {
    this.#failure ??= createError('HOLDER_FAILED', { path: this.#path, message });
    const waiter = this.#waiter;
    this.#waiter = undefined;
    waiter?.cancelDeadline();
    waiter?.reject(this.#failure);
    this.#socket.destroy();
  }
}
