/**
 * The list of targets: the runner's only source of names, smoke budgets and entry points.
 */

import { run as runBatchDecoder } from './batch-decoder.js';
import { run as runCanary } from './canary.js';
import { run as runCompression } from './compression.js';
import type { FuzzCoverage, FuzzOptions } from './event.js';
import { run as runHolderProtocol } from './holder-protocol.js';
import { runOffsetIndex, runTimeIndex } from './index-decoders.js';
import { run as runKafkaFrames } from './kafka-frames.js';
import { run as runLogFolder } from './log-folder.js';
import { run as runLogModel } from './log-model.js';
import { run as runReadyBatch } from './ready-batch.js';
import { run as runSideFiles } from './side-files.js';

export interface FuzzTarget {
  readonly name: string;
  /** What an event is. */
  readonly about: string;
  /** Events of a run that names no number: a few seconds. */
  readonly events: number;
  /** Events of the smoke run: together with starting, far below its bound. */
  readonly smokeEvents: number;
  readonly run: (options: FuzzOptions) => Promise<FuzzCoverage>;
}

export const targets: readonly FuzzTarget[] = [
  {
    name: 'batch-decoder',
    about: 'a batch of any codec with changes in it, or noise',
    events: 10_000,
    smokeEvents: 1000,
    run: runBatchDecoder,
  },
  {
    name: 'ready-batch',
    about: 'a ready-made batch of a producer, changed under a checksum that fits',
    events: 10_000,
    smokeEvents: 1000,
    run: runReadyBatch,
  },
  {
    name: 'compression',
    about: 'a compressed stream with changes in it, a false claim, a bomb',
    events: 10_000,
    smokeEvents: 600,
    run: runCompression,
  },
  {
    name: 'offset-index',
    about: 'an .index file with changes in it, and lookups',
    events: 20_000,
    smokeEvents: 3000,
    run: runOffsetIndex,
  },
  {
    name: 'time-index',
    about: 'a .timeindex file with changes in it, and lookups',
    events: 20_000,
    smokeEvents: 3000,
    run: runTimeIndex,
  },
  {
    name: 'side-files',
    about:
      'seal, watermark, epochs, log.json, partition.metadata snapshot or .txnindex with changes',
    events: 20_000,
    smokeEvents: 3000,
    run: runSideFiles,
  },
  {
    name: 'holder-protocol',
    about: "a request, reply or stream of frames on the holder's socket, or a .lock file",
    events: 20_000,
    smokeEvents: 2000,
    run: runHolderProtocol,
  },
  {
    name: 'kafka-frames',
    about: "a request of Kafka's protocol with changes in it, or frames in pieces",
    events: 20_000,
    smokeEvents: 1500,
    run: runKafkaFrames,
  },
  {
    name: 'log-folder',
    about: 'the folder of a log with damage to its files, opened for reading and for writing',
    events: 1000,
    smokeEvents: 60,
    run: runLogFolder,
  },
  {
    name: 'log-model',
    about: 'the life of a log on the simulated disk, compared with an array',
    events: 300,
    smokeEvents: 40,
    run: runLogModel,
  },
];

/** Not in the list that `smoke` runs: it always fails. */
export const canary: FuzzTarget = {
  name: 'canary',
  about: 'always fails, to prove the runner',
  events: 100,
  smokeEvents: 100,
  run: runCanary,
};
