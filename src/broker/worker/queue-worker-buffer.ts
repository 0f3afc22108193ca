/**
 * Messages that a worker has taken, and no handler has begun: first in, first out.
 */

export class WorkerBuffer<Message> {
  #messages: Message[] = [];
  #next = 0;

  get count(): number {
    return this.#messages.length - this.#next;
  }

  get first(): Message | undefined {
    return this.#messages[this.#next];
  }

  /** Those that are here, oldest first. */
  [Symbol.iterator](): IterableIterator<Message> {
    return this.#messages.slice(this.#next).values();
  }

  /** The buffer is bounded by whoever asks for messages. */
  add(messages: readonly Message[]): void {
    if (this.count === 0) {
      this.#messages = [...messages];
      this.#next = 0;
      return;
    }
    this.#messages = [...this, ...messages];
    this.#next = 0;
  }

  shift(): void {
    this.#next += 1;
    if (this.count > 0) return;
    this.#messages = [];
    this.#next = 0;
  }

  /** Takes out those that are not wanted any more. */
  removeIf(isUnwanted: (message: Message) => boolean): Message[] {
    const kept: Message[] = [];
    const removed: Message[] = [];
    for (const message of this) (isUnwanted(message) ? removed : kept).push(message);
    this.#messages = kept;
    this.#next = 0;
    return removed;
  }

  /** Takes all out. */
  empty(): Message[] {
    return this.removeIf(() => true);
  }
}
