/**
 * A transaction over queues: sends, and acknowledges what receivers have; its work does one thing
 * at a time, as commands say, and returns or throws in the end.
 */

import { type ErrorCode, hasCode } from '../../src/base/errors.js';
import type { MessageDraft, QueueLedger, TransactionLedger } from './queue-ledger.js';
import { TRANSACTION_MS } from './queue-plan.js';
import type { ReceiverSurroundings, Taken } from './queue-receiver.js';

/** What a transaction of the broker offers, bound to its queues. */
export interface TransactionFace {
  send(queue: string, draft: MessageDraft): Promise<unknown>;
  acknowledge(source: unknown): void;
}

export type RunTransaction = (work: (face: TransactionFace) => Promise<void>) => Promise<void>;

/** What a transaction may end with that its work did not throw. */
const expected: readonly ErrorCode[] = [
  'TRANSACTION_TIMED_OUT',
  'TRANSACTION_ABORTED',
  'TRANSACTION_STATE_INVALID',
  'RECEIPT_STALE',
  'LEASE_FROZEN',
];

class WorkFailed extends Error {}

type Action = (face: TransactionFace) => 'go on' | 'return';

export class QueueTransaction {
  readonly ledger: TransactionLedger;
  readonly #around: ReceiverSurroundings;
  #actions: Action[] = [];
  #wake: (() => void) | undefined;
  #isOver = false;

  constructor(around: ReceiverSurroundings, name: string, run: RunTransaction) {
    this.#around = around;
    this.ledger = around.book.begin(name, TRANSACTION_MS);
    this.#run(run);
  }

  get isOpen(): boolean {
    return !this.#isOver;
  }

  get isRunning(): boolean {
    return this.ledger.fate === 'running' && !this.#isOver;
  }

  send(queue: QueueLedger, draft: MessageDraft): void {
    this.#do((face) => {
      this.#around.book.asked(queue, { ...draft, transaction: this.ledger });
      // One that fails ends the transaction, which tells.
      face.send(queue.name, draft).catch(() => undefined);
      return 'go on';
    });
  }

  acknowledge({ message, lease }: Taken): void {
    this.#do((face) => {
      const { book } = this.#around;
      const ask = book.leases.asksInTransaction(lease);
      let code: 'RECEIPT_STALE' | 'LEASE_FROZEN' | undefined;
      try {
        face.acknowledge(message.source);
      } catch (error) {
        if (hasCode(error, 'RECEIPT_STALE')) code = 'RECEIPT_STALE';
        else if (hasCode(error, 'LEASE_FROZEN')) code = 'LEASE_FROZEN';
        else throw error;
      }
      this.#around.check(() =>
        book.leases.answeredInTransaction(this.ledger, ask, code ?? 'accepted'),
      );
      return 'go on';
    });
  }

  return(): void {
    this.#do(() => 'return');
  }

  throw(): void {
    this.#do(() => {
      this.ledger.isThrown = true;
      throw new WorkFailed('the work fails');
    });
  }

  #run(run: RunTransaction): void {
    const { life, book } = this.#around;
    run((face) => this.#work(face)).then(
      () => {
        this.#isOver = true;
        if (!life.isOver) this.#around.check(() => book.transactionEnded(this.ledger, 'committed'));
      },
      (error: unknown) => {
        this.#isOver = true;
        if (life.isOver) return;
        const isExpected =
          error instanceof WorkFailed || expected.some((code) => hasCode(error, code));
        if (!isExpected) this.#around.fail(`${this.ledger.name} failed`, error);
        this.#around.check(() => book.transactionEnded(this.ledger, 'aborted'));
      },
    );
  }

  async #work(face: TransactionFace): Promise<void> {
    for (;;) {
      const action = this.#actions.shift();
      if (action === undefined) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      } else if (action(face) === 'return') {
        if (!this.#around.life.isOver && this.isRunning) this.ledger.fate = 'deciding';
        return;
      }
    }
  }

  #do(action: Action): void {
    this.#actions.push(action);
    this.#wake?.();
  }
}
