/**
 * The options of a server that speaks Kafka's protocol.
 */

import { createError } from '../../base/errors.js';
import { optionTable, type ResolvedOptions } from '../../base/options.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const MINUTE_MS = 60_000;

export const kafkaOptionTable = optionTable({
  host: { default: '127.0.0.1', bytesMax: 255, doc: 'The address to listen on.' },
  port: {
    unit: 'port',
    default: 9092,
    min: 0,
    max: 65_535,
    doc: 'The port to listen on; 0 takes one that is free.',
  },
  allowRemote: {
    default: false,
    doc: 'Whether another address than loopback may be served without TLS.',
  },
  advertisedHost: {
    default: '',
    bytesMax: 255,
    doc: "What clients are told to connect to; '' is the address that each one reached.",
  },
  autoCreateTopics: {
    default: true,
    doc: 'Whether a topic is made when a client first asks about it.',
  },
  partitions: {
    unit: 'partitions',
    default: 1,
    min: 1,
    max: 10_000,
    doc: 'How many a topic gets for which nobody says it.',
  },
  acksOne: {
    values: ['durable', 'written'],
    default: 'durable',
    doc: 'What acks=1 waits for: the disk, as acks=all does, or the page cache.',
  },
  connections: {
    unit: 'connections',
    default: 1_000,
    min: 1,
    max: 100_000,
    doc: 'How many are served at once; more are closed as they come.',
  },
  connectionsPerAddress: {
    unit: 'connections',
    default: 1_000,
    min: 1,
    max: 100_000,
    doc: 'The same, of clients that come from one address.',
  },
  requestBytesMax: {
    unit: 'bytes',
    default: 100 * MIB,
    min: 16 * KIB,
    max: 512 * MIB,
    doc: 'The largest request.',
  },
  requestsInFlight: {
    unit: 'requests',
    default: 16,
    min: 1,
    max: 10_000,
    doc: 'How many Produce requests of one connection are begun and not answered.',
  },
  requestBytesInFlight: {
    unit: 'bytes',
    default: 128 * MIB,
    min: 16 * KIB,
    max: 1_024 * MIB,
    doc: 'When so many bytes of requests are begun and not answered, the next one waits.',
  },
  answerBytesMax: {
    unit: 'bytes',
    default: 4 * MIB,
    min: 16 * KIB,
    max: 512 * MIB,
    doc: 'When a client has this much of answers untaken, nothing more is read from it.',
  },
  fetchBytesMax: {
    unit: 'bytes',
    default: 55 * MIB,
    min: KIB,
    max: 512 * MIB,
    doc: 'The largest answer to Fetch, whatever the client asks for; one batch may be larger.',
  },
  fetchSessions: {
    unit: 'sessions',
    default: 1_000,
    min: 0,
    max: 100_000,
    doc: 'How many clients are remembered with what they fetch; the others say it each time.',
  },
  shareSessions: {
    unit: 'sessions',
    default: 2_000,
    min: 0,
    max: 100_000,
    doc: 'How many clients take messages from share groups at once.',
  },
  handshakeMs: {
    unit: 'milliseconds',
    default: 30_000,
    min: 1_000,
    max: 10 * MINUTE_MS,
    doc: 'With users or TLS: who has not logged in or agreed on keys by then is put out.',
  },
  idleMs: {
    unit: 'milliseconds',
    default: 10 * MINUTE_MS,
    min: 1_000,
    max: 24 * 60 * MINUTE_MS,
    doc: 'A connection from which nothing comes for so long is closed.',
  },
});

/** Addresses that only programs of this machine reach. */
const LOOPBACK = /^(?:127(?:\.\d{1,3}){3}|::1|localhost)$/;

/** Throws OPTION_INVALID for an address that others reach, unless with TLS or when allowed. */
export function checkAddress(
  { host, allowRemote }: Pick<KafkaConfig, 'host' | 'allowRemote'>,
  hasTls: boolean,
): void {
  if (allowRemote || hasTls || LOOPBACK.test(host)) return;
  const expected = 'a loopback address, TLS, or allowRemote';
  throw createError('OPTION_INVALID', { option: 'host', expected, actual: host });
}

export type KafkaConfig = ResolvedOptions<typeof kafkaOptionTable>;
