/**
 * What is asked of the holder of a broker about queues, and how it is read from the wire.
 */

import {
  type HolderOptions,
  readArray,
  readOffset,
  readOptional,
  readOptions,
  readRecord,
  readText,
  readTexts,
} from './holder-request-fields.js';
import type { RecordInput } from './record.js';

export type QueueRequest =
  /** One page: queues whose names come after this one. */
  | { readonly kind: 'listQueues'; readonly after: string }
  | { readonly kind: 'describeQueue'; readonly queue: string }
  | { readonly kind: 'createQueue'; readonly queue: string; readonly options: HolderOptions }
  | { readonly kind: 'alterQueue'; readonly queue: string; readonly options: HolderOptions }
  | { readonly kind: 'deleteQueue'; readonly queue: string }
  | {
      readonly kind: 'sendMessages';
      readonly queue: string;
      /** Values, and keys. */
      readonly records: readonly RecordInput[];
      /** Those of a message, for all of them. */
      readonly options: HolderOptions;
    }
  | {
      readonly kind: 'receiveMessages';
      readonly queue: string;
      readonly max: number;
      /** How long to wait when there is nothing. */
      readonly waitMs: number;
      /** Null: what the queue says. */
      readonly visibilityTimeoutMs: number | null;
    }
  | {
      readonly kind: 'endMessages';
      readonly queue: string;
      readonly receipts: readonly string[];
      /** `acknowledge`, `release`, `reject` or `extend`. */
      readonly ending: string;
      /** For a release: how long until they come again; to extend: how long the lease is. */
      readonly ms: number;
      /** For a dead letter. */
      readonly reason: string | null;
    }
  /** One page: messages that are not done with, behind the one before. */
  | {
      readonly kind: 'peekMessages';
      readonly queue: string;
      readonly max: number;
      readonly after: string | null;
      readonly filter: HolderOptions;
    }
  | {
      readonly kind: 'redriveMessages';
      readonly queue: string;
      readonly max: number;
      /** A queue or a topic; null: where each message came from. */
      readonly to: string | null;
      readonly filter: HolderOptions;
    }
  | {
      readonly kind: 'purgeQueue';
      readonly queue: string;
      readonly olderThanMs: number | null;
      readonly filter: HolderOptions;
    };

/** One reader per kind of request. */
export const queueReaders: {
  readonly [K in QueueRequest['kind']]: (map: object) => QueueRequest;
} = {
  listQueues: (map) => ({ kind: 'listQueues', after: readText(map, 'after') }),
  describeQueue: (map) => ({ kind: 'describeQueue', queue: readText(map, 'queue') }),
  createQueue: (map) => ({
    kind: 'createQueue',
    queue: readText(map, 'queue'),
    options: readOptions(map),
  }),
  alterQueue: (map) => ({
    kind: 'alterQueue',
    queue: readText(map, 'queue'),
    options: readOptions(map),
  }),
  deleteQueue: (map) => ({ kind: 'deleteQueue', queue: readText(map, 'queue') }),
  sendMessages: (map) => ({
    kind: 'sendMessages',
    queue: readText(map, 'queue'),
    records: readArray(map, 'records').map(readRecord),
    options: readOptions(map),
  }),
  receiveMessages: (map) => ({
    kind: 'receiveMessages',
    queue: readText(map, 'queue'),
    max: readOffset(map, 'max'),
    waitMs: readOffset(map, 'waitMs'),
    visibilityTimeoutMs: readOptional(map, 'visibilityTimeoutMs', readOffset),
  }),
  endMessages: (map) => ({
    kind: 'endMessages',
    queue: readText(map, 'queue'),
    receipts: readTexts(map, 'receipts'),
    ending: readText(map, 'ending'),
    ms: readOffset(map, 'ms'),
    reason: readOptional(map, 'reason', readText),
  }),
  peekMessages: (map) => ({
    kind: 'peekMessages',
    queue: readText(map, 'queue'),
    max: readOffset(map, 'max'),
    after: readOptional(map, 'after', readText),
    filter: readOptions(map, 'filter'),
  }),
  redriveMessages: (map) => ({
    kind: 'redriveMessages',
    queue: readText(map, 'queue'),
    max: readOffset(map, 'max'),
    to: readOptional(map, 'to', readText),
    filter: readOptions(map, 'filter'),
  }),
  purgeQueue: (map) => ({
    kind: 'purgeQueue',
    queue: readText(map, 'queue'),
    olderThanMs: readOptional(map, 'olderThanMs', readOffset),
    filter: readOptions(map, 'filter'),
  }),
};
