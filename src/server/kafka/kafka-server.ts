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
import { Prng, randomSeed } from '../../base/prng.js';
import { type BrokerEngine, Shares } from '../../broker/main.js';
import type { AccessList } from '../access/access-list.js';
import type { MetricFamily } from '../metrics/prometheus-text.js';
import type { TlsIdentity } from '../tls-identity.js';
import { Connection } from './connection.js';
import { FetchSessions } from './fetch-sessions.js';
import { Handlers } from './handler-table.js';
import { addClusterHandlers, spokenVersions } from './handlers/cluster-handlers.js';
import { addCommitHandlers } from './handlers/commit-handlers.js';
import { addConfigHandlers } from './handlers/config-handlers.js';
import { addEpochGroupHandlers } from './handlers/epoch-group-handlers.js';
import { addFetchHandler } from './handlers/fetch-handler.js';
import { addGroupHandlers } from './handlers/group-handlers.js';
import { addOffsetHandlers } from './handlers/offset-handlers.js';
import { addPartitionHandlers } from './handlers/partition-handlers.js';
import { addProduceHandler } from './handlers/produce-handler.js';
import { addProducerHandlers } from './handlers/producer-handlers.js';
import { addSaslHandlers } from './handlers/sasl-handlers.js';
import { addShareFetchHandlers } from './handlers/share-fetch-handlers.js';
import { addShareGroupHandlers } from './handlers/share-group-handlers.js';
import { addTopicHandlers } from './handlers/topic-handlers.js';
import { addTransactionHandlers } from './handlers/transaction-handlers.js';
import { KafkaCounters, type RefusalReason } from './kafka-counters.js';
import { kafkaMetrics } from './kafka-metrics.js';
import type { KafkaNode } from './kafka-node.js';
import { checkAddress, type KafkaConfig, kafkaOptionTable } from './kafka-options.js';
import { LongPolls } from './long-polls.js';
import { SaslSession } from './sasl-session.js';
import { ShareGroups } from './share-groups.js';
import { ShareSessions } from './share-sessions.js';

export type KafkaOptions = GivenOptions<typeof kafkaOptionTable>;

export interface KafkaServerEvents {
  /** A connection was ended because of what came from it, or because of a defect. */
  readonly failed?: ((error: unknown) => void) | undefined;
  /** A connection was closed as it came. */
  readonly refused?: ((reason: RefusalReason, host: string) => void) | undefined;
}

/** Who may connect, and how. */
export interface KafkaSecurity {
  /** Without it everybody may do everything. */
  readonly access?: AccessList | undefined;
  /** Without it what is said can be read on the way. */
  readonly tls?: TlsIdentity | undefined;
}

/** A client that does not take its answers is not waited for any longer. */
const DRAIN_MS_MAX = 5_000;
/** How often silent connections are looked for, as a part of what they may be silent. */
const LOOKS_PER_IDLE = 10;
/** A session takes about 300 bytes for each partition. */
const FETCH_SESSION_LIMITS = { partitionsMax: 200_000, idleMs: 120_000 };

export class KafkaServer {
  readonly #server: Server;
  readonly #node: KafkaNode;
  readonly #handlers: Handlers;
  readonly #events: KafkaServerEvents;
  readonly #security: KafkaSecurity;
  /** How many connections there are from an address. */
  readonly #addresses = new Map<string, number>();
  readonly #connections = new Set<Connection>();
  readonly #counters = new KafkaCounters();
  #cancelLook: Cancel | undefined;
  #closing: Promise<void> | undefined;
  #allEnded: (() => void) | undefined;

  /** Throws OPTION_UNKNOWN, OPTION_INVALID, ADDRESS_IN_USE. */
  static async listen(
    engine: BrokerEngine,
    options: KafkaOptions = {},
    events: KafkaServerEvents = {},
    security: KafkaSecurity = {},
  ): Promise<KafkaServer> {
    const config = resolveOptions(kafkaOptionTable, options, 'KafkaServer.listen');
    checkAddress(config, security.tls !== undefined);
    const server = new KafkaServer(engine, config, events, security);
    await server.#listen(config);
    return server;
  }

  private constructor(
    engine: BrokerEngine,
    config: KafkaConfig,
    events: KafkaServerEvents,
    security: KafkaSecurity,
  ) {
    this.#security = security;
    this.#node = {
      engine,
      config,
      clusterId: engine.id,
      polls: new LongPolls(engine.clock),
      fetchSessions: new FetchSessions(
        { ...FETCH_SESSION_LIMITS, sessionsMax: config.fetchSessions },
        new Prng(randomSeed()),
      ),
      shareGroups: new ShareGroups(engine),
      shareSessions: new ShareSessions(config.shareSessions),
      shares: new Shares(() => engine.shares, {
        get: (name) => engine.topics.get(name),
        all: () => engine.topics.list(),
      }),
    };
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

  /** Clients that are remembered with what they fetch. */
  get fetchSessionCount(): number {
    return this.#node.fetchSessions.count;
  }

  /** Requests that were begun, since the start. */
  get requestCount(): number {
    return this.#counters.requests;
  }

  /** What it has done and what it holds, for whoever watches it. */
  metrics(): Promise<readonly MetricFamily[]> {
    const { engine } = this.#node;
    const { address, connectionCount } = this;
    return kafkaMetrics({ engine, counters: this.#counters, address, connectionCount });
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
    const address = socket.remoteAddress ?? '';
    const known = this.#addresses.get(address) ?? 0;
    const reason = this.#refusal(known);
    if (reason !== undefined) {
      socket.destroy();
      this.#counters.noteRefused(reason);
      this.#events.refused?.(reason, address);
      return;
    }
    this.#counters.noteAccepted();
    this.#addresses.set(address, known + 1);
    const { tls, access } = this.#security;
    const connection = new Connection(
      tls?.wrap(socket) ?? socket,
      this.#handlers,
      new SaslSession(access),
      {
        requestBytesMax: config.requestBytesMax,
        requestsInFlightMax: config.requestsInFlight,
        answerBytesMax: config.answerBytesMax,
        requestBytesInFlight: config.requestBytesInFlight,
        isSecured: tls !== undefined,
      },
      {
        nowMs: () => engine.clock.monotonicMs(),
        failed: (error) => {
          this.#counters.noteRefused('failed');
          this.#events.failed?.(error);
        },
        begun: (api, bytes) => this.#counters.noteBegun(api, bytes),
        answered: (api, bytes) => this.#counters.noteAnswered(api, bytes),
        ended: () => this.#ended(connection, address),
        spoken: () => spokenVersions(this.#handlers),
      },
    );
    this.#connections.add(connection);
  }

  #refusal(fromAddress: number): RefusalReason | undefined {
    const { config } = this.#node;
    if (this.#closing !== undefined) return 'closing';
    if (this.#connections.size >= config.connections) return 'connections';
    return fromAddress >= config.connectionsPerAddress ? 'connections-per-address' : undefined;
  }

  #ended(connection: Connection, address: string): void {
    this.#connections.delete(connection);
    const left = (this.#addresses.get(address) ?? 1) - 1;
    if (left === 0) this.#addresses.delete(address);
    else this.#addresses.set(address, left);
    if (this.#connections.size === 0) this.#allEnded?.();
  }

  #lookLater(): void {
    const { config, engine } = this.#node;
    const lookMs = Math.min(config.idleMs, config.handshakeMs) / LOOKS_PER_IDLE;
    this.#cancelLook = engine.clock.schedule(lookMs, () => {
      const nowMs = engine.clock.monotonicMs();
      for (const connection of [...this.#connections]) {
        const isIdle = connection.silentMs(nowMs) >= config.idleMs;
        if (isIdle || connection.strangeMs(nowMs) >= config.handshakeMs) connection.end();
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
    await this.#node.shareSessions.close();
    await this.#node.shareGroups.close();
    await closed;
  }
}

function handlersOf(node: KafkaNode): Handlers {
  const handlers = new Handlers();
  addClusterHandlers(handlers, node);
  addSaslHandlers(handlers);
  addProduceHandler(handlers, node);
  addFetchHandler(handlers, node);
  addOffsetHandlers(handlers, node);
  addGroupHandlers(handlers, node);
  addEpochGroupHandlers(handlers, node);
  addCommitHandlers(handlers, node);
  addTopicHandlers(handlers, node);
  addPartitionHandlers(handlers, node);
  addConfigHandlers(handlers, node);
  addShareGroupHandlers(handlers, node);
  addShareFetchHandlers(handlers, node);
  addProducerHandlers(handlers, node);
  addTransactionHandlers(handlers, node);
  return handlers;
}
