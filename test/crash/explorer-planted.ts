/**
 * Hunts planted bugs: lets the campaigns over crashes loose on a copy of the product that has one,
 * in a process of its own.
 */

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { inPlantedCopy, type Plant } from '../support/planted-copy.js';

export interface Hunt {
  readonly bug: string;
  /** What found it; undefined when nothing did. */
  readonly caughtBy: string | undefined;
  /** The first line of the finding. */
  readonly finding: string;
  readonly seconds: number;
}

/** Of one bug, on a machine that does nothing else. */
const HUNT_MS_MAX = 300_000;

/** Throws when the plant does not fit the build. */
export function huntPlantedBug(bug: Plant, seed: number): Hunt {
  const startedMs = performance.now();
  return inPlantedCopy(bug, ['test/crash'], (folder) => {
    const child = spawnSync(process.execPath, ['--input-type=module', '--eval', script(folder)], {
      encoding: 'utf8',
      env: { ...process.env, PLANT_SEED: String(seed) },
      timeout: HUNT_MS_MAX,
    });
    const [caughtBy, finding = ''] = child.stdout.trim().split('\t');
    const seconds = Math.round((performance.now() - startedMs) / 100) / 10;
    if (child.status === 0 || child.error !== undefined)
      return { bug: bug.name, caughtBy: undefined, finding: '', seconds };
    if (child.status === 1 && caughtBy !== undefined && finding !== '') {
      return { bug: bug.name, caughtBy, finding, seconds };
    }
    const error = /^\w*(?:Violation|Error).*$/m.exec(child.stderr)?.[0] ?? 'the process died';
    return { bug: bug.name, caughtBy: 'the process', finding: error, seconds };
  });
}

/**
 * Exit code 1 and a line that names the finder when something was found. The campaign is the same
 * for every bug: it is not told which one it hunts, nor where.
 */
function script(folder: string): string {
  const url = (name: string): string =>
    JSON.stringify(pathToFileURL(join(folder, 'test', 'crash', name)).href);
  return `
    import { runExplorer } from ${url('explorer.js')};
    import { sweepFaults } from ${url('explorer-faults.js')};
    import { sweepWorkloads } from ${url('explorer-faults-plan.js')};
    import { exploreRolls } from ${url('explorer-rolls.js')};
    import { runHistories } from ${url('histories.js')};
    import { runStates } from ${url('states/states.js')};
    import { exploreSwaps } from ${url('swaps.js')};
    const seed = Number(process.env.PLANT_SEED);
    const hunt = async (name, run) => {
      try {
        await run();
      } catch (error) {
        console.log(name + '\\t' + error.message.split('\\n')[0]);
        process.exit(1);
      }
    };
    const explore = (first, workloads, statesPerCall) => () =>
      runExplorer({ seed: first, workloads, statesPerCall, callsNested: 2 });
    const states = async () => {
      const onDetail = (detail) => {
        throw new Error(detail);
      };
      await runStates({ states: 3000, seed, onDetail });
    };
    await hunt('rolls', exploreRolls);
    await hunt('swaps', () => exploreSwaps({ segments: 1, statesPerCall: [64] }));
    await hunt('histories', () => runHistories({ seed, histories: 400 }));
    await hunt('states', states);
    await hunt('explorer', explore(seed, 1, [6, 2, 2]));
    for (let turn = 0; turn < 16; turn += 4) await hunt('explorer', explore(turn, 1, [40]));
    for (const workload of sweepWorkloads) {
      await hunt('faults', () => sweepFaults(workload, { seed, share: 0.03 }));
    }
    await hunt('swaps', () => exploreSwaps({ segments: 2, statesPerCall: [64] }));
    await hunt('histories', () => runHistories({ seed: seed + 400, histories: 3600 }));
  `;
}
