/**
 * When the start offset of a delivery state was where: what was finished at a time, and before.
 *
 * A bounded list; when it is full every second mark goes, so what is asked for is answered a little
 * too low, and finished messages are kept a little longer.
 */

const MARKS_MAX = 256;
const APART_MS = 1_000;

interface Mark {
  readonly wallMs: number;
  readonly startOffset: number;
}

export class FinishedMarks {
  #marks: Mark[] = [];

  /** At this time everything below the offset was finished. */
  add(wallMs: number, startOffset: number): void {
    const marks = this.#marks;
    const last = marks.at(-1);
    if (last !== undefined && (startOffset <= last.startOffset || wallMs < last.wallMs)) return;
    // The last one moves on until it is far enough from the one before it.
    const before = marks.at(-2);
    const isNear = last !== undefined && before !== undefined;
    if (isNear && last.wallMs < before.wallMs + APART_MS) marks.pop();
    marks.push({ wallMs, startOffset });
    if (this.#marks.length > MARKS_MAX) this.#marks = this.#marks.filter((_, at) => at % 2 === 0);
  }

  /** Everything below this offset was finished at the time; marks before it are forgotten. */
  finishedAt(wallMs: number): number {
    let found = 0;
    for (;;) {
      const [first] = this.#marks;
      if (first === undefined || first.wallMs > wallMs) break;
      found = first.startOffset;
      if ((this.#marks[1]?.wallMs ?? Number.POSITIVE_INFINITY) > wallMs) break;
      this.#marks.shift();
    }
    return found;
  }

  clear(): void {
    this.#marks = [];
  }
}
