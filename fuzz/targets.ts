/**
 * The list of targets: the runner's only source of names, smoke budgets and entry points.
 */

import type { FuzzOne } from './event.js';

export interface FuzzTarget {
  readonly name: string;
  /** What an event is. */
  readonly about: string;
  /** Events of a run that names no number: a few seconds. */
  readonly events: number;
  /** Events of the smoke run: together with starting, far below its bound. */
  readonly smokeEvents: number;
  /** Each is loaded when it is asked for, so that a small one starts fast. */
  readonly load: () => Promise<FuzzOne>;
}

export const targets: readonly FuzzTarget[] = [
  {
    name: 'batch-decoder',
    about: 'a batch of any codec with changes in it, or noise',
    events: 10_000,
    smokeEvents: 1000,
    load: async () => (await import('./batch-decoder.js')).tryBatch,
  },
  {
    name: 'ready-batch',
    about: 'a ready-made batch of a producer, changed under a checksum that fits',
    events: 10_000,
    smokeEvents: 1000,
    load: async () => (await import('./ready-batch.js')).tryReadyBatch,
  },
  {
    name: 'compression',
    about: 'a compressed stream with changes in it, a false claim, a bomb',
    events: 10_000,
    smokeEvents: 600,
    load: async () => (await import('./compression.js')).tryCodec,
  },
  {
    name: 'offset-index',
    about: 'an .index file with changes in it, and lookups',
    events: 20_000,
    smokeEvents: 3000,
    load: async () => (await import('./index-decoders.js')).tryOffsetIndex,
  },
  {
    name: 'time-index',
    about: 'a .timeindex file with changes in it, and lookups',
    events: 20_000,
    smokeEvents: 3000,
    load: async () => (await import('./index-decoders.js')).tryTimeIndex,
  },
  {
    name: 'side-files',
    about:
      'seal, watermark, epochs, log.json, partition.metadata snapshot or .txnindex with changes',
    events: 20_000,
    smokeEvents: 3000,
    load: async () => (await import('./side-files.js')).trySideFile,
  },
  {
    name: 'holder-protocol',
    about: "a request, reply or stream of frames on the holder's socket, or a .lock file",
    events: 20_000,
    smokeEvents: 2000,
    load: async () => (await import('./holder-protocol.js')).tryHolder,
  },
  {
    name: 'kafka-frames',
    about: "a request of Kafka's protocol with changes in it, or frames in pieces",
    events: 20_000,
    smokeEvents: 1500,
    load: async () => (await import('./kafka-frames.js')).tryKafka,
  },
  {
    name: 'stored-values',
    about: 'what the broker keeps in its own logs, with changes: definitions, offsets, deliveries',
    events: 20_000,
    smokeEvents: 1500,
    load: async () => (await import('./stored-values.js')).tryStored,
  },
  {
    name: 'routing',
    about: 'patterns, conditions on headers and filter policies, hostile and plausible',
    events: 20_000,
    smokeEvents: 1500,
    load: async () => (await import('./routing.js')).tryRouting,
  },
  {
    name: 'options',
    about: 'options of every table, near their bounds and far from any',
    events: 20_000,
    smokeEvents: 1500,
    load: async () => (await import('./options.js')).tryOptions,
  },
  {
    name: 'command-line',
    about: 'arguments of the command, parsed in process',
    events: 20_000,
    smokeEvents: 1000,
    load: async () => (await import('./command-line.js')).tryCommandLine,
  },
  {
    name: 'log-folder',
    about: 'the folder of a log with damage to its files, opened for reading and for writing',
    events: 1000,
    smokeEvents: 60,
    load: async () => (await import('./log-folder.js')).tryAnyFolder,
  },
  {
    name: 'log-model',
    about: 'the life of a log on the simulated disk, compared with an array',
    events: 300,
    smokeEvents: 40,
    load: async () => (await import('./log-model.js')).tryLife,
  },
];

/** Not in the list that `smoke` runs: they always fail. */
export const canaries: readonly FuzzTarget[] = [
  {
    name: 'canary',
    about: 'always fails, to prove the runner',
    events: 100,
    smokeEvents: 100,
    load: async () => (await import('./canary.js')).tryCanary,
  },
  {
    name: 'canary-hang',
    about: 'hangs at once; for guided runs',
    events: 1,
    smokeEvents: 1,
    load: async () => (await import('./canary.js')).tryToHang,
  },
  {
    name: 'canary-memory',
    about: 'takes all memory; for guided runs',
    events: 1,
    smokeEvents: 1,
    load: async () => (await import('./canary.js')).tryToExhaust,
  },
];
