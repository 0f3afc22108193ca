/**
 * Explores one workload of a world: runs it once, notes the disk and the promises before each call,
 * and builds and judges the disks that a power cut or a kill may leave there.
 *
 * A state is a disk together with what was promised. What is checked of each: it opens, the
 * promises hold, and losing power again right behind the recovery changes no byte and no answer. A
 * share of the states is lived on with, and cut again at calls of that recovery and of what
 * follows, to depth three.
 */

import { Prng } from '../../../src/base/prng.js';
import { OracleViolation, type ViolationKind } from '../../support/log-oracle.js';
import { enumerateCrashes } from '../../support/sim-crash.js';
import type { SimDisk } from '../../support/sim-file-system.js';
import { RecoveryMemory, violationOf } from './states-memory.js';
import type { PlannedWorkload } from './states-workloads.js';
import type { Cut, Life, Promised, StateLine, World } from './states-world.js';

export interface StateCounts {
  /** Disks that were built and judged: one for each cut, at each call. */
  states: number;
  /** Of them, those that differ from all others of their workload, or in what was promised. */
  different: number;
  /** Recoveries that were run for it, the second ones included: equal disks need one. */
  recoveries: number;
  /** Of the states: behind a crash of a recovery, and behind a crash of the recovery from that. */
  nested: number;
  third: number;
  workloads: number;
  calls: number;
  found: Record<ViolationKind, number>;
}

export interface ExploreLimits {
  /** Disks of one call, by depth. */
  readonly statesPerCall: readonly number[];
  /** Calls of one recovery and what follows that are cut, by depth below the first. */
  readonly callsNested: number;
  /** Share of the recovered disks that are lived on with, by depth. */
  readonly nestedShare: readonly number[];
  /** No state is begun when so many were judged. */
  readonly statesMax: number;
}

/** The disk and the promises just before a call. */
interface Point<View> {
  readonly call: number;
  readonly disk: SimDisk;
  readonly promised: Promised<View>;
}

export type OnViolation = (violation: OracleViolation, line: StateLine) => void;

/** For what is built again, one state at a time. */
export const oneState: ExploreLimits = {
  statesPerCall: [],
  callsNested: 0,
  nestedShare: [],
  statesMax: 1,
};

export function newStateCounts(): StateCounts {
  const found = { lost: 0, phantom: 0, hole: 0, error: 0 };
  const none = { states: 0, different: 0, recoveries: 0, nested: 0, third: 0 };
  return { ...none, workloads: 0, calls: 0, found };
}

export class StateExplorer<View> {
  readonly world: World<View>;
  readonly #counts: StateCounts;
  readonly #limits: ExploreLimits;
  readonly #onViolation: OnViolation;
  readonly #memory: RecoveryMemory<View>;
  #prng = new Prng(0);
  #workload = '';
  /** No state is begun when so many were judged. */
  #end = 0;
  /** States of this workload that were judged. */
  #judged = new Set<string>();

  constructor(
    world: World<View>,
    counts: StateCounts,
    limits: ExploreLimits,
    onViolation: OnViolation,
  ) {
    this.world = world;
    this.#counts = counts;
    this.#limits = limits;
    this.#onViolation = onViolation;
    this.#memory = new RecoveryMemory(world);
  }

  /** Cuts at the calls of the steps from `from` on and of the close, or at calls drawn of them. */
  async explore({ name, from, statesMax }: PlannedWorkload, seed: number): Promise<void> {
    const { states } = this.#counts;
    this.#end = Math.min(this.#limits.statesMax, states + statesMax);
    this.#workload = name;
    this.#prng = new Prng(seed);
    this.#judged = new Set();
    this.#counts.workloads += 1;
    let points: Point<View>[];
    try {
      points = await this.#firstPoints(from);
    } catch (error) {
      this.#report(violationOf(error), []);
      return;
    }
    if (statesMax !== Number.POSITIVE_INFINITY) this.#prng.shuffle(points);
    for (const point of points) {
      if (this.#isDone) return;
      this.#counts.calls += 1;
      await this.#cutAt(point, []);
    }
  }

  /** Builds one state again; what is wrong with it, or nothing. */
  async replay({ workload, way }: StateLine): Promise<OracleViolation | undefined> {
    this.#workload = workload;
    let { disk, promised } = this.world.start(workload);
    if (way.length === 0) {
      // The workload itself fails, without any crash.
      return await this.#playWorkload(this.world.live(workload, disk, promised)).then(
        () => undefined,
        violationOf,
      );
    }
    for (const [depth, cut] of way.entries()) {
      const life = this.world.live(workload, disk, promised);
      const isWanted = (call: number): boolean => call === cut.call;
      const play = depth === 0 ? () => this.#playWorkload(life) : () => this.#playOn(life);
      const [point] = await this.#pointsOf(life, play, isWanted);
      if (point === undefined) throw new RangeError(`life ${depth + 1} has no call ${cut.call}`);
      ({ disk, promised } = after(point, cut.loss));
    }
    try {
      await this.#judge(disk, promised);
    } catch (error) {
      return violationOf(error);
    }
    return undefined;
  }

  get #isDone(): boolean {
    return this.#counts.states >= this.#end;
  }

  async #firstPoints(from: number): Promise<Point<View>[]> {
    const { disk, promised } = this.world.start(this.#workload);
    const life = this.world.live(this.#workload, disk, promised);
    let isNew = from === 0;
    const play = (): Promise<void> =>
      this.#playWorkload(life, (step) => {
        isNew ||= step >= from;
      });
    return await this.#pointsOf(life, play, () => isNew);
  }

  async #playWorkload(life: Life<View>, onStep: (step: number) => void = () => {}): Promise<void> {
    life.promised.settle(await life.recover());
    life.begin();
    const steps = this.world.steps(this.#workload);
    for (let step = 0; step < steps; step += 1) {
      onStep(step);
      await life.run(step);
    }
    onStep(steps);
    await life.close();
  }

  async #playOn(life: Life<View>): Promise<void> {
    life.promised.settle(await life.recover());
    life.begin();
    await life.goOn();
  }

  /** What a life passes through, before the calls that are wanted, and its end. */
  async #pointsOf(
    life: Life<View>,
    play: () => Promise<void>,
    isWanted: (call: number) => boolean,
  ): Promise<Point<View>[]> {
    const points: Point<View>[] = [];
    const { disk } = life;
    const take = (call: number): void => {
      life.note();
      points.push({ call, disk: disk.clone(), promised: life.promised.clone() });
    };
    disk.onCall = (call) => {
      if (isWanted(call)) take(call);
    };
    await play();
    disk.onCall = undefined;
    if (isWanted(disk.callCount + 1)) take(disk.callCount + 1);
    return points;
  }

  async #cutAt(point: Point<View>, way: readonly Cut[]): Promise<void> {
    const depth = way.length;
    const { statesPerCall } = this.#limits;
    const most = statesPerCall[depth] ?? 1;
    for (const loss of enumerateCrashes(point.disk, most, this.#prng.integer(2 ** 32))) {
      if (this.#isDone) return;
      await this.#tryState(point, [...way, { call: point.call, loss }]);
    }
    if (!this.#isDone) await this.#tryState(point, [...way, { call: point.call, loss: 'kill' }]);
  }

  async #tryState(point: Point<View>, way: readonly Cut[]): Promise<void> {
    const { disk, promised } = after(point, way.at(-1)?.loss ?? 'kill');
    const key = `${disk.print()}/${promised.key()}`;
    this.#counts.states += 1;
    if (way.length === 2) this.#counts.nested += 1;
    if (way.length === 3) this.#counts.third += 1;
    if (this.#judged.has(key)) return;
    this.#judged.add(key);
    this.#counts.different += 1;
    const share = this.#limits.nestedShare[way.length - 1] ?? 0;
    const isFollowed = way.length < this.#limits.statesPerCall.length && this.#prng.boolean(share);
    const follower = isFollowed ? { disk: disk.clone(), promised: promised.clone() } : undefined;
    try {
      const isNew = await this.#judge(disk, promised);
      if (follower !== undefined && isNew) await this.#liveOn(follower, way);
    } catch (error) {
      this.#report(violationOf(error), way);
    }
  }

  /** Throws what is wrong with a state; whether its disk was not known. */
  async #judge(disk: SimDisk, promised: Promised<View>): Promise<boolean> {
    const before = this.#memory.recoveries;
    try {
      return await this.#judgeTwice(disk, promised);
    } finally {
      this.#counts.recoveries += this.#memory.recoveries - before;
    }
  }

  async #judgeTwice(disk: SimDisk, promised: Promised<View>): Promise<boolean> {
    const first = await this.#memory.recover(this.#workload, disk, promised);
    if ('failure' in first.recovered) throw first.recovered.failure;
    const { view, text, content, next } = first.recovered;
    promised.settle(view);
    // Asked once for each disk: the answer does not depend on what was promised.
    if (!first.isNew) return false;
    const second = await this.#memory.recover(this.#workload, next.clone(), promised);
    if ('failure' in second.recovered) throw second.recovered.failure;
    if (!this.world.isHonest) {
      promised.settle(second.recovered.view);
      return true;
    }
    if (second.recovered.text !== text) {
      throw new OracleViolation('the second recovery shows something else', { kind: 'lost' });
    }
    if (second.recovered.content !== content) {
      throw new OracleViolation('the second recovery changed a file');
    }
    return true;
  }

  async #liveOn(
    start: { readonly disk: SimDisk; readonly promised: Promised<View> },
    way: readonly Cut[],
  ): Promise<void> {
    const life = this.world.live(this.#workload, start.disk, start.promised);
    this.#counts.recoveries += 1;
    const points = await this.#pointsOf(
      life,
      () => this.#playOn(life),
      () => true,
    );
    for (const point of this.#prng.shuffle(points).slice(0, this.#limits.callsNested)) {
      if (this.#isDone) return;
      await this.#cutAt(point, way);
    }
  }

  #report(violation: OracleViolation, way: readonly Cut[]): void {
    this.#counts.found[violation.kind] += 1;
    this.#onViolation(violation, { world: this.world.name, workload: this.#workload, way });
  }
}

/** What a loss leaves. */
function after<View>(
  { disk, promised }: Point<View>,
  loss: Cut['loss'],
): { disk: SimDisk; promised: Promised<View> } {
  const left = promised.clone();
  if (loss === 'kill') return { disk: disk.kill(), promised: left };
  left.losePower();
  return { disk: disk.crash(loss), promised: left };
}
