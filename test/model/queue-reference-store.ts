/**
 * What plain queues keep: messages in a list, and the mistakes that they are to make.
 */

import type { Life } from './model-life.js';
import type { SendOptions } from './queue-faces.js';

/** What the reference may be made to do wrong. */
export const mistakes = [
  'acknowledges nothing',
  'forgets a send',
  'two leases',
  'no fence',
  'no group',
  'group out of order',
  'early',
  'release at once',
  'priority upside down',
  'counts twice',
  'counts lost',
  'one delivery more',
  'expired ones too',
  'two letters',
  'no letter',
  'aborted ones too',
  'half a transaction',
  'no deduplication',
  'duplicates of nothing',
  'too many in flight',
  'frozen leases end',
] as const;
export type Mistake = (typeof mistakes)[number];

export interface Stored {
  readonly queue: string;
  readonly offset: number;
  readonly value: string;
  readonly options: SendOptions;
  readonly sentMs: number;
  notBeforeMs: number;
  deliveries: number;
  failures: number;
  lease: ReferenceLease | undefined;
  isFinished: boolean;
  readonly letterOf: Stored | undefined;
}

export interface ReferenceLease {
  readonly receipt: string;
  readonly owner: object;
  endsMs: number;
  isFrozen: boolean;
}

export interface ReferenceOptions {
  readonly visibilityTimeoutMs?: number;
  readonly maxDeliveries?: number | 'unlimited';
  readonly maxFailures?: number;
  readonly deadLetter?: string;
  readonly expired?: string;
  readonly inFlightMax?: number;
  readonly fifo?: boolean;
  readonly priorityOrder?: string;
  readonly singleActiveConsumer?: boolean;
  readonly deduplicationWindowMs?: number;
}

/** What outlives the process. */
export class ReferenceStore {
  readonly messages: Stored[] = [];
  readonly options = new Map<string, ReferenceOptions>();
  readonly ids = new Map<string, { readonly ms: number; readonly id: string }>();
  readonly mistakes: ReadonlySet<Mistake>;
  receipts = 0;

  constructor(mistakes: readonly Mistake[] = []) {
    this.mistakes = new Set(mistakes);
  }
}

/** Answers come in their order. */
export class Line {
  readonly #life: Life;
  #tail: Promise<void> = Promise.resolve();

  constructor(life: Life) {
    this.#life = life;
  }

  pass(label: string): Promise<void> {
    this.#tail = this.#tail.then(() => this.#life.pass(label));
    return this.#tail;
  }
}
