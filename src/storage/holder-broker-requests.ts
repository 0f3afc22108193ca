/**
 * What is asked of the holder of a broker, and how each request is read from the wire.
 */

import { type ExchangeRequest, exchangeReaders } from './holder-exchange-requests.js';
import { countOf, fieldOf, isCount } from './holder-fields.js';
import { type QueueRequest, queueReaders } from './holder-queue-requests.js';
import {
  FieldError,
  type HolderOptions,
  readArray,
  readCounts,
  readFlag,
  readOffset,
  readOptional,
  readOptions,
  readRecord,
  readText,
  readTexts,
} from './holder-request-fields.js';
import type { RecordInput } from './record.js';

/** What is asked of a broker. */
export type BrokerRequest = TopicRequest | QueueRequest | ExchangeRequest;

/** About topics, groups, and consuming. */
type TopicRequest =
  /** One page: topics whose names come after this one. */
  | { readonly kind: 'listTopics'; readonly after: string }
  | { readonly kind: 'describeTopic'; readonly topic: string }
  | { readonly kind: 'createTopic'; readonly topic: string; readonly options: HolderOptions }
  | { readonly kind: 'alterTopic'; readonly topic: string; readonly options: HolderOptions }
  | { readonly kind: 'growTopic'; readonly topic: string; readonly partitions: number }
  | { readonly kind: 'deleteTopic'; readonly topic: string }
  | { readonly kind: 'send'; readonly topic: string; readonly records: readonly RecordInput[] }
  /** One page: groups whose ids come after this one. */
  | { readonly kind: 'listGroups'; readonly after: string }
  /** One page: partitions from this number of the list on. */
  | { readonly kind: 'describeGroup'; readonly group: string; readonly from: number }
  | {
      readonly kind: 'resetGroup';
      readonly group: string;
      readonly to: RequestedPlace;
      /** Null: all that the group has committed. */
      readonly topics: readonly string[] | null;
      /** Of these topics; null: all of them. */
      readonly partitions: readonly number[] | null;
      readonly isDryRun: boolean;
    }
  | { readonly kind: 'deleteGroup'; readonly group: string }
  /** Begins to consume, as a member of the group, or without one when it is empty. */
  | {
      readonly kind: 'openSession';
      readonly topics: readonly string[];
      readonly group: string;
      readonly from: RequestedStart;
    }
  | {
      readonly kind: 'takeRecords';
      readonly session: number;
      readonly recordsMax: number;
      /** How long to wait when there is nothing. */
      readonly waitMs: number;
    }
  | {
      readonly kind: 'commitRecords';
      readonly session: number;
      /** The next offset of each. */
      readonly offsets: readonly (readonly [topic: string, partition: number, offset: number])[];
    }
  | { readonly kind: 'closeSession'; readonly session: number };

type PlaceKind = 'offset' | 'timestamp' | 'shiftBy';
/** Where a group is to go on. */
export type RequestedPlace = 'earliest' | 'latest' | readonly [kind: PlaceKind, value: number];

/** Where to begin without a commit. */
export type RequestedStart = 'earliest' | 'latest' | number | { readonly timestamp: number };

/** One reader per kind of request. */
export const brokerReaders: {
  readonly [K in BrokerRequest['kind']]: (map: object) => BrokerRequest;
} = {
  ...queueReaders,
  ...exchangeReaders,
  listTopics: (map) => ({ kind: 'listTopics', after: readText(map, 'after') }),
  describeTopic: (map) => ({ kind: 'describeTopic', topic: readText(map, 'topic') }),
  createTopic: (map) => ({
    kind: 'createTopic',
    topic: readText(map, 'topic'),
    options: readOptions(map),
  }),
  alterTopic: (map) => ({
    kind: 'alterTopic',
    topic: readText(map, 'topic'),
    options: readOptions(map),
  }),
  growTopic: (map) => ({
    kind: 'growTopic',
    topic: readText(map, 'topic'),
    partitions: readOffset(map, 'partitions'),
  }),
  deleteTopic: (map) => ({ kind: 'deleteTopic', topic: readText(map, 'topic') }),
  send: (map) => ({
    kind: 'send',
    topic: readText(map, 'topic'),
    records: readArray(map, 'records').map(readRecord),
  }),
  listGroups: (map) => ({ kind: 'listGroups', after: readText(map, 'after') }),
  describeGroup: (map) => ({
    kind: 'describeGroup',
    group: readText(map, 'group'),
    from: readOffset(map, 'from'),
  }),
  resetGroup: (map) => ({
    kind: 'resetGroup',
    group: readText(map, 'group'),
    to: readPlace(map),
    topics: readOptional(map, 'topics', readTexts),
    partitions: readOptional(map, 'partitions', readCounts),
    isDryRun: readFlag(map, 'isDryRun'),
  }),
  deleteGroup: (map) => ({ kind: 'deleteGroup', group: readText(map, 'group') }),
  openSession: (map) => ({
    kind: 'openSession',
    topics: readTexts(map, 'topics'),
    group: readText(map, 'group'),
    from: readStart(map),
  }),
  takeRecords: (map) => ({
    kind: 'takeRecords',
    session: readOffset(map, 'session'),
    recordsMax: readOffset(map, 'recordsMax'),
    waitMs: readOffset(map, 'waitMs'),
  }),
  commitRecords: (map) => ({
    kind: 'commitRecords',
    session: readOffset(map, 'session'),
    offsets: readArray(map, 'offsets').map(readPartitionOffset),
  }),
  closeSession: (map) => ({ kind: 'closeSession', session: readOffset(map, 'session') }),
};

const PLACES: readonly string[] = ['offset', 'timestamp', 'shiftBy'] satisfies PlaceKind[];

function isPlaceKind(kind: string): kind is PlaceKind {
  return PLACES.includes(kind);
}

function readPlace(map: object): RequestedPlace {
  const field = fieldOf(map, 'to');
  if (field === 'earliest' || field === 'latest') return field;
  if (!Array.isArray(field) || field.length !== 2) throw new FieldError('to');
  const [kind, value]: readonly unknown[] = field;
  const isWhole = typeof value === 'number' && Number.isSafeInteger(value);
  if (typeof kind !== 'string' || !isPlaceKind(kind) || !isWhole) throw new FieldError('to');
  if (value < 0 && kind !== 'shiftBy') throw new FieldError('to');
  return [kind, value];
}

function readStart(map: object): RequestedStart {
  const field = fieldOf(map, 'from');
  if (field === 'earliest' || field === 'latest' || isCount(field)) return field;
  const timestamp = countOf(field, 'timestamp');
  if (timestamp === undefined) throw new FieldError('from');
  return { timestamp };
}

function readPartitionOffset(wire: unknown): readonly [string, number, number] {
  if (!Array.isArray(wire) || wire.length !== 3) throw new FieldError('offsets');
  const [topic, partition, offset]: readonly unknown[] = wire;
  if (typeof topic !== 'string' || !isCount(partition) || !isCount(offset)) {
    throw new FieldError('offsets');
  }
  return [topic, partition, offset];
}

export function isQueueRequest(request: BrokerRequest): request is QueueRequest {
  return Object.hasOwn(queueReaders, request.kind);
}

export function isExchangeRequest(request: BrokerRequest): request is ExchangeRequest {
  return Object.hasOwn(exchangeReaders, request.kind);
}
