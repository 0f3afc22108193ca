/**
 * `npm run crash`: what crashes and damage do to a log, beyond what the tests sample.
 *
 *     --states N [--seed S]     N disks that crashes may leave, each opened and judged; see
 *                               states/states.ts; --seconds S ends it early, and says how far
 *     --replay LINE             one of them again, from the line that was printed for it
 *     --sites [--sample PERCENT] every call of the file system that storage has fails in every way;
 *                               see sites/sites.ts
 *     --kill N [--seed S]       kills N writing processes on the real disk; see kill.ts
 *     --flips [--sample N]      flips every bit (or N bits) of each file of a log; see flips.ts
 *     --explore N [--seed S]    crashes of the simulated machine; see explorer.ts
 *     --histories N [--seed S]  random histories of a compacted log, with crashes; see history.ts
 *     --swaps                   every end of a compaction, and of the recoveries; see swaps.ts
 *     --full N [--seed S]       fills and frees a real disk N times; see full.ts
 *     --cuts N [--seed S]       cuts the power of real file systems N times; see power-cuts.ts
 *     --failed-calls N [--seed S]  lets calls of the real kernel fail N times; see failed-calls.ts
 *     --planted NAME [--seed S] plants bugs in a copy of the build and says what finds them; a part
 *                               of the name, or `all`; see planted-bugs.ts
 *     --json                    prints one line of JSON instead of text
 *
 * Exit code 1 when anything was lost, missing, invented or wrong; 2 for a wrong call.
 */

import { parseArgs } from 'node:util';
import { randomSeed } from '../../src/base/prng.js';
import { huntPlantedBug } from './explorer-planted.js';
import { runFlips } from './flips.js';
import { type KillReport, runKillLoop } from './kill.js';
import { plantedBugs } from './planted-bugs.js';

process.exitCode = await main();

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      states: { type: 'string' },
      replay: { type: 'string' },
      sites: { type: 'boolean', default: false },
      kill: { type: 'string' },
      flips: { type: 'boolean', default: false },
      explore: { type: 'string' },
      histories: { type: 'string' },
      swaps: { type: 'boolean', default: false },
      full: { type: 'string' },
      cuts: { type: 'string' },
      'failed-calls': { type: 'string' },
      planted: { type: 'string' },
      sample: { type: 'string' },
      seed: { type: 'string' },
      seconds: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const { json } = values;
  const seed = count(values.seed) ?? randomSeed() >>> 1;
  const states = count(values.states);
  if (values.replay !== undefined || states !== undefined) {
    const { runReplay, runStatesCampaign } = await import('./states/states.js');
    if (values.replay !== undefined) return await runReplay(values.replay);
    const secondsMax = count(values.seconds);
    return await runStatesCampaign({ states: states ?? 0, seed, secondsMax, json });
  }
  if (values.sites) {
    const { runSiteSweep } = await import('./sites/sites.js');
    return await runSiteSweep({ seed, share: (count(values.sample) ?? 100) / 100, json });
  }
  const kills = count(values.kill);
  if (kills !== undefined) return await kill(kills, seed, json);
  if (values.flips) return await flip(count(values.sample), json);
  const explorations = count(values.explore);
  if (explorations !== undefined) return await explore(explorations, seed, json);
  if (values.swaps) return await swap(json);
  const histories = count(values.histories);
  if (histories !== undefined) return await liveThrough(histories, seed, json);
  const fills = count(values.full);
  if (fills !== undefined) return await fillDisk(fills, seed);
  const cuts = count(values.cuts);
  if (cuts !== undefined) return await cutPower(cuts, seed);
  const failedCalls = count(values['failed-calls']);
  if (failedCalls !== undefined) return await failCalls(failedCalls, seed);
  if (values.planted !== undefined) return plant(values.planted, seed, json);
  console.error(
    'usage: npm run crash -- --states N | --replay LINE | --sites | --kill N | --flips |' +
      ' --explore N | --histories N | --swaps | --full N | --cuts N | --failed-calls N |' +
      ' --planted NAME [--seed S] [--json]',
  );
  return 2;
}

async function kill(cycles: number, seed: number, json: boolean): Promise<number> {
  const onCycle = (done: number, progress: KillReport): void => {
    const { acknowledged, seconds } = progress;
    if (done % 50 !== 0) return;
    console.log(`${done} of ${cycles} killed, ${acknowledged} acknowledged, ${seconds} s`);
  };
  const report = await runKillLoop({ cycles, seed, onCycle: json ? undefined : onCycle });
  for (const detail of report.details) console.error(detail);
  const { lost, holes, phantom, failures, seconds } = report;
  if (json) {
    console.log(JSON.stringify({ cycles: report.cycles, lost, holes, phantom, seed, seconds }));
  } else {
    console.log(report);
  }
  return lost + holes + phantom + failures === 0 ? 0 : 1;
}

async function flip(sample: number | undefined, json: boolean): Promise<number> {
  const startedMs = performance.now();
  const { files, wrong, missing, details } = await runFlips({ sample });
  for (const detail of details) console.error(detail);
  const seconds = Math.round((performance.now() - startedMs) / 100) / 10;
  if (json) {
    console.log(JSON.stringify({ files, wrong, missing, seconds }));
  } else {
    console.table(files);
    console.log(`${wrong} wrong, ${missing} missing, ${seconds} s`);
  }
  return wrong + missing === 0 ? 0 : 1;
}

/** The exploration prints its own line; it says whether it found nothing. */
async function explore(count: number, seed: number, json: boolean): Promise<number> {
  const { exploreLog } = await import('./explorer.js');
  return await exploreLog({ count, seed, json });
}

/** The campaign prints its own lines, too. */
async function liveThrough(count: number, seed: number, json: boolean): Promise<number> {
  const { runHistoryCampaign } = await import('./histories.js');
  return await runHistoryCampaign({ count, seed, json });
}

/** One segment and two with all states, of three a sample of what nests. */
async function swap(json: boolean): Promise<number> {
  const { exploreSwaps } = await import('./swaps.js');
  for (const segments of [1, 2, 3]) {
    const startedMs = performance.now();
    const statesPerCall = segments < 3 ? [4096, 4096, 256] : [4096, 64, 8];
    const counts = await exploreSwaps({ segments, statesPerCall });
    const seconds = Math.round((performance.now() - startedMs) / 100) / 10;
    const report = { segments, ...counts, seconds };
    console.log(json ? JSON.stringify(report) : report);
  }
  return 0;
}

/** Prints one line of JSON; a machine that cannot do it says why, and that is no success. */
async function fillDisk(cycles: number, seed: number): Promise<number> {
  const { fullDiskObstacle, runFullDisk } = await import('./full.js');
  const obstacle = fullDiskObstacle();
  if (obstacle !== undefined) {
    console.error(`skipped: ${obstacle}`);
    return 2;
  }
  const { details, ...report } = await runFullDisk({ cycles, seed });
  for (const detail of details) console.error(detail);
  console.log(JSON.stringify(report));
  const { lost, wedged, restarts } = report;
  return lost + wedged + restarts + details.length === 0 ? 0 : 1;
}

/** One line of JSON for each file system; one that this machine cannot cut is named with why. */
async function cutPower(cycles: number, seed: number): Promise<number> {
  const { cutFileSystems, powerCutObstacle, runPowerCuts } = await import('./power-cuts.js');
  let wrong = 0;
  let skipped = 0;
  for (const fileSystem of cutFileSystems) {
    const obstacle = powerCutObstacle(fileSystem);
    if (obstacle !== undefined) {
      console.error(`skipped: ${obstacle}`);
      skipped += 1;
      continue;
    }
    const { details, ...report } = await runPowerCuts({ fileSystem, cycles, seed });
    for (const detail of details) console.error(detail);
    console.log(JSON.stringify(report));
    wrong += report.lost + report.holes + report.phantom + report.failures;
  }
  if (skipped === cutFileSystems.length) return 2;
  return wrong === 0 ? 0 : 1;
}

/** One line of JSON for each tool; one that is not there is named. */
async function failCalls(cycles: number, seed: number): Promise<number> {
  const { failureToolObstacle, failureTools, runFailedCalls } = await import('./failed-calls.js');
  let wrong = 0;
  let skipped = 0;
  for (const tool of failureTools) {
    const obstacle = failureToolObstacle(tool);
    if (obstacle !== undefined) {
      console.error(`skipped: ${obstacle}`);
      skipped += 1;
      continue;
    }
    const { details, ...report } = await runFailedCalls(tool, cycles, seed);
    for (const detail of details) console.error(detail);
    console.log(JSON.stringify(report));
    wrong += report.lost + report.holes + report.phantom + report.failures;
  }
  if (skipped === failureTools.length) return 2;
  return wrong === 0 ? 0 : 1;
}

/** Each planted bug must be found; the exit code says whether all were. */
function plant(name: string, seed: number, json: boolean): number {
  const bugs = plantedBugs.filter((bug) => name === 'all' || bug.name.includes(name));
  let missed = bugs.length === 0 ? 1 : 0;
  for (const bug of bugs) {
    const hunt = huntPlantedBug(bug, seed);
    if (hunt.caughtBy === undefined) missed += 1;
    const { caughtBy = 'nothing', finding, seconds } = hunt;
    console.log(json ? JSON.stringify(hunt) : `${hunt.bug}: ${caughtBy}, ${seconds} s  ${finding}`);
  }
  return missed === 0 ? 0 : 1;
}

function count(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not a count: ${text}`);
  return value;
}
