/**
 * `/metrics` for Prometheus and `/health` for whoever restarts what is ill, over HTTP, on a port of
 * their own: it is for those who look after the machine, and asks for no secret.
 *
 * Numbers are collected when somebody asks; those who ask meanwhile get the same ones.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createError, errnoOf } from '../../base/errors.js';
import { type MetricFamily, PROMETHEUS_TYPE, prometheusText } from './prometheus-text.js';

export interface MetricsAddress {
  readonly host: string;
  /** 0 takes one that is free. */
  readonly port: number;
}

export type CollectMetrics = () => Promise<readonly MetricFamily[]>;

const CONNECTIONS_MAX = 32;
const HEADER_BYTES_MAX = 8 * 1024;
const REQUEST_MS_MAX = 10_000;

export class MetricsServer {
  readonly #server: Server;
  readonly #collect: CollectMetrics;
  #collecting: Promise<string> | undefined;

  /** Throws ADDRESS_IN_USE, IO_FAILED. */
  static async listen(address: MetricsAddress, collect: CollectMetrics): Promise<MetricsServer> {
    const server = new MetricsServer(collect);
    await server.#listen(address);
    return server;
  }

  private constructor(collect: CollectMetrics) {
    this.#collect = collect;
    const bounds = { maxHeaderSize: HEADER_BYTES_MAX, requestTimeout: REQUEST_MS_MAX };
    this.#server = createServer(bounds, (request, response) => {
      void this.#answer(request, response);
    });
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  get port(): number {
    const bound = this.#server.address();
    return typeof bound === 'object' && bound !== null ? bound.port : 0;
  }

  /** Ends all connections. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    this.#server.closeAllConnections();
    await closed;
  }

  #listen({ host, port }: MetricsAddress): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error) => {
        const code = errnoOf(error) === 'EADDRINUSE' ? 'ADDRESS_IN_USE' : 'IO_FAILED';
        reject(createError(code, { host, port, reason: error.message }, error));
      });
      this.#server.listen({ host, port }, resolve);
    });
  }

  async #answer({ method, url }: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path] = (url ?? '').split('?');
    if (method !== 'GET' && method !== 'HEAD') {
      send(response, 405, 'text/plain', 'only GET\n');
    } else if (path === '/metrics') {
      await this.#numbers().then(
        (text) => send(response, 200, PROMETHEUS_TYPE, text),
        (error: unknown) => send(response, 500, 'text/plain', `${String(error)}\n`),
      );
    } else if (path === '/health') {
      send(response, 200, 'application/json', '{"status":"ok"}\n');
    } else send(response, 404, 'text/plain', 'there are /metrics and /health\n');
  }

  #numbers(): Promise<string> {
    this.#collecting ??= this.#collect()
      .then(prometheusText)
      .finally(() => {
        this.#collecting = undefined;
      });
    return this.#collecting;
  }
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}
