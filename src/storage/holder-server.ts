/**
 * The holder's side of the socket: takes requests of other processes, one at a time for each.
 *
 * What a peer can cost is bounded: connections in number, a frame in bytes before they are kept,
 * and time: a whole request must arrive, and its reply be taken, within `requestMsMax`. While a
 * handler runs nothing more is read from its peer, and the time does not count. Nothing here keeps
 * the process alive.
 *
 * A frame that cannot be read ends the connection after an error reply; a request that can be read
 * but not carried out gets an error reply, and the connection goes on.
 */

import type { Server, Socket } from 'node:net';
import { assert } from '../base/assert.js';
import type { Cancel, Clock } from '../base/clock.js';
import { createError } from '../base/errors.js';
import { limits } from '../base/limits.js';
import { FrameAssembler } from './holder-frame.js';
import {
  encodeReply,
  errorReply,
  type HolderReply,
  type HolderRequest,
  parseRequest,
  UNKNOWN_ID,
} from './holder-protocol.js';

/** Carries out a request; an error that it throws becomes an error reply. */
export type HolderHandler = (request: HolderRequest) => Promise<HolderReply>;

export class HolderServer {
  readonly #server: Server;
  readonly #clock: Clock;
  readonly #requestMsMax: number;
  readonly #connections = new Set<HolderConnection>();
  readonly #running = new Set<Promise<HolderReply>>();
  readonly #served: Promise<void>;
  #endWait: () => void = () => undefined;
  #handler: HolderHandler | undefined;
  #isStopped = false;

  /** Takes the connections of `server`, which its owner makes listen and closes. */
  constructor(server: Server, clock: Clock, requestMsMax: number) {
    this.#server = server;
    this.#clock = clock;
    this.#requestMsMax = requestMsMax;
    this.#served = new Promise((resolve) => {
      this.#endWait = resolve;
    });
    server.maxConnections = limits.holderConnectionsMax;
    server.on('connection', (socket: Socket) => this.#accept(socket));
  }

  /** From here on the server does not keep the process alive. */
  unref(): void {
    this.#server.unref();
  }

  serve(handler: HolderHandler): void {
    assert(this.#handler === undefined, 'a holder has one handler');
    this.#handler = handler;
    this.#endWait();
  }

  /** Ends the connections and waits for the handlers that run; idempotent. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#endWait();
    for (const connection of this.#connections) connection.end();
    await Promise.allSettled(this.#running);
  }

  #accept(socket: Socket): void {
    socket.unref();
    const connection = new HolderConnection(socket, this.#clock, this.#requestMsMax, (request) =>
      this.#carryOut(request),
    );
    this.#connections.add(connection);
    socket.once('close', () => this.#connections.delete(connection));
    if (this.#isStopped) connection.end();
  }

  async #carryOut(request: HolderRequest): Promise<HolderReply> {
    // Who asks while the holder is still opening waits for the end of that.
    await this.#served;
    const handler = this.#handler;
    if (handler === undefined || this.#isStopped) {
      return errorReply(createError('HOLDER_FAILED', { message: 'the holder is closing' }));
    }
    const running = runHandler(handler, request);
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }
}

/** One peer. It reads, or carries out, or replies: never two of them at once. */
class HolderConnection {
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #requestMsMax: number;
  readonly #carryOut: HolderHandler;
  readonly #assembler = new FrameAssembler();
  #cancelDeadline: Cancel | undefined;
  #isBusy = false;

  constructor(socket: Socket, clock: Clock, requestMsMax: number, carryOut: HolderHandler) {
    this.#socket = socket;
    this.#clock = clock;
    this.#requestMsMax = requestMsMax;
    this.#carryOut = carryOut;
    // An error is followed by `close`; that the peer is gone is no news to anybody.
    socket.on('error', () => {});
    socket.once('close', () => this.end());
    socket.on('data', (piece: Buffer) => {
      this.#assembler.push(piece);
      if (!this.#isBusy) this.#next();
    });
    this.#startDeadline();
  }

  /** Hangs up at once; a handler that runs goes on, and its reply is dropped. */
  end(): void {
    this.#stopDeadline();
    this.#socket.destroy();
  }

  #next(): void {
    const body = this.#assembler.take();
    if (body === 'more') {
      this.#socket.resume();
      return;
    }
    this.#isBusy = true;
    this.#socket.pause();
    if (body === 'too-large') this.#hangUp('the frame is too large');
    else this.#answer(body);
  }

  #answer(body: Uint8Array): void {
    const parsed = parseRequest(body);
    if (parsed.outcome === 'malformed') {
      this.#hangUp(`the frame cannot be read: ${parsed.reason}`);
    } else if (parsed.outcome === 'refused') {
      this.#reply(parsed.id, parsed.reply);
    } else {
      this.#stopDeadline();
      void this.#carryOut(parsed.request).then((reply) => this.#reply(parsed.id, reply));
    }
  }

  #reply(id: number, reply: HolderReply): void {
    if (this.#socket.destroyed) return;
    this.#startDeadline();
    this.#socket.write(encodeReply(id, reply), (error) => {
      if (error !== undefined && error !== null) return;
      this.#isBusy = false;
      this.#startDeadline();
      this.#next();
    });
  }

  /** Says why and stops reading for good; the deadline ends a peer that does not take it. */
  #hangUp(message: string): void {
    const reply = errorReply(createError('FORMAT_UNSUPPORTED', { message }));
    this.#socket.end(encodeReply(UNKNOWN_ID, reply), () => this.end());
  }

  #startDeadline(): void {
    this.#stopDeadline();
    this.#cancelDeadline = this.#clock.schedule(this.#requestMsMax, () => this.end());
  }

  #stopDeadline(): void {
    this.#cancelDeadline?.();
    this.#cancelDeadline = undefined;
  }
}

/** Never rejects: what a handler throws is its reply. */
async function runHandler(handler: HolderHandler, request: HolderRequest): Promise<HolderReply> {
  try {
    return await handler(request);
  } catch (error) {
    return errorReply(error);
  }
}
