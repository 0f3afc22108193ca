/**
 * A process that takes part in a group: what every form of it has, its place in the group and the
 * line between it and the broker.
 */

import type { PartitionLease } from '../../src/broker/consumer/consumer-lease.js';
import type { GroupLedger } from './model-group.js';
import { ModelLine } from './model-line.js';
import { isExpected, type MemberPlan, type Participant } from './model-participant.js';
import type { ModelWorld } from './model-world.js';

export abstract class ModelProcess implements Participant {
  readonly group: GroupLedger;
  readonly name: string;
  readonly plan: MemberPlan;
  protected readonly world: ModelWorld;
  protected readonly line: ModelLine;
  /** Somebody has told it to stop. */
  protected isStopping = false;
  /** What it runs has ended. */
  protected isOver = false;

  constructor(world: ModelWorld, group: GroupLedger, name: string, plan: MemberPlan) {
    this.world = world;
    this.group = group;
    this.name = name;
    this.plan = plan;
    this.line = new ModelLine(world, name);
  }

  get isLive(): boolean {
    return !this.line.isCrashed && !this.isOver;
  }

  get memberId(): string {
    return this.line.memberId;
  }

  /** In which generation it is; what it owns is seen where that is open. */
  get claims(): Participant['claims'] {
    const leases: readonly PartitionLease[] = [];
    return { generation: this.line.generation, leases };
  }

  stall(): void {
    this.line.stall();
  }

  resume(): void {
    this.line.resume();
  }

  crash(): void {
    this.line.crash();
  }

  /** It has ended when `running` has; nothing but the group's doings may be the cause. */
  protected watch(running: Promise<void>): void {
    running.then(
      () => {
        this.isOver = true;
      },
      (error: unknown) => {
        this.isOver = true;
        this.ended('ended', error);
      },
    );
  }

  /** What it met is told, unless it was to be expected, or it is gone itself. */
  protected ended(what: string, error: unknown): void {
    if (this.line.isGone || isExpected(error)) return;
    this.world.fail(`${this.name} ${what}`, error);
  }

  abstract work(count: number, isTransactional: boolean): void;
  abstract stop(): void;
  abstract pause(which: number): void;
  abstract seek(which: number): void;
  abstract setBack(): void;
  abstract checkBounds(): void;
  abstract picture(): string;
}
