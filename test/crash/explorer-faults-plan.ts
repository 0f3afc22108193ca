/**
 * The workloads of the fault sweep: short, and together every path that changes the disk: creation,
 * groups, a roll in the middle of a group, deletion, an altered option, closing, opening again.
 */

import { LogOracle } from '../support/log-oracle.js';
import type { LogOperation, PlannedAppend, Workload } from '../support/log-workload.js';
import { LogSession } from '../support/log-workload-session.js';
import { SimDisk } from '../support/sim-file-system.js';

const options = {
  segmentBytes: 4096,
  indexIntervalBytes: 512,
  flushMs: 20,
  flushBytes: 65_536,
  bufferBytes: 65_536,
};

function append(...appends: readonly PlannedAppend[]): LogOperation {
  return { kind: 'append', appends, wait: true };
}

function startAppend(...appends: readonly PlannedAppend[]): LogOperation {
  return { kind: 'append', appends, wait: false };
}

const small: PlannedAppend = { sizes: [100, 30], acks: 'durable' };
const large: PlannedAppend = { sizes: [2500], acks: 'durable' };
const written: PlannedAppend = { sizes: [700], acks: 'written' };
const accepted: PlannedAppend = { sizes: [60], acks: 'none' };

const rolling: readonly LogOperation[] = [
  append(small),
  startAppend(large, written),
  { kind: 'turns', count: 3 },
  append(large, small),
  { kind: 'advance', ms: 60 },
  append(written, accepted),
  { kind: 'delete', share: 0.8, wait: true },
  append(large),
];

const reopening: readonly LogOperation[] = [
  append(small),
  { kind: 'reopen' },
  append(written),
  { kind: 'alter', segmentMs: 1000 },
  { kind: 'tryAppend', bytes: 40 },
  { kind: 'flush', wait: true },
  { kind: 'reopen' },
  { kind: 'read' },
  append(large, large),
];

/** More than the buffer holds at once, so that appends wait and rolls overtake each other. */
const crowded: readonly LogOperation[] = [
  startAppend(...Array.from({ length: 12 }, () => ({ ...large, sizes: [9000] }))),
  { kind: 'turns', count: 2 },
  startAppend(accepted, written, small),
  { kind: 'delete', share: 1, wait: false },
  append(small),
];

export const sweepWorkloads: readonly Workload[] = [
  { options, lateness: 0, operations: rolling },
  { options, lateness: 2, operations: rolling },
  { options, lateness: 0, operations: reopening },
  { options, lateness: 1, operations: crowded },
];

/** What a recovery is swept with: it opens, appends, and rolls. */
export const recoveringWorkload: Workload = {
  options: { ...options, segmentBytes: 8192 },
  lateness: 0,
  operations: [append(small), append(large, large), append(large, small)],
};

/** A disk after a power cut in the middle of a flight: its recovery has a torn tail to cut. */
export async function tornStart(): Promise<{ disk: SimDisk; oracle: LogOracle }> {
  const session = new LogSession(new SimDisk(), new LogOracle(), recoveringWorkload);
  const opened = await session.open();
  if (opened.kind === 'rejected') throw opened.error;
  session.begin(opened.value);
  await session.run(append(small));
  let start: { disk: SimDisk; oracle: LogOracle } | undefined;
  // Both pages of the flight are written: one of them gets through.
  session.disk.onCall = (_number, name, path) => {
    if (name !== 'datasync' || !path.endsWith('.log')) return;
    session.noteEnds();
    const oracle = session.oracle.clone();
    oracle.losePower();
    const effects = session.disk.effects();
    const lost = effects.findLastIndex(({ kind }) => kind === 'page');
    const kept = effects.map((_, index) => index).filter((index) => index !== lost);
    start ??= { disk: session.disk.crash({ kept }), oracle };
  };
  await session.run(append({ sizes: [1500, 1500, 1500], acks: 'durable' }));
  session.disk.onCall = undefined;
  await session.close();
  if (start === undefined) throw new Error('the flight was never synced');
  return start;
}
