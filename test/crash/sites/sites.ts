/**
 * The fault sweep by call site: every line of storage that calls the file system is made to fail,
 * once and for ever, with each error that a file system has and with short writes.
 *
 * What is checked: the work ends, with a result or a typed error; no rejection is left over; the
 * next process, and the one after a power cut, open the log, and nothing that was promised is gone.
 */

import { setImmediate } from 'node:timers/promises';
import { MillraceError } from '../../../src/base/errors.js';
import { Prng } from '../../../src/base/prng.js';
import { SimLog } from '../../support/log-fixture.js';
import { OracleViolation } from '../../support/log-oracle.js';
import { crashAll, crashNone, randomCrash } from '../../support/sim-crash.js';
import type { SimDisk } from '../../support/sim-file-system.js';
import { type Scenario, type Stage, scenarios } from './site-scenarios.js';
import { listSites, type SiteFault, SiteTracer } from './site-tracer.js';

export interface SitesReport {
  /** Lines that call the file system, and those of them at which a fault struck. */
  sites: number;
  hit: number;
  /** Lines that no scenario comes by. */
  readonly missed: string[];
  /** Runs with a fault, and those whose work failed for it. */
  faults: number;
  failed: number;
  /** Disks that were opened and checked afterwards. */
  checked: number;
  /** What was wrong, each with the fault that leads to it. */
  readonly violations: string[];
}

export interface SitesOptions {
  readonly seed: number;
  /** Share of the faults that are tried; every site has one at least. 1 tries all. */
  readonly share: number;
}

const errnos = ['EIO', 'ENOSPC', 'EDQUOT', 'EROFS', 'EMFILE', 'EINTR'] as const;
const shorts = ['less-one', 'half', 'zero'] as const;
/** Calls of one site in one scenario: these are tried. */
const SKIPS = [0, 1, 5] as const;
const TURNS_MAX = 2000;
/** Work that still goes on after so many turns waits for a timer. */
const TURNS_BEFORE_TIMERS = 60;

export async function sweepSites(options: SitesOptions): Promise<SitesReport> {
  const all = listSites();
  const struck = new Set<string>();
  const report: SitesReport = {
    sites: all.length,
    hit: 0,
    missed: [],
    faults: 0,
    failed: 0,
    checked: 0,
    violations: [],
  };
  const rejections: unknown[] = [];
  const note = (reason: unknown): void => void rejections.push(reason);
  process.on('unhandledRejection', note);
  try {
    const prng = new Prng(options.seed);
    for (const scenario of scenarios) {
      for (const fault of await faultsOf(scenario)) {
        if (struck.has(fault.site) && !prng.boolean(options.share)) continue;
        const hasStruck = await tryFault(scenario, fault, prng, report, rejections);
        if (hasStruck) struck.add(fault.site);
      }
    }
  } finally {
    process.off('unhandledRejection', note);
  }
  report.hit = all.filter((site) => struck.has(site)).length;
  report.missed.push(...all.filter((site) => !struck.has(site)));
  return report;
}

/** What can go wrong in a scenario, by the calls that it makes when nothing does. */
async function faultsOf(scenario: Scenario): Promise<SiteFault[]> {
  const stage = await scenario.prepare();
  const tracer = new SiteTracer();
  await work(scenario, stage, tracer).catch(requireOurs);
  await check(scenario, stage, stage.disk.kill());
  const faults: SiteFault[] = [];
  for (const [site, hits] of tracer.hits) {
    const isWrite = tracer.names.get(site)?.has('write') === true;
    for (const skip of SKIPS.filter((one) => one < hits)) {
      for (const repeat of ['once', 'forever'] as const) {
        for (const errno of errnos) faults.push({ site, fault: { errno }, skip, repeat });
        if (!isWrite) continue;
        for (const short of shorts) faults.push({ site, fault: { short }, skip, repeat });
      }
    }
  }
  return faults;
}

/** Whether the fault struck. */
async function tryFault(
  scenario: Scenario,
  fault: SiteFault,
  prng: Prng,
  report: SitesReport,
  rejections: unknown[],
): Promise<boolean> {
  const tracer = new SiteTracer(fault);
  try {
    const stage = await scenario.prepare();
    report.faults += 1;
    try {
      await work(scenario, stage, tracer);
    } catch (error) {
      requireOurs(error);
      report.failed += 1;
    }
    const { disk } = stage;
    disk.onMade = undefined;
    const choices = [crashNone, crashAll(disk), randomCrash(disk, prng.integer(2 ** 32))];
    for (const left of [disk.kill(), disk.crash(prng.pick(choices))]) {
      await check(scenario, stage, left);
      report.checked += 1;
    }
    const [rejection] = rejections.splice(0);
    if (rejection !== undefined) throw new OracleViolation(`unhandled: ${String(rejection)}`);
  } catch (error) {
    const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    report.violations.push(`${reason}\n  in ${scenario.name}\n  fault ${JSON.stringify(fault)}`);
  }
  return tracer.hasStruck;
}

async function work(scenario: Scenario, { disk, ledger }: Stage, tracer: SiteTracer) {
  const sim = new SimLog(disk);
  disk.onMade = tracer.onMade;
  await ending(sim, scenario.work(sim, ledger));
}

/** The next process finds what was promised. */
async function check(scenario: Scenario, { ledger }: Stage, disk: SimDisk): Promise<void> {
  const sim = new SimLog(disk);
  if (scenario.next !== undefined) await ending(sim, scenario.next(sim));
  if (scenario.isFolder === true) return;
  const log = await ending(sim, sim.open(scenario.options));
  const { damage } = log.describe();
  if (damage !== undefined) throw new OracleViolation(`it opens with ${JSON.stringify(damage)}`);
  await ending(sim, ledger.check(log));
  await ending(sim, log.close());
}

/** Work fails with an error that says by a code what is wrong. */
function requireOurs(error: unknown): void {
  if (!(error instanceof MillraceError)) throw error;
}

/** Lets turns pass until it ends, and timers fall due when it does not; a violation if never. */
async function ending<Value>({ clock }: SimLog, running: Promise<Value>): Promise<Value> {
  let isOver = false;
  const over = (): void => {
    isOver = true;
  };
  running.then(over, over);
  for (let turn = 0; turn < TURNS_MAX && !isOver; turn += 1) {
    await setImmediate();
    const delayMs = clock.nextDelayMs;
    if (turn > TURNS_BEFORE_TIMERS && delayMs !== undefined && !isOver) clock.advance(delayMs);
  }
  if (!isOver) throw new OracleViolation('it never ends');
  return await running;
}

/** The campaign's command; exit code 1 when something was wrong or a site was not hit. */
export async function runSiteSweep(options: {
  readonly seed: number;
  readonly share: number;
  readonly json: boolean;
}): Promise<number> {
  const { seed, share, json } = options;
  const startedMs = performance.now();
  const report = await sweepSites({ seed, share });
  const seconds = Math.round((performance.now() - startedMs) / 100) / 10;
  const { violations, ...counts } = report;
  for (const violation of violations) console.error(violation);
  const line = { ...counts, violations: violations.length, seed, seconds };
  console.log(json ? JSON.stringify(line) : line);
  return report.missed.length + violations.length === 0 ? 0 : 1;
}
