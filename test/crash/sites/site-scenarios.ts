/**
 * The scenarios of the fault sweep by call site: together they make every call of the file system
 * that storage and broker have.
 *
 * Each has a disk to begin on, what was promised of it, and work whose calls are made to fail one
 * by one. Work that fails ends with a typed error; what it was promised is in the ledger.
 */

import { dumpLog } from '../../../src/storage/dump.js';
import type { Log } from '../../../src/storage/log.js';
import type { LogOptions } from '../../../src/storage/log-config.js';
import { repairLog } from '../../../src/storage/repair.js';
import { verifyLog } from '../../../src/storage/verify.js';
import { SimBroker } from '../../support/broker-fixture.js';
import { settled as settledTurns } from '../../support/fixtures.js';
import { DIRECTORY, SimLog } from '../../support/log-fixture.js';
import { crashNone } from '../../support/sim-crash.js';
import { SimDisk } from '../../support/sim-file-system.js';
import { SiteLedger } from './site-ledger.js';

export interface Stage {
  readonly disk: SimDisk;
  readonly ledger: SiteLedger;
}

export interface Scenario {
  readonly name: string;
  readonly options: LogOptions;
  /** Made anew for each fault. */
  readonly prepare: () => Promise<Stage>;
  readonly work: (sim: SimLog, ledger: SiteLedger) => Promise<void>;
  /** What whoever finds the disk does before the promises are checked. */
  readonly next?: (sim: SimLog) => Promise<unknown>;
  /** The folder holds logs, and is none. */
  readonly isFolder?: boolean;
}

const plain: LogOptions = { segmentBytes: 4096, indexIntervalBytes: 0 };
const compacted: LogOptions = { ...plain, cleanup: 'compact', minCleanableDirtyRatio: 1 };
const reserved: LogOptions = { ...compacted, reserveBytes: 65_536 };
const aging: LogOptions = { ...plain, retentionMs: 60_000, retentionCheckMs: 10_000 };

const producing = { producer: { producerId: 7n, producerEpoch: 0, baseSequence: 0 } };

async function fill(log: Log, ledger: SiteLedger, count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) await ledger.append(log, `k${index % 3}`, 700);
}

async function turns(sim: SimLog, ms: number): Promise<void> {
  for (let turn = 0; turn < 8; turn += 1) await settledTurns();
  sim.clock.advance(ms);
  for (let turn = 0; turn < 8; turn += 1) await settledTurns();
}

/** A log that was filled, and closed or left by its process. */
async function filled(options: LogOptions, count: number, isClosed: boolean): Promise<Stage> {
  const sim = new SimLog();
  const ledger = new SiteLedger(options.cleanup === 'compact');
  const log = await sim.open(options);
  await fill(log, ledger, count);
  if (isClosed) await log.close();
  return { disk: sim.disk.kill(), ledger };
}

function empty(options: LogOptions): () => Promise<Stage> {
  return async () => ({
    disk: new SimDisk(),
    ledger: new SiteLedger(options.cleanup === 'compact'),
  });
}

/** A power cut in the middle of a flight, so that there is a tail to cut. */
async function torn(): Promise<Stage> {
  const { disk, ledger } = await filled(plain, 7, false);
  const sim = new SimLog(disk);
  const log = await sim.open(plain);
  let left: SimDisk | undefined;
  sim.disk.onCall = (_number, name, path) => {
    // The last one is of the flight.
    if (name !== 'datasync' || !path.endsWith('.log')) return;
    const effects = sim.disk.effects();
    const lost = effects.findLastIndex(({ kind }) => kind === 'page');
    left = sim.disk.crash({ kept: effects.map((_, at) => at).filter((at) => at !== lost) });
  };
  const before = ledger.clone();
  await ledger.append(log, 'k', 5000);
  return { disk: left ?? sim.disk.crash(crashNone), ledger: before };
}

/** A kill in the middle of the making of a log: the options come last. */
async function unmade(): Promise<Stage> {
  const sim = new SimLog();
  let left: SimDisk | undefined;
  sim.disk.onCall = (_number, name, path) => {
    if (name === 'open' && path.includes('log.json')) left ??= sim.disk.kill();
  };
  await sim.open(plain);
  if (left === undefined) throw new Error('the options were never written');
  return { disk: left, ledger: new SiteLedger(false) };
}

/** Records of a producer, behind the last snapshot. */
async function produced(): Promise<Stage> {
  const stage = await filled(plain, 7, false);
  const log = await new SimLog(stage.disk).open(plain);
  await stage.ledger.append(log, 'p', 100, producing);
  return { disk: stage.disk.kill(), ledger: stage.ledger };
}

/** Keys that stay lie before, between and behind those that go. */
async function mixed(): Promise<Stage> {
  const sim = new SimLog();
  const ledger = new SiteLedger(true);
  const log = await sim.open(compacted);
  for (let index = 0; index < 8; index += 1) {
    await ledger.append(log, `own ${index}`, 500);
    await ledger.append(log, index > 5 ? 'same' : `other ${index}`, 500);
    await ledger.append(log, `last ${index}`, 200);
  }
  await log.close();
  return { disk: sim.disk.kill(), ledger };
}

/** The same, but for a call that fails whatever else does: what comes behind it is tried, too. */
function failing(
  scenario: Omit<Scenario, 'name'>,
  name: string,
  fault: Parameters<SimDisk['fail']>[0],
): Scenario {
  const prepare = async (): Promise<Stage> => {
    const stage = await scenario.prepare();
    stage.disk.fail(fault);
    return stage;
  };
  return { ...scenario, name, prepare };
}

/** A kill in the middle of a swap. */
async function swapping(isCommitted: boolean): Promise<Stage> {
  const { disk, ledger } = await filled(compacted, 12, false);
  const sim = new SimLog(disk);
  const log = await sim.open(compacted);
  let left: SimDisk | undefined;
  sim.disk.onCall = (_number, name, path) => {
    const isAt = isCommitted ? path.includes('.deleted') : path.endsWith('.log.swap');
    if (name === 'rename' && isAt) left ??= sim.disk.kill();
  };
  await log.compact();
  if (left === undefined) throw new Error('there was no swap');
  return { disk: left, ledger };
}

async function readAll(log: Log): Promise<void> {
  for await (const batch of log.read()) batch.count;
  await log.offsetOf(1);
  await log.offsetOf(Date.UTC(2030, 0));
}

/** A broken byte in a sealed segment, for who looks for damage. */
async function damaged(): Promise<Stage> {
  const stage = await filled(plain, 12, true);
  const [first = ''] = stage.disk.list(DIRECTORY).filter((path) => path.endsWith('.log'));
  stage.disk.flipBit(first, 8 * 100);
  // The segment holds the first records.
  stage.ledger.mayLose(5);
  return stage;
}

const cleaning: Omit<Scenario, 'name'> = {
  options: compacted,
  prepare: mixed,
  work: async (sim) => {
    const log = await sim.open(compacted);
    await log.compact();
    await log.close();
  },
};

const reading: Omit<Scenario, 'name'> = {
  options: plain,
  prepare: produced,
  work: async (sim) => {
    const reader = await sim.open({ readOnly: true });
    await readAll(reader);
    for await (const batch of reader.read({ isolation: 'committed' })) batch.count;
    reader.producers();
    await reader.stats();
    await reader.close();
  },
};

const opening: Omit<Scenario, 'name'> = {
  options: plain,
  prepare: () => filled(plain, 7, false),
  work: async (sim) => {
    const log = await sim.open(plain);
    await log.close();
  },
};

const following: Omit<Scenario, 'name'> = {
  options: plain,
  prepare: produced,
  work: async (sim, ledger) => {
    // Another process writes to the same folder.
    const writer = await new SimLog(sim.disk, sim.clock).open(plain);
    const reader = await sim.open({ readOnly: true });
    for (let sequence = 1; sequence < 4; sequence += 1) {
      const producer = { ...producing.producer, baseSequence: sequence };
      await ledger.append(writer, 'p', 1500, { producer });
      await readAll(reader);
      reader.producers();
    }
    await reader.close();
    await writer.close();
  },
};

const rolling: Omit<Scenario, 'name'> = {
  options: plain,
  prepare: () => filled(plain, 4, true),
  work: async (sim, ledger) => {
    const log = await sim.open(plain);
    try {
      await ledger.append(log, 'k', 3000);
      await ledger.append(log, 'k', 3000);
    } finally {
      await log.close();
    }
  },
};

const reserving: Omit<Scenario, 'name'> = {
  options: reserved,
  prepare: () => filled(reserved, 12, true),
  work: async (sim, ledger) => {
    sim.disk.spaceBytes = 2 ** 30;
    const log = await sim.open(reserved);
    await turns(sim, 1000);
    await turns(sim, 60_000);
    await fill(log, ledger, 3);
    await log.close();
    const again = await sim.open(reserved);
    await turns(sim, 60_000);
    await again.close();
  },
};

function verifying(prepare: Scenario['prepare'], name: string): Scenario {
  return {
    name: `verify and dump ${name}`,
    options: plain,
    prepare,
    work: async ({ disk }) => {
      const { fileSystem } = disk;
      await verifyLog(DIRECTORY, { fileSystem });
      for await (const line of dumpLog(DIRECTORY, { fileSystem, records: true })) void line;
    },
  };
}

export const scenarios: readonly Scenario[] = [
  {
    name: 'a life: creation, appends, rolls, deletion, an altered option, closing, again',
    options: plain,
    prepare: empty(plain),
    work: async (sim, ledger) => {
      const log = await sim.open(plain);
      await fill(log, ledger, 7);
      await ledger.append(log, 'p', 100, producing);
      await ledger.deleteBefore(log, 5);
      await log.alter({ segmentMs: 1000 });
      await turns(sim, 2000);
      await readAll(log);
      await log.stats();
      await log.close();
      const again = await sim.open(plain);
      await readAll(again);
      await ledger.append(again, 'k', 3000);
      await ledger.append(again, 'k', 3000);
      await turns(sim, 2000);
      await again.close();
    },
  },
  {
    name: 'retention by age',
    options: aging,
    prepare: async () => {
      const stage = await filled(aging, 12, true);
      stage.ledger.mayDeleteAll();
      return stage;
    },
    work: async (sim, ledger) => {
      const log = await sim.open(aging);
      await turns(sim, 10_000);
      await turns(sim, 70_000);
      await turns(sim, 10_000);
      await ledger.append(log, 'k');
      await log.close();
    },
  },
  {
    name: 'recovery of a torn tail',
    options: plain,
    prepare: torn,
    work: async (sim, ledger) => {
      const log = await sim.open(plain);
      await ledger.append(log, 'k');
      await readAll(log);
      await log.close();
    },
  },
  {
    name: 'compaction',
    options: compacted,
    prepare: () => filled(compacted, 20, true),
    work: async (sim, ledger) => {
      const log = await sim.open(compacted);
      await log.compact();
      await turns(sim, 1000);
      await log.stats();
      await fill(log, ledger, 4);
      await log.compact();
      await turns(sim, 1000);
      await readAll(log);
      await log.close();
    },
  },
  ...[false, true].map(
    (isCommitted): Scenario => ({
      name: `recovery of a swap that was ${isCommitted ? 'committed' : 'begun'}`,
      options: compacted,
      prepare: () => swapping(isCommitted),
      work: async (sim, ledger) => {
        const reader = await sim.open({ readOnly: true });
        await readAll(reader);
        await reader.stats();
        await reader.close();
        const log = await sim.open(compacted);
        await ledger.append(log, 'k');
        await log.close();
      },
    }),
  ),
  { name: 'cleaning what is mixed', ...cleaning },
  failing(cleaning, 'cleaning that cannot sync', {
    name: 'datasync',
    path: '.log.cleaned',
    errno: 'EIO',
  }),
  { name: 'the reserve', ...reserving },
  failing(reserving, 'a reserve that cannot be synced', {
    name: 'datasync',
    path: 'reserve.tmp',
    errno: 'EIO',
  }),
  { name: 'reading beside a writer', ...reading },
  {
    name: 'reading while another process compacts',
    options: compacted,
    prepare: () => filled(compacted, 40, true),
    work: async (sim) => {
      const writer = await new SimLog(sim.disk, sim.clock).open(compacted);
      const reader = await sim.open({ readOnly: true });
      let isCompacted = false;
      for await (const batch of reader.read()) {
        if (!isCompacted && batch.count > 0) await writer.compact();
        isCompacted = true;
      }
      await readAll(reader);
      await reader.close();
      await writer.close();
    },
  },
  failing(opening, 'an opening that fails', {
    name: 'datasync',
    path: 'watermark',
    errno: 'EIO',
    repeat: 'forever',
  }),
  { name: 'reading behind a writer', ...following },
  failing(rolling, 'a roll whose folder cannot be synced', {
    name: 'syncDirectory',
    skip: 2,
    errno: 'EIO',
  }),
  {
    name: 'recovery of a creation that was cut short',
    options: plain,
    prepare: unmade,
    work: async (sim, ledger) => {
      const log = await sim.open(plain);
      await ledger.append(log, 'k');
      await log.close();
    },
  },
  verifying(() => filled(plain, 12, false), 'a log that was left'),
  verifying(torn, 'a torn tail'),
  verifying(unmade, 'a creation that was cut short'),
  {
    name: 'repair',
    options: plain,
    prepare: damaged,
    work: async (sim) => {
      await repairLog(DIRECTORY, { acceptLoss: true, environment: sim.environment });
    },
    next: (sim) => repairLog(DIRECTORY, { acceptLoss: true, environment: sim.environment }),
  },
  {
    name: 'a folder of logs',
    isFolder: true,
    options: plain,
    prepare: empty(plain),
    work: async ({ disk, clock }) => {
      const sim = new SimBroker(disk, clock);
      const broker = await sim.open();
      const topic = await broker.createTopic('t');
      await topic.send({ value: 'v' });
      await broker.deleteTopic('t');
      await broker.close();
    },
    next: async ({ disk, clock }) => {
      const broker = await new SimBroker(disk, clock).open();
      await broker.topic('t');
      await broker.close();
    },
  },
];
