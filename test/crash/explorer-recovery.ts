/**
 * Opening a disk that a crash or a failure left, with everything that must hold of it.
 */

import { type LogOracle, OracleViolation, type SeenLog } from '../support/log-oracle.js';
import type { Workload } from '../support/log-workload.js';
import { LOG_DIRECTORY, LogSession } from '../support/log-workload-session.js';
import { crashNone } from '../support/sim-crash.js';
import type { SimDisk } from '../support/sim-file-system.js';

export type Plan = Pick<Workload, 'options' | 'lateness'>;

/** Opens and checks; what the log shows is promised from then on. */
export async function openRecovered(session: LogSession): Promise<SeenLog> {
  const opened = await session.open();
  if (opened.kind === 'rejected') {
    throw new OracleViolation(`open failed: ${String(opened.error)}`, { cause: opened.error });
  }
  const log = opened.value;
  const { state, damage } = log.describe();
  if (damage !== undefined || state !== 'open') {
    throw new OracleViolation(`the log opened as ${state}: ${JSON.stringify(damage)}`);
  }
  const seen = await session.see(log);
  session.oracle.settle(seen);
  session.begin(log);
  return seen;
}

/** Power is lost right after the opening: nothing that it showed may change. */
export async function checkSecond(session: LogSession, seen: SeenLog, plan: Plan): Promise<void> {
  const disk = session.disk.crash(crashNone);
  const before = contentOf(session.disk);
  const second = new LogSession(disk, session.oracle.clone(), plan);
  const again = await openRecovered(second);
  const after = contentOf(disk);
  for (const path of new Set([...before.keys(), ...after.keys()])) {
    if (before.get(path) === after.get(path)) continue;
    // A copy that was cut short is not worth a sync; a second copy would mean a second cut.
    if (path.endsWith('.broken') && before.has(path)) continue;
    throw new OracleViolation(`the second recovery changed ${path}`);
  }
  if (again.endOffset !== seen.endOffset || again.startOffset !== seen.startOffset) {
    throw new OracleViolation(`the second recovery ends at ${again.endOffset}`);
  }
}

/** Both: what the oracle says, and that it stays so. */
export async function recoverAndCheck(
  disk: SimDisk,
  oracle: LogOracle,
  plan: Plan,
): Promise<LogSession> {
  const session = new LogSession(disk, oracle, plan);
  const seen = await openRecovered(session);
  await checkSecond(session, seen, plan);
  return session;
}

/** All files but the watermark, which says who settled it last; as Latin-1. */
function contentOf(disk: SimDisk): Map<string, string> {
  const paths = disk.list(LOG_DIRECTORY).filter((path) => !path.endsWith('/watermark'));
  return new Map(paths.map((path) => [path, Buffer.from(disk.readAll(path)).toString('latin1')]));
}
