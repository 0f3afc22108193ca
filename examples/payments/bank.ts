/**
 * A bank that is not there: what it answers depends on the card alone, so that a run can be
 * foretold.
 *
 *     fine       is charged
 *     slow       does not answer the first two times
 *     closed     its bank is closed until it opens
 *     stolen     is declined, whenever it is asked
 */

export type Card = 'fine' | 'slow' | 'closed' | 'stolen';

export class BankError extends Error {
  override readonly name = 'BankError';
  readonly code: 'BANK_TIMEOUT' | 'BANK_CLOSED' | 'CARD_DECLINED';

  constructor(code: BankError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

const TIMEOUTS_OF_SLOW = 2;

export class Bank {
  readonly #asked = new Map<string, number>();
  readonly #charged = new Map<string, number>();
  #isOpen = false;

  /** Orders that were charged, and how often. */
  get charged(): ReadonlyMap<string, number> {
    return this.#charged;
  }

  open(): void {
    this.#isOpen = true;
  }

  /** To charge an order again is harmless: the bank knows it by its id. */
  async charge(order: string, card: Card): Promise<void> {
    const asked = (this.#asked.get(order) ?? 0) + 1;
    this.#asked.set(order, asked);
    await Promise.resolve();
    if (card === 'slow' && asked <= TIMEOUTS_OF_SLOW) {
      throw new BankError('BANK_TIMEOUT', 'the bank does not answer');
    }
    if (card === 'closed' && !this.#isOpen) {
      throw new BankError('BANK_CLOSED', 'the bank of the card is closed');
    }
    if (card === 'stolen') throw new BankError('CARD_DECLINED', 'the card is stolen');
    this.#charged.set(order, (this.#charged.get(order) ?? 0) + 1);
  }
}
