/**
 * What was read, as a number: how many records, how many bytes, and a sum over their first and last
 * bytes that the order changes. It costs next to nothing, and no reader can skip a record unseen.
 */

export class ReadSum {
  records = 0;
  #bytes = 0;
  #mixed = 0;

  readonly take = (bytes: Uint8Array, start: number, end: number): void => {
    this.records += 1;
    this.#bytes += end - start;
    const edges = ((bytes[start] ?? 0) << 8) | (bytes[end - 1] ?? 0);
    this.#mixed = (Math.imul(this.#mixed, 31) + edges) | 0;
  };

  /** Throws unless it is that of these values, in this order. */
  check(values: readonly Uint8Array[]): void {
    const expected = ReadSum.of(values).text();
    if (this.text() !== expected) throw new Error(`read ${this.text()} and not ${expected}`);
  }

  text(): string {
    return `${this.records}-${this.#bytes}-${(this.#mixed >>> 0).toString(16).padStart(8, '0')}`;
  }

  static of(values: readonly Uint8Array[]): ReadSum {
    const sum = new ReadSum();
    for (const value of values) sum.take(value, 0, value.length);
    return sum;
  }
}
