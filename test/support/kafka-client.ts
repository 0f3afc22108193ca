/**
 * A client of Kafka's protocol that says just what a test wants, over a real socket; and a server
 * over a broker on an imaginary disk.
 */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import type { Broker } from '../../src/broker/broker.js';
import { FrameSplitter } from '../../src/server/kafka/frame-splitter.js';
import {
  type KafkaOptions,
  type KafkaSecurity,
  KafkaServer,
} from '../../src/server/kafka/kafka-server.js';
import { type Api, readResponse, writeRequest } from '../../src/server/kafka/wire-api.js';
import type { WireType } from '../../src/server/kafka/wire-type.js';
import { SimBroker } from './broker-fixture.js';

const FRAME_BYTES_MAX = 64 * 1024 * 1024;

export class KafkaClient {
  readonly socket: Socket;
  readonly #splitter = new FrameSplitter(FRAME_BYTES_MAX);
  #waiting: ((frame: Buffer | undefined) => void)[] = [];
  #frames: Buffer[] = [];
  #lastId = 0;
  isEnded = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (piece: Buffer) => {
      this.#splitter.push(piece);
      for (let frame = this.#splitter.next(); frame; frame = this.#splitter.next()) {
        const next = this.#waiting.shift();
        if (next === undefined) this.#frames.push(frame);
        else next(frame);
      }
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.isEnded = true;
      for (const next of this.#waiting.splice(0)) next(undefined);
    });
  }

  static async connect({ host, port }: { host: string; port: number }): Promise<KafkaClient> {
    const socket = connect({ host, port });
    await once(socket, 'connect');
    return new KafkaClient(socket);
  }

  /** Over a socket that is connected, perhaps an encrypted one. */
  static over(socket: Socket): KafkaClient {
    return new KafkaClient(socket);
  }

  /** Fields that are not named have their defaults, also those of structs in lists. */
  async ask<Request, Response>(
    api: Api<Request, Response>,
    version: number,
    request: Partial<Request>,
  ): Promise<Response> {
    const correlationId = this.post(api, version, request);
    const frame = await this.frame();
    assert.ok(frame !== undefined, 'the connection was ended');
    const answer = readResponse(api, version, frame);
    assert.equal(answer.correlationId, correlationId);
    return answer.response;
  }

  /** Sends a request and does not wait; returns its number. */
  post<Request>(api: Api<Request, unknown>, version: number, request: Partial<Request>): number {
    this.#lastId += 1;
    const header = { version, correlationId: this.#lastId, clientId: 'test' };
    const whole = completed(api.request, request);
    this.socket.write(Buffer.concat(writeRequest(api, header, whole)));
    return this.#lastId;
  }

  /** The next frame; undefined when the connection ends before. */
  async frame(): Promise<Buffer | undefined> {
    const frame = this.#frames.shift();
    if (frame !== undefined || this.isEnded) return frame;
    return await new Promise((resolve) => this.#waiting.push(resolve));
  }

  end(): void {
    this.socket.destroy();
  }
}

export interface ServerUnderTest {
  readonly sim: SimBroker;
  readonly broker: Broker;
  readonly server: KafkaServer;
  readonly failures: unknown[];
  client(): Promise<KafkaClient>;
}

export interface ServerSurroundings extends KafkaSecurity {
  readonly sim?: SimBroker;
}

/** Runs `work` with a server over the folder of `sim`, which is closed behind it. */
export async function withServer(
  work: (under: ServerUnderTest) => Promise<void>,
  options: KafkaOptions = {},
  { sim = new SimBroker(), ...security }: ServerSurroundings = {},
): Promise<void> {
  const broker = await sim.open();
  const failures: unknown[] = [];
  const failed = (error: unknown): void => void failures.push(error);
  const given = { port: 0, ...options };
  const server = await KafkaServer.listen(broker.engine, given, { failed }, security);
  const clients: KafkaClient[] = [];
  const client = async (): Promise<KafkaClient> => {
    const made = await KafkaClient.connect(server.address);
    clients.push(made);
    return made;
  };
  try {
    await work({ sim, broker, server, failures, client });
  } finally {
    for (const one of clients) one.end();
    await server.close();
    await broker.close();
  }
}

/** Lets the event loop turn until it is so: what other processes would do takes no time here. */
export async function until(isSo: () => boolean): Promise<void> {
  for (let turn = 0; turn < 100_000; turn += 1) {
    if (isSo()) return;
    await setImmediate();
  }
  assert.fail('it did not come to be so');
}

function completed<Value>(type: WireType<Value>, given: Partial<Value>): Value {
  const whole: unknown = complete(type, given);
  return Object.assign(Object.create(null), whole);
}

function complete({ form, absent }: WireType<unknown>, given: unknown): unknown {
  if (given === undefined) return absent;
  if (given === null || typeof given !== 'object') return given;
  if (form.kind === 'list' && Array.isArray(given)) {
    return given.map((entry: unknown) => complete(form.entry, entry));
  }
  if (form.kind !== 'struct') return given;
  const values: Record<string, unknown> = Object(absent);
  const whole: Record<string, unknown> = { ...values };
  for (const [name, value] of Object.entries(given)) {
    const field = form.fields[name];
    assert.ok(field !== undefined, `the message has a field ${name}`);
    whole[name] = complete(field.type, value);
  }
  return whole;
}
