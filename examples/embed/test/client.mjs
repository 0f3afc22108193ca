/**
 * What the tests share: the broker as a process of its own, and a client that keeps what it gets.
 * Nothing here waits for time: every wait ends with a frame or with the connection.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { encodeFrame, FrameParser } from '../frames.mjs';

const program = fileURLToPath(new URL('../broker.mjs', import.meta.url));

export function tempFolder(t) {
  const folder = mkdtempSync(join(tmpdir(), 'embed-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A running broker: its port, and `stop(signal)`, which resolves to the exit code or signal. */
export async function startBroker(t, folder) {
  const child = spawn(process.execPath, [program, folder, '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit').then(([code, signal]) => code ?? signal);
  t.after(() => child.kill('SIGKILL'));
  const said = await Promise.race([once(createInterface(child.stdout), 'line'), exited]);
  const port = Number(/:(\d+)$/.exec(said)?.[1]);
  if (Number.isNaN(port)) throw new Error(`the broker did not start: ${said}`);
  const stop = (signal) => {
    child.kill(signal);
    return exited;
  };
  return { port, stop };
}

export class Client {
  /** Every message that came, `{ id, body }`, in order. */
  messages = [];
  /** The receipts that came. */
  receipts = new Set();
  /** The code of the ERROR that came. */
  errorCode;
  isClosed = false;
  #socket;
  #sent = 0;
  #wakeUps = [];

  /** Connects, and says CONNECT unless `name` is undefined. */
  static async connect(port, name) {
    const client = new Client();
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    client.#socket = socket;
    const parser = new FrameParser();
    socket.on('data', (chunk) => {
      for (const frame of parser.push(chunk)) client.#take(frame);
    });
    // A broker that is killed resets its connections.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      client.isClosed = true;
      client.#wake();
    });
    if (name !== undefined) client.write('CONNECT', { 'client-id': name });
    return client;
  }

  write(command, headers, body) {
    this.#socket.write(encodeFrame(command, headers, body));
  }

  writeBytes(bytes) {
    this.#socket.write(bytes);
  }

  /** Asks with a receipt and returns the receipt's name, without waiting for it. */
  request(command, headers, body) {
    this.#sent += 1;
    const receipt = `r${this.#sent}`;
    this.write(command, { ...headers, receipt }, body);
    return receipt;
  }

  /** Asks and waits until it is done; throws when the connection ends before. */
  async ask(command, headers, body) {
    const receipt = this.request(command, headers, body);
    await this.until(() => this.receipts.has(receipt));
  }

  /** Waits for what frames bring; throws when the connection ends before. */
  async until(condition) {
    while (!condition()) {
      if (this.isClosed) throw new Error(`the connection has ended (${this.errorCode})`);
      await new Promise((resolve) => this.#wakeUps.push(resolve));
    }
  }

  async closed() {
    while (!this.isClosed) await new Promise((resolve) => this.#wakeUps.push(resolve));
  }

  end() {
    this.#socket.end();
    return this.closed();
  }

  #take({ command, headers, body }) {
    if (command === 'MESSAGE') {
      this.messages.push({ id: Number(headers['message-id']), body: body.toString() });
    } else if (command === 'RECEIPT') this.receipts.add(headers['receipt-id']);
    else if (command === 'ERROR') this.errorCode = headers.code;
    this.#wake();
  }

  #wake() {
    for (const resolve of this.#wakeUps.splice(0)) resolve();
  }
}
