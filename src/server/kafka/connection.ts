/**
 * One connection of a client: frames in, answers out, both bounded.
 *
 *     bytes -> frames -> requests in order -> handlers -> answers in order -> bytes
 *
 * Nothing more is read from a client that has as much under way as it may, or that does not take
 * its answers. A frame that is none ends the connection; one of an API or a version that is not
 * spoken ends it too, but for ApiVersions, which tells what is.
 */

import type { Socket } from 'node:net';
import { createError } from '../../base/errors.js';
import { RequestAccess } from './authorization.js';
import { kafkaErrors } from './error-codes.js';
import { FrameSplitter } from './frame-splitter.js';
import type { AnswerFrame, Handler, Handlers, RequestContext } from './handler-table.js';
import { apiVersions, saslAuthenticate } from './messages/cluster.js';
import type { SaslSession } from './sasl-session.js';
import {
  type RequestHeader,
  type ResponseOf,
  readRequestStart,
  writeResponse,
} from './wire-api.js';
import { WireReader } from './wire-reader.js';

export interface ConnectionLimits {
  readonly requestBytesMax: number;
  /** Requests that are begun and not answered. */
  readonly requestsInFlightMax: number;
  /** Bytes of answers that the client has not taken. */
  readonly answerBytesMax: number;
  /** Bytes of requests that are begun and not answered; a larger one is begun alone. */
  readonly requestBytesInFlight: number;
  /** Whether keys are agreed on before anything comes. */
  readonly isSecured: boolean;
}

/** What a connection needs of its server, and tells it. */
export interface ConnectionHome {
  nowMs(): number;
  /** It is ended because of what the client sent, or because a handler failed. */
  failed(error: unknown): void;
  ended(): void;
  /** A request begins: its API, and how many bytes it has. */
  begun(api: string, bytes: number): void;
  /** It has been answered. */
  answered(api: string, bytes: number): void;
  spoken(): ResponseOf<typeof apiVersions>;
}

/** Nobody needs more to log in. */
const FRAME_BYTES_BEFORE_LOGIN = 64 * 1024;

/** A request that was begun, and its answer once it is there. */
interface Pending {
  readonly bytes: number;
  /** Of its API. */
  readonly name: string;
  readonly mayOverlap: boolean;
  isAnswered: boolean;
  answer: AnswerFrame;
}

export class Connection {
  readonly #socket: Socket;
  readonly #handlers: Handlers;
  readonly #limits: ConnectionLimits;
  readonly #home: ConnectionHome;
  readonly #splitter: FrameSplitter;
  readonly #sasl: SaslSession;
  readonly #begunMs: number;
  #pendingBytes = 0;
  #hasHeard = false;
  readonly #aborter = new AbortController();
  readonly #pending: Pending[] = [];
  #isStepping = false;
  #isDraining = false;
  #isEnded = false;
  #heardMs: number;

  constructor(
    socket: Socket,
    handlers: Handlers,
    sasl: SaslSession,
    limits: ConnectionLimits,
    home: ConnectionHome,
  ) {
    this.#socket = socket;
    this.#handlers = handlers;
    this.#limits = limits;
    this.#home = home;
    this.#sasl = sasl;
    this.#splitter = new FrameSplitter(this.#frameBytesMax());
    this.#heardMs = home.nowMs();
    this.#begunMs = this.#heardMs;
    socket.setNoDelay(true);
    socket.on('data', (piece: Buffer) => {
      if (this.#isDraining) return;
      this.#heardMs = home.nowMs();
      this.#hasHeard = true;
      this.#splitter.push(piece);
      this.#step();
    });
    socket.on('drain', () => this.#step());
    socket.on('error', () => this.end());
    socket.on('close', () => this.#ended());
  }

  /** Answers that the client has not taken yet. */
  get bufferedAnswerBytes(): number {
    return this.#socket.writableLength;
  }

  /** For how long nothing has come, while nothing is under way. */
  silentMs(nowMs: number): number {
    return this.#pending.length > 0 ? 0 : nowMs - this.#heardMs;
  }

  /** For how long it has not been known who this is, or no keys were agreed on. */
  strangeMs(nowMs: number): number {
    const isSettled = this.#sasl.isWelcome && (this.#hasHeard || !this.#limits.isSecured);
    return isSettled ? 0 : nowMs - this.#begunMs;
  }

  /** Begins nothing more, and ends when everything that was begun is answered. */
  drain(): void {
    this.#isDraining = true;
    if (this.#pending.length === 0) this.#finish();
  }

  /** Ends now: whoever works for the client is told by the signal. */
  end(): void {
    this.#aborter.abort();
    this.#socket.destroy();
  }

  /** All is answered. What still comes is thrown away: unread, it might cut the answers off. */
  #finish(): void {
    this.#socket.resume();
    this.#socket.end();
  }

  #step(): void {
    if (this.#isStepping || this.#isEnded) return;
    this.#isStepping = true;
    try {
      while (this.#mayBegin()) {
        const frame = this.#splitter.next();
        if (frame === undefined) break;
        this.#begin(frame);
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#isStepping = false;
    }
    if (this.#isEnded || this.#isDraining) return;
    if (this.#mayBegin()) this.#socket.resume();
    else this.#socket.pause();
  }

  #mayBegin(): boolean {
    if (this.#isEnded || this.#isDraining) return false;
    if (this.#socket.writableLength > this.#limits.answerBytesMax) return false;
    const last = this.#pending.at(-1);
    if (last === undefined) return true;
    // Behind another request the next one waits, but behind those that may overlap.
    const { requestsInFlightMax, requestBytesInFlight } = this.#limits;
    if (this.#pendingBytes >= requestBytesInFlight) return false;
    return last.mayOverlap && this.#pending.length < requestsInFlightMax;
  }

  #begin(frame: Buffer): void {
    if (this.#sasl.takesTokens) {
      this.#beginToken(frame);
      return;
    }
    const reader = new WireReader(frame);
    const header = readRequestStart(reader);
    if (!this.#sasl.mayBegin(header.key)) {
      const expected = 'SaslHandshake, SaslAuthenticate or ApiVersions';
      throw createError('AUTHENTICATION_FAILED', { expected, api: header.key });
    }
    const handler = this.#handlers.find(header.key);
    const isSpoken =
      handler !== undefined &&
      header.version >= handler.api.versionMin &&
      header.version <= handler.api.versionMax;
    if (!isSpoken) {
      this.#refuse(header);
      return;
    }
    const bytes = frame.length;
    const { name } = handler.api;
    const { mayOverlap } = handler;
    const pending: Pending = { bytes, name, mayOverlap, isAnswered: false, answer: undefined };
    this.#pending.push(pending);
    this.#pendingBytes += bytes;
    this.#home.begun(name, bytes);
    const answer = handler.answer(header, reader, this.#contextOf(header, handler));
    if (answer instanceof Promise) {
      answer.then(
        (frame) => this.#answer(pending, frame),
        (error: unknown) => this.#fail(error),
      );
    } else this.#answer(pending, answer);
  }

  /** What the mechanism says is answered in a frame without a header. */
  #beginToken(frame: Buffer): void {
    const bytes = frame.length;
    const { name } = saslAuthenticate;
    const pending: Pending = {
      bytes,
      name,
      mayOverlap: false,
      isAnswered: false,
      answer: undefined,
    };
    this.#pending.push(pending);
    this.#pendingBytes += bytes;
    this.#home.begun(name, bytes);
    this.#sasl.answerToken(frame).then(
      (token) => this.#answer(pending, token === undefined ? undefined : framed(token)),
      (error: unknown) => this.#fail(error),
    );
  }

  #contextOf({ version, clientId }: RequestHeader, { api }: Handler): RequestContext {
    const { remoteAddress = '', localAddress = '', localPort = 0 } = this.#socket;
    return {
      version,
      clientId: clientId === null || clientId === '' ? undefined : clientId,
      clientHost: remoteAddress,
      signal: this.#aborter.signal,
      localAddress: { host: localAddress, port: localPort },
      access: new RequestAccess(api.name, this.#sasl.asker),
      sasl: this.#sasl,
    };
  }

  /** A version of ApiVersions that is not spoken is answered in the oldest form. */
  #refuse({ key, version, correlationId }: RequestHeader): void {
    if (key !== apiVersions.key) {
      const expected = 'an API and a version that ApiVersions told of';
      throw createError('FRAME_INVALID', { expected, api: key, version });
    }
    const { UNSUPPORTED_VERSION } = kafkaErrors;
    const spoken = { ...this.#home.spoken(), errorCode: UNSUPPORTED_VERSION };
    this.#send(writeResponse(apiVersions, 0, correlationId, spoken));
  }

  #answer(pending: Pending, answer: AnswerFrame): void {
    if (this.#isEnded) return;
    pending.isAnswered = true;
    pending.answer = answer;
    for (;;) {
      const [first] = this.#pending;
      if (first?.isAnswered !== true) break;
      this.#pending.shift();
      this.#pendingBytes -= first.bytes;
      if (first.answer === undefined) continue;
      this.#home.answered(first.name, this.#send(first.answer));
    }
    if (this.#sasl.hasFailed && !this.#isDraining) {
      this.#home.failed(createError('AUTHENTICATION_FAILED', { host: this.#socket.remoteAddress }));
      this.#isDraining = true;
    }
    this.#splitter.limit(this.#frameBytesMax());
    if (this.#isDraining && this.#pending.length === 0) this.#finish();
    else this.#step();
  }

  #frameBytesMax(): number {
    const { requestBytesMax } = this.#limits;
    return this.#sasl.isWelcome ? requestBytesMax : FRAME_BYTES_BEFORE_LOGIN;
  }

  /** How many bytes these are. */
  #send(pieces: readonly Uint8Array[]): number {
    let bytes = 0;
    this.#socket.cork();
    for (const piece of pieces) {
      this.#socket.write(piece);
      bytes += piece.length;
    }
    this.#socket.uncork();
    return bytes;
  }

  #fail(error: unknown): void {
    if (this.#isEnded) return;
    this.#home.failed(error);
    this.end();
  }

  #ended(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.end();
    this.#home.ended();
  }
}

/** Behind its length. */
function framed(token: Uint8Array): readonly Uint8Array[] {
  const length = Buffer.alloc(4);
  length.writeInt32BE(token.length);
  return [length, token];
}
