/**
 * The campaign over crash states: so many of them, over all worlds, in an order that follows from
 * the seed; and one of them again, from its line.
 */

import type { OracleViolation } from '../../support/log-oracle.js';
import { BrokerWorld, brokerAlphabet } from './states-broker.js';
import {
  type ExploreLimits,
  newStateCounts,
  oneState,
  type StateCounts,
  StateExplorer,
} from './states-explorer.js';
import { LiesWorld } from './states-lies.js';
import { LogWorld, logAlphabet } from './states-log.js';
import { type PlannedWorkload, randomWorkloads, sequencesOf } from './states-workloads.js';
import type { StateLine } from './states-world.js';

export interface StatesReport extends StateCounts {
  /** States of each part of the campaign. */
  readonly parts: Record<string, number>;
  readonly seed: number;
  readonly seconds: number;
  /** Of processor time, of this process. */
  readonly cpuSeconds: number;
  /** One text for each violation, the first ones: what is wrong, and the line that leads to it. */
  readonly details: readonly string[];
}

export interface StatesOptions {
  readonly states: number;
  readonly seed: number;
  /** Begins no further workload after so much time. */
  readonly secondsMax?: number | undefined;
  readonly onProgress?: ((states: number) => void) | undefined;
  /** Hears of each violation as soon as it is found, the first ones. */
  readonly onDetail?: (detail: string) => void;
}

/** One source of workloads; parts are served in turn, by their shares of all states. */
interface Part {
  readonly name: string;
  readonly share: number;
  readonly explorer: Pick<StateExplorer<unknown>, 'explore'>;
  readonly workloads: Iterator<PlannedWorkload>;
  states: number;
}

const DETAILS_MAX = 20;
const PROGRESS_EVERY = 50_000;

const limits: Omit<ExploreLimits, 'statesMax'> = {
  // Up to five pending effects all subsets; six and more are sampled beside the corner cases.
  statesPerCall: [64, 4, 2],
  callsNested: 3,
  nestedShare: [0.02, 0.2],
};

export async function runStates(options: StatesOptions): Promise<StatesReport> {
  const { states, seed, onProgress, onDetail } = options;
  const { secondsMax = Number.POSITIVE_INFINITY } = options;
  const counts = newStateCounts();
  const details: string[] = [];
  const startedMs = performance.now();
  const startedCpu = process.cpuUsage();
  const onViolation = (violation: OracleViolation, line: StateLine): void => {
    if (details.length >= DETAILS_MAX) return;
    const detail = `${violation.kind}: ${violation.message}\n  --replay '${JSON.stringify(line)}'`;
    details.push(detail);
    onDetail?.(detail);
  };
  const parts = await makeParts(counts, { ...limits, statesMax: states }, onViolation, seed);
  let announced = 0;
  const elapsedMs = (): number => performance.now() - startedMs;
  while (counts.states < states && elapsedMs() < secondsMax * 1000) {
    const part = nextPart(parts);
    const { value } = part.workloads.next();
    if (value === undefined) {
      parts.splice(parts.indexOf(part), 1);
      continue;
    }
    const before = counts.states;
    await part.explorer.explore(value, seed + counts.workloads);
    part.states += counts.states - before;
    if (counts.states - announced >= PROGRESS_EVERY) {
      announced = counts.states;
      onProgress?.(announced);
    }
  }
  const { user, system } = process.cpuUsage(startedCpu);
  return {
    ...counts,
    parts: Object.fromEntries(parts.map((part) => [part.name, part.states])),
    seed,
    seconds: rounded(elapsedMs() / 1000),
    cpuSeconds: rounded((user + system) / 1e6),
    details,
  };
}

/** What is wrong with the state that a line leads to; undefined when nothing is. */
export async function replayState(line: StateLine): Promise<OracleViolation | undefined> {
  const counts = newStateCounts();
  const ignore = (): void => {};
  switch (line.world) {
    case 'log':
      return await new StateExplorer(new LogWorld(), counts, oneState, ignore).replay(line);
    case 'broker': {
      const world = await BrokerWorld.make();
      return await new StateExplorer(world, counts, oneState, ignore).replay(line);
    }
    case 'lies':
      return await new StateExplorer(new LiesWorld(), counts, oneState, ignore).replay(line);
    default:
      throw new RangeError(`no such world: ${line.world}`);
  }
}

async function makeParts(
  counts: StateCounts,
  bounds: ExploreLimits,
  onViolation: (violation: OracleViolation, line: StateLine) => void,
  seed: number,
): Promise<Part[]> {
  const log = new StateExplorer(new LogWorld(), counts, bounds, onViolation);
  const broker = new StateExplorer(await BrokerWorld.make(), counts, bounds, onViolation);
  const lies = new StateExplorer(new LiesWorld(), counts, bounds, onViolation);
  const part = (
    name: string,
    share: number,
    explorer: Part['explorer'],
    workloads: Iterator<PlannedWorkload>,
  ): Part => ({ name, share, explorer, workloads, states: 0 });
  return [
    part('log, sequences', 0.9, log, sequencesOf(Object.keys(logAlphabet), seed)),
    part('log, random', 0.02, log, randomWorkloads(seed)),
    part('log, lying disk', 0.04, lies, randomWorkloads(seed)),
    part('broker, sequences', 0.03, broker, sequencesOf(Object.keys(brokerAlphabet), seed)),
    part('broker, random', 0.01, broker, randomWorkloads(seed)),
  ];
}

/** The one that is furthest behind its share. */
function nextPart(parts: readonly Part[]): Part {
  let next: Part | undefined;
  for (const part of parts) {
    if (next === undefined || part.states / part.share < next.states / next.share) next = part;
  }
  if (next === undefined) throw new RangeError('random workloads never end');
  return next;
}

function rounded(seconds: number): number {
  return Math.round(seconds * 10) / 10;
}

/** The campaign's command; returns an exit code. */
export async function runStatesCampaign(options: {
  readonly states: number;
  readonly seed: number;
  readonly secondsMax: number | undefined;
  readonly json: boolean;
}): Promise<number> {
  const { states, seed, secondsMax, json } = options;
  const onProgress = json
    ? undefined
    : (done: number): void => console.log(`${done} of ${states} states`);
  const onDetail = (detail: string): void => console.error(detail);
  const heard = { onProgress, onDetail };
  const { details, found, ...report } = await runStates({ states, seed, secondsMax, ...heard });
  const { seconds, cpuSeconds } = report;
  const perCpuSecond = Math.round(report.states / cpuSeconds);
  const perSecond = Math.round(report.states / seconds);
  const more = { ...report, violations: details.length, perSecond, perCpuSecond };
  console.log(json ? JSON.stringify(more) : more);
  const { lost, phantom, hole: holes, error: errors } = found;
  console.log(JSON.stringify({ states: report.states, lost, phantom, holes, errors, seconds }));
  return lost + phantom + holes + errors === 0 ? 0 : 1;
}

/** Builds one state again; exit code 1 when something is wrong with it. */
export async function runReplay(text: string): Promise<number> {
  const line: StateLine = JSON.parse(text);
  const violation = await replayState(line);
  console.log(violation === undefined ? 'nothing is wrong' : String(violation));
  return violation === undefined ? 0 : 1;
}
