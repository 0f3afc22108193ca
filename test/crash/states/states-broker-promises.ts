/**
 * What a broker may show after a crash, judged from what its callers were told.
 *
 * Operations come one after the other, so what may be there is: all that was answered, of records
 * that were only written the first few, and the operation under way, whole or not at all.
 */

import { OracleViolation, type ViolationKind } from '../../support/log-oracle.js';
import type { Promised } from './states-world.js';

/** All that is looked at of the broker of these workloads; plain values. */
export interface BrokerView {
  readonly topics: readonly string[];
  readonly segmentBytes: number;
  /** Values in topic `t` and `u`, as readers of committed records see them. */
  readonly t: readonly string[];
  readonly u: readonly string[];
  /** What the group has committed of `t`. */
  readonly offset: number | undefined;
  /** Messages of the queue that are not done with. */
  readonly queue: readonly string[];
}

export type BrokerChange = (before: BrokerView) => BrokerView;

export class BrokerPromises implements Promised<BrokerView> {
  /** What every caller was told to be durable. */
  #certain: BrokerView;
  /** Values of `t` behind it that were written and not synced. */
  #written: readonly string[] = [];
  #underWay: BrokerChange | undefined;

  constructor(certain: BrokerView) {
    this.#certain = certain;
  }

  /** The view that must be there when nothing is lost. */
  get now(): BrokerView {
    return withWritten(this.#certain, this.#written, this.#written.length);
  }

  begin(change: BrokerChange): void {
    this.#underWay = change;
  }

  /** It was answered; `isDurable` when it was answered so, with all that came before it in `t`. */
  end(isDurable: boolean, value?: string): void {
    const change = this.#underWay;
    this.#underWay = undefined;
    if (value !== undefined && !isDurable) this.#written = [...this.#written, value];
    else if (change !== undefined && this.#written.length === 0) {
      this.#certain = change(this.#certain);
    } else if (change !== undefined) {
      const after = change(this.now);
      if (after.t.length > this.now.t.length || isDurable) this.#settleWritten(after);
      else this.#certain = { ...change(this.#certain), t: this.#certain.t };
    }
  }

  #settleWritten(after: BrokerView): void {
    this.#certain = after;
    this.#written = [];
  }

  clone(): BrokerPromises {
    const copy = new BrokerPromises(this.#certain);
    copy.#written = this.#written;
    copy.#underWay = this.#underWay;
    copy.#hasPower = this.#hasPower;
    return copy;
  }

  #hasPower = true;

  losePower(): void {
    this.#hasPower = false;
  }

  settle(view: BrokerView): void {
    const allowed = this.#allowed();
    const text = JSON.stringify(view);
    if (!allowed.some((one) => JSON.stringify(one) === text)) {
      const expected = allowed.map((one) => JSON.stringify(one)).join(' or ');
      throw new OracleViolation(`found ${text}, allowed ${expected}`, {
        kind: kindOf(view, allowed),
      });
    }
    this.#certain = view;
    this.#written = [];
    this.#underWay = undefined;
    this.#hasPower = true;
  }

  key(): string {
    return JSON.stringify(this.#allowed());
  }

  #allowed(): readonly BrokerView[] {
    const written = this.#written;
    const least = this.#hasPower ? written.length : 0;
    const views: BrokerView[] = [];
    for (let kept = least; kept <= written.length; kept += 1) {
      const before = withWritten(this.#certain, written, kept);
      views.push(before);
      const after = this.#underWay?.(before);
      // What comes behind written records in their log is not there without them.
      if (after === undefined) continue;
      if (after.t.length === before.t.length || kept === written.length) views.push(after);
    }
    return views;
  }
}

function withWritten(view: BrokerView, written: readonly string[], count: number): BrokerView {
  return count === 0 ? view : { ...view, t: [...view.t, ...written.slice(0, count)] };
}

/** Lost when something that all of the allowed views have is missing; phantom when none has it. */
function kindOf(view: BrokerView, allowed: readonly BrokerView[]): ViolationKind {
  const found = itemsOf(view);
  const lists = allowed.map(itemsOf);
  const [first = []] = lists;
  const isLost = first.some(
    (item) => !found.includes(item) && lists.every((l) => l.includes(item)),
  );
  if (isLost) return 'lost';
  if (found.some((item) => lists.every((list) => !list.includes(item)))) return 'phantom';
  return 'hole';
}

function itemsOf({ topics, segmentBytes, t, u, offset, queue }: BrokerView): string[] {
  return [
    ...topics.map((name) => `topic ${name}`),
    ...t.map((value, index) => `t ${index} ${value}`),
    ...u.map((value, index) => `u ${index} ${value}`),
    ...queue.map((value) => `queue ${value}`),
    `segments of ${segmentBytes}`,
    `offset ${offset}`,
  ];
}
