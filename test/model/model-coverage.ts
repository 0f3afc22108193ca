/**
 * What a campaign of the model covered, in numbers: so that it can be seen that it tried things.
 */

export class Coverage {
  readonly #counts = new Map<string, Map<string, number>>();

  count(area: string, what: string, by = 1): void {
    let counts = this.#counts.get(area);
    if (counts === undefined) {
      counts = new Map();
      this.#counts.set(area, counts);
    }
    counts.set(what, (counts.get(what) ?? 0) + by);
  }

  of(area: string, what: string): number {
    return this.#counts.get(area)?.get(what) ?? 0;
  }

  /** By area and name, both in alphabetical order. */
  report(): Record<string, Record<string, number>> {
    const sorted = <T>(map: Map<string, T>): [string, T][] =>
      [...map].sort(([one], [other]) => (one < other ? -1 : 1));
    return Object.fromEntries(
      sorted(this.#counts).map(([area, counts]) => [area, Object.fromEntries(sorted(counts))]),
    );
  }
}
