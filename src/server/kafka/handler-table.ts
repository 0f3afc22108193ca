/**
 * Who answers which API, and what a handler gets to know of the request.
 *
 * Handlers of one connection are called in the order of its requests, and are answered in that
 * order. Produce alone may overlap: its handlers are called while earlier ones still wait for the
 * disk.
 */

import { assert } from '../../base/assert.js';
import type { RequestAccess } from './authorization.js';
import type { SaslSession } from './sasl-session.js';
import {
  type Api,
  type RequestHeader,
  readRequest,
  type SpokenVersions,
  writeResponse,
} from './wire-api.js';
import type { WireReader } from './wire-reader.js';

export interface RequestContext {
  readonly version: number;
  readonly clientId: string | undefined;
  readonly clientHost: string;
  /** Aborts when the connection has ended: nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  /** Where the client reached the server, for answers that name it. */
  readonly localAddress: { readonly host: string; readonly port: number };
  /** Asked before anything is touched. */
  readonly access: RequestAccess;
  readonly sasl: SaslSession;
}

/** Undefined: the request has no answer. */
export type Answer<Response> = Response | undefined | Promise<Response | undefined>;

/** The frame of an answer, in pieces. */
export type AnswerFrame = readonly Uint8Array[] | undefined;

export interface Handler {
  readonly api: SpokenVersions & { readonly name: string };
  /** Whether the next request of this API is begun before this one is answered. */
  readonly mayOverlap: boolean;
  /** Reads the rest of the request and carries it out. Throws FRAME_INVALID. */
  answer(
    header: RequestHeader,
    reader: WireReader,
    context: RequestContext,
  ): AnswerFrame | Promise<AnswerFrame>;
}

export class Handlers {
  readonly #byKey = new Map<number, Handler>();

  find(key: number): Handler | undefined {
    return this.#byKey.get(key);
  }

  add<Request, Response>(
    api: Api<Request, Response>,
    handle: (request: Request, context: RequestContext) => Answer<Response>,
    { mayOverlap = false }: { readonly mayOverlap?: boolean } = {},
  ): void {
    assert(!this.#byKey.has(api.key), 'an API has one handler');
    this.#byKey.set(api.key, {
      api,
      mayOverlap,
      answer: ({ version, correlationId }, reader, context) => {
        const frameOf = (response: Response | undefined): AnswerFrame =>
          response === undefined ? undefined : writeResponse(api, version, correlationId, response);
        const answer = handle(readRequest(api, version, reader), context);
        return answer instanceof Promise ? answer.then(frameOf) : frameOf(answer);
      },
    });
  }
}
