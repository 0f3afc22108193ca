/**
 * One message's way through exchanges: who was reached, each of them once.
 *
 * A mark on the targets themselves says that this walk has been there, so a step costs no lookup
 * and a cycle of exchanges ends. Marks of earlier walks mean nothing; one walk ends before the next
 * begins.
 */

import type { BindingTarget, RouteTarget } from './binding-definition.js';

/** A target of bindings; there is one of each, however often it is bound. */
export interface TargetNode {
  readonly target: BindingTarget;
  /** The last walk that reached it. */
  mark: number;
}

export class RouteWalk {
  #number = 0;
  #reached: RouteTarget[] = [];
  readonly #exchanges: string[] = [];
  /** Whether a binding of the exchange at hand has matched, also of a target reached before. */
  hasMatched = false;

  /** No two walks have the same; none has 0. */
  get number(): number {
    return this.#number;
  }

  /** `from` counts as reached. */
  begin(from: TargetNode): void {
    this.#number += 1;
    this.#reached = [];
    this.#exchanges.length = 0;
    this.#exchanges.push(from.target.name);
    from.mark = this.#number;
  }

  /** The next exchange to look at; undefined when the walk is over. */
  next(): string | undefined {
    this.hasMatched = false;
    return this.#exchanges.pop();
  }

  reach(node: TargetNode): void {
    this.hasMatched = true;
    this.goTo(node);
  }

  /** As `reach`, and not because of a binding. */
  goTo(node: TargetNode): void {
    if (node.mark === this.#number) return;
    node.mark = this.#number;
    const { target } = node;
    if (target.kind === 'exchange') this.#exchanges.push(target.name);
    else this.#reached.push(target);
  }

  /** Whether another match of the target would change nothing. */
  isSettled(node: TargetNode): boolean {
    return this.hasMatched && node.mark === this.#number;
  }

  /** Who was reached, in no particular order; the list is the caller's. */
  get reached(): RouteTarget[] {
    return this.#reached;
  }
}
