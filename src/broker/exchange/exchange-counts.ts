/**
 * What became of the messages that were published through one exchange, since the broker was
 * opened.
 */

export interface ExchangeTraffic {
  /** Messages that were published and stored, or found nobody. */
  readonly published: number;
  /** Copies of them that queues and topics got. */
  readonly routed: number;
  /** Messages that found nobody. */
  readonly unroutable: number;
}

export class ExchangeCounts implements ExchangeTraffic {
  #published = 0;
  #routed = 0;
  #unroutable = 0;

  get published(): number {
    return this.#published;
  }

  get routed(): number {
    return this.#routed;
  }

  get unroutable(): number {
    return this.#unroutable;
  }

  /** One message was stored this many times; no time: it was unroutable. */
  note(copies: number): void {
    this.#published += 1;
    this.#routed += copies;
    if (copies === 0) this.#unroutable += 1;
  }
}
