/**
 * What groups tell of themselves while a sequence runs: which generation is, and who was put out.
 */

import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type {
  GroupGenerationBegun,
  GroupMemberRemoved,
  GroupOffsetClamped,
} from '../../src/broker/group/group-diagnostics.js';
import type { Coverage } from './model-coverage.js';
import { RuleBroken } from './model-ledger.js';

const GENERATION = 'millrace:group:generation';
const REMOVED = 'millrace:group:member-removed';
const CLAMPED = 'millrace:group:offset-clamped';

export class GroupWatch {
  readonly #coverage: Coverage;
  readonly #generations = new Map<string, number>();
  readonly #removed = new Set<string>();
  failure: Error | undefined;

  constructor(coverage: Coverage) {
    this.#coverage = coverage;
    subscribe(GENERATION, this.#onGeneration);
    subscribe(REMOVED, this.#onRemoved);
    subscribe(CLAMPED, this.#onClamped);
  }

  /** Undefined before the first one in this life. */
  generationOf(group: string): number | undefined {
    return this.#generations.get(group);
  }

  isRemoved(memberId: string): boolean {
    return this.#removed.has(memberId);
  }

  end(): void {
    unsubscribe(GENERATION, this.#onGeneration);
    unsubscribe(REMOVED, this.#onRemoved);
    unsubscribe(CLAMPED, this.#onClamped);
  }

  readonly #onGeneration = (message: unknown): void => {
    const { group, generation } = message as GroupGenerationBegun;
    this.#generations.set(group, generation);
    this.#coverage.count('groups', 'generations');
  };

  readonly #onRemoved = (message: unknown): void => {
    const { memberId, reason } = message as GroupMemberRemoved;
    this.#removed.add(memberId);
    this.#coverage.count('groups', `member removed: ${reason}`);
  };

  /** No commit points past what survived: there is nothing to be clamped. */
  readonly #onClamped = (message: unknown): void => {
    const { group, topic, partition, committedOffset, offset } = message as GroupOffsetClamped;
    const where = `${group} in ${topic}-${partition}`;
    this.failure = new RuleBroken(`${where}: ${committedOffset} was committed, ${offset} survived`);
  };
}
