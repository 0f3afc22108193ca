/**
 * One client's connection: takes its frames, delivers its session's messages.
 *
 * CONNECT names the client, which then gets every message that its session has not acknowledged,
 * some perhaps for the second time, and those that come. SUBSCRIBE, SEND and ACK (of a message-id
 * and all before it) may ask for a RECEIPT, which says that it is on the disk. Whatever is wrong is
 * answered by ERROR with a code and ends this connection alone. A second connection of a client
 * takes its session over.
 */

import { once } from 'node:events';
import { MillraceError } from 'millrace/storage';
import { encodeFrame, FrameParser, ProtocolError } from './frames.mjs';

/** Requests that wait for the disk; with so many, the socket is not read. */
const requestsMax = 256;
/** How long a peer that got an ERROR may take to hang up. */
const lingerMs = 5000;

export class Connection {
  #socket;
  #sessions;
  #owners;
  #session;
  #hasFailed = false;
  #requests = new Set();
  #delivery = new AbortController();
  #deliveredOffset = -1;

  constructor(socket, sessions, owners) {
    this.#socket = socket;
    this.#sessions = sessions;
    this.#owners = owners;
    // A broken connection ends the loop in `serve`; a write to it has nobody to tell.
    socket.on('error', () => undefined);
  }

  /** Serves until the peer hangs up; resolves when nothing of this connection is left. */
  async serve() {
    const parser = new FrameParser();
    try {
      for await (const chunk of this.#socket) {
        // Leaving the loop would destroy the socket, and the ERROR frame with it.
        if (!this.#hasFailed) await this.#takeAll(parser.push(chunk));
      }
    } catch {
      // The peer is gone; what it has sent is stored all the same.
    }
    this.#delivery.abort();
    if (this.#owners.get(this.#session) === this) this.#owners.delete(this.#session);
    await Promise.all(this.#requests);
  }

  async #takeAll(frames) {
    try {
      for (const frame of frames) await this.#take(frame);
    } catch (error) {
      this.#fail(error);
    }
  }

  async #take({ command, headers, body }) {
    const session = this.#session;
    if ((command === 'CONNECT') !== (session === undefined)) {
      throw new ProtocolError('CONNECT_EXPECTED', 'CONNECT comes first, and once');
    }
    switch (command) {
      case 'CONNECT':
        return this.#connect(await this.#sessions.session(headers['client-id']));
      case 'SUBSCRIBE':
        return this.#answer(this.#sessions.subscribe(session, headers.destination), headers);
      case 'SEND':
        return this.#answer(this.#sessions.publish(headers.destination, body), headers);
      case 'ACK':
        return this.#answer(this.#acknowledge(session, headers.id), headers);
      case 'DISCONNECT':
        return this.#answer(Promise.all(this.#requests), headers);
      default:
        throw new ProtocolError('COMMAND_UNKNOWN', 'a command that this broker does not know');
    }
  }

  #connect(session) {
    const taken = new ProtocolError('SESSION_TAKEN', 'the client has connected elsewhere');
    this.#owners.get(session)?.#fail(taken);
    this.#owners.set(session, this);
    this.#session = session;
    this.#write('CONNECTED', { version: '1.2', session: session.name });
    this.#deliver(session).catch((error) => this.#fail(error));
  }

  async #acknowledge(session, id) {
    if (!/^\d{1,15}$/.test(id ?? '') || Number(id) > this.#deliveredOffset) {
      throw new ProtocolError('ACK_INVALID', 'id is the message-id of a message delivered here');
    }
    await this.#sessions.acknowledge(session, Number(id));
  }

  /** Answers when the request is done; returns at once unless too many wait. */
  async #answer(request, { receipt }) {
    const answered = request
      .then(() => {
        if (receipt !== undefined) this.#write('RECEIPT', { 'receipt-id': receipt });
      })
      .catch((error) => this.#fail(error, receipt))
      .finally(() => this.#requests.delete(answered));
    this.#requests.add(answered);
    if (this.#requests.size >= requestsMax) await Promise.race(this.#requests);
  }

  /** The socket's own buffer is the window: a client that is slow to read is waited for. */
  async #deliver(session) {
    const { signal } = this.#delivery;
    for await (const batch of this.#sessions.read(session, signal)) {
      for (const { offset, key, value } of batch) {
        this.#deliveredOffset = offset;
        const headers = { destination: String(key), 'message-id': offset };
        if (!this.#write('MESSAGE', headers, value)) await once(this.#socket, 'drain', { signal });
      }
    }
  }

  /** Whether there is room for more. */
  #write(command, headers, body) {
    return this.#hasFailed || this.#socket.write(encodeFrame(command, headers, body));
  }

  #fail(error, receipt) {
    if (this.#hasFailed || this.#delivery.signal.aborted) return;
    const isKnown = error instanceof ProtocolError || error instanceof MillraceError;
    if (!isKnown) process.stderr.write(`${error.stack}\n`);
    const code = isKnown ? error.code : 'INTERNAL';
    const headers = { code, message: isKnown ? error.message : 'the broker failed' };
    if (receipt !== undefined) headers['receipt-id'] = receipt;
    this.#socket.end(encodeFrame('ERROR', headers));
    this.#socket.setTimeout(lingerMs, () => this.#socket.destroy());
    this.#hasFailed = true;
    this.#delivery.abort();
  }

  destroy() {
    this.#socket.destroy();
  }
}
