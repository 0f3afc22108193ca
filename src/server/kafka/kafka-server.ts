/**
 * A broker on the wire: clients of Apache Kafka connect to it, unmodified.
 *
 * It listens, bounds how many connections there are and how long a silent one lasts, and ends them
 * when it is closed: what was begun is answered first.
 */

import { createServer, type Server, type Socket } from 'node:net';
import type { Cancel } from '../../base/clock.js';
import { createError, errnoOf } from '../../base/errors.js';
import { type GivenOptions, resolveOptions } from '../../base/options.js';
import type { BrokerEngine } from '../../broker/main.js';
import { Connection } from './connection.js';
import { Handlers } from './handler-table.js';
import { addClusterHandlers, spokenVersions } from './handlers/cluster-handlers.js';
import { addCommitHandlers } from './handlers/commit-handlers.js';
import { addConfigHandlers } from './handlers/config-handlers.js';
import { addFetchHandler } from './handlers/fetch-handler.js';
import { addGroupHandlers } from './handlers/group-handlers.js';
import { addOffsetHandlers } from './handlers/offset-handlers.js';
import { addProduceHandler } from './handlers/produce-handler.js';
import { addProducerHandlers } from './handlers/producer-handlers.js';
import { addTopicHandlers } from './handlers/topic-handlers.js';
import type { KafkaNode } from './kafka-node.js';
import { checkAddress, type KafkaConfig, kafkaOptionTable } from './kafka-options.js';
import { LongPolls } from './long-polls.js';

export type KafkaOptions = GivenOptions<typeof kafkaOptionTable>;

export interface KafkaServerEvents {
  /** A connection was ended because of what came from it, or because of a defect. */
  readonly failed?: ((error: unknown) => void) | undefined;
}

/** A client that does not take its answers is not waited for any longer. */
const DRAIN_MS_MAX = 5_000;
/** How often silent connections are looked for, as a part of what they may be silent. */
const LOOKS_PER_IDLE = 10;

export class KafkaServer {
  readonly #server: Server;
  readonly #node: KafkaNode;
  readonly #handlers: Handlers;
  readonly #events: KafkaServerEvents;
  readonly #connections = new Set<Connection>();
  #requests = 0;
  #cancelLook: Cancel | undefined;
  #closing: Promise<void> | undefined;
  #allEnded: (() => void) | undefined;

  /** Throws OPTION_UNKNOWN, OPTION_INVALID, ADDRESS_IN_USE. */
  static async listen(
    engine: BrokerEngine,
    options: KafkaOptions = {},
    events: KafkaServerEvents = {},
  ): Promise<KafkaServer> {
    const config = resolveOptions(kafkaOptionTable, options, 'KafkaServer.listen');
    checkAddress(config);
    const server = new KafkaServer(engine, config, events);
    await server.#listen(config);
    return server;
  }

  private constructor(engine: BrokerEngine, config: KafkaConfig, events: KafkaServerEvents) {
    const polls = new LongPolls(engine.clock);
    this.#node = { engine, config, clusterId: engine.id, polls };
    this.#events = events;
    this.#handlers = handlersOf(this.#node);
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
  }

  get address(): { readonly host: string; readonly port: number } {
    const { config } = this.#node;
    const bound = this.#server.address();
    const port = typeof bound === 'object' && bound !== null ? bound.port : config.port;
    return { host: config.host, port };
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Answers that clients have not taken yet. */
  get bufferedAnswerBytes(): number {
    let bytes = 0;
    for (const connection of this.#connections) bytes += connection.bufferedAnswerBytes;
    return bytes;
  }

  /** Requests that were begun, since the start. */
  get requestCount(): number {
    return this.#requests;
  }

  /** Ends long polls, answers what was begun, then ends all connections. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #listen({ host, port }: KafkaConfig): Promise<void> {
    return new Promise((resolve, reject) => {
      const failed = (error: Error): void => {
        const code = errnoOf(error) === 'EADDRINUSE' ? 'ADDRESS_IN_USE' : 'IO_FAILED';
        reject(createError(code, { host, port, reason: error.message }, error));
      };
      this.#server.once('error', failed);
      this.#server.listen({ host, port }, () => {
        this.#server.off('error', failed);
        this.#server.on('error', (error) => this.#events.failed?.(error));
        this.#lookLater();
        resolve();
      });
    });
  }

  #accept(socket: Socket): void {
    const { config, engine } = this.#node;
    if (this.#connections.size >= config.connections || this.#closing !== undefined) {
      socket.destroy();
      return;
    }
    const connection = new Connection(
      socket,
      this.#handlers,
      {
        requestBytesMax: config.requestBytesMax,
        requestsInFlightMax: config.requestsInFlight,
        answerBytesMax: config.answerBytesMax,
      },
      {
        nowMs: () => engine.clock.monotonicMs(),
        failed: (error) => this.#events.failed?.(error),
        begun: () => {
          this.#requests += 1;
        },
        ended: () => this.#ended(connection),
        spoken: () => spokenVersions(this.#handlers),
      },
    );
    this.#connections.add(connection);
  }

  #ended(connection: Connection): void {
    this.#connections.delete(connection);
    if (this.#connections.size === 0) this.#allEnded?.();
  }

  #lookLater(): void {
    const { config, engine } = this.#node;
    this.#cancelLook = engine.clock.schedule(config.idleMs / LOOKS_PER_IDLE, () => {
      const nowMs = engine.clock.monotonicMs();
      for (const connection of [...this.#connections]) {
        if (connection.silentMs(nowMs) >= config.idleMs) connection.end();
      }
      this.#lookLater();
    });
  }

  async #close(): Promise<void> {
    this.#cancelLook?.();
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    this.#node.polls.close();
    const allEnded = new Promise<void>((resolve) => {
      this.#allEnded = resolve;
    });
    for (const connection of [...this.#connections]) connection.drain();
    const cancel = this.#node.engine.clock.schedule(DRAIN_MS_MAX, () => {
      for (const connection of [...this.#connections]) connection.end();
    });
    if (this.#connections.size > 0) await allEnded;
    cancel();
    await closed;
  }
}

function handlersOf(node: KafkaNode): Handlers {
  const handlers = new Handlers();
  addClusterHandlers(handlers, node);
  addProduceHandler(handlers, node);
  addFetchHandler(handlers, node);
  addOffsetHandlers(handlers, node);
  addGroupHandlers(handlers, node);
  addCommitHandlers(handlers, node);
  addTopicHandlers(handlers, node);
  addConfigHandlers(handlers, node);
  addProducerHandlers(handlers, node);
  return handlers;
}
