/**
 * Every state that a power cut may leave at the directory syncs of one history: a segment that was
 * sealed by a close, grows again, and rolls.
 */

import { LogOracle } from '../support/log-oracle.js';
import type { LogOperation, Workload } from '../support/log-workload.js';
import { LogSession } from '../support/log-workload-session.js';
import { enumerateCrashes } from '../support/sim-crash.js';
import { SimDisk } from '../support/sim-file-system.js';
import { recoverAndCheck } from './explorer-recovery.js';

const STATES_MAX = 512;
const append: LogOperation = {
  kind: 'append',
  appends: [{ sizes: [2500], acks: 'durable' }],
  wait: true,
};

const workload: Workload = {
  options: { segmentBytes: 4096, indexIntervalBytes: 0 },
  lateness: 0,
  operations: [{ kind: 'reopen' }, append, append],
};

/** Returns how many states were opened. */
export async function exploreRolls(): Promise<number> {
  const session = new LogSession(new SimDisk(), new LogOracle(), workload);
  const opened = await session.open();
  if (opened.kind === 'rejected') throw opened.error;
  session.begin(opened.value);
  const snapshots: { disk: SimDisk; oracle: LogOracle }[] = [];
  session.disk.onCall = (_number, name) => {
    if (name !== 'syncDirectory') return;
    session.noteEnds();
    snapshots.push({ disk: session.disk.clone(), oracle: session.oracle.clone() });
  };
  for (const operation of workload.operations) await session.run(operation);
  await session.close();
  let states = 0;
  for (const { disk, oracle } of snapshots) {
    oracle.losePower();
    for (const choice of enumerateCrashes(disk, STATES_MAX)) {
      await recoverAndCheck(disk.crash(choice), oracle.clone(), workload);
      states += 1;
    }
  }
  return states;
}
