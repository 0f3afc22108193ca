/**
 * A writer on a simulated disk that answers late: calls are carried out in order, each some
 * microtasks after the one before, so that groups, rolls and failures meet in the middle of others
 * as they do with a thread. With a lateness of 0 it is the inline writer of the product.
 */

import type { BlockingFileSystem } from '../../src/base/file-system.js';
import { InlineWriter } from '../../src/storage/inline-writer.js';
import type {
  CommitMark,
  Slab,
  Writer,
  WriterClient,
  WriterFile,
  WriterStep,
} from '../../src/storage/writer.js';

export class LateWriter implements Writer {
  readonly #writer: InlineWriter;
  readonly #lateness: number;
  readonly #queue: (() => unknown)[] = [];
  #isRunning = false;

  constructor(fileSystem: BlockingFileSystem, lateness: number) {
    this.#writer = new InlineWriter(fileSystem);
    this.#lateness = lateness;
  }

  newFile(): WriterFile {
    return this.#writer.newFile();
  }

  acquireSlab(bytes: number): Slab | undefined {
    return this.#writer.acquireSlab(bytes);
  }

  releaseSlab(slab: Slab): void {
    this.#writer.releaseSlab(slab);
  }

  onPressure(reclaim: () => void): () => void {
    return this.#writer.onPressure(reclaim);
  }

  onSlab(ready: () => void): void {
    this.#writer.onSlab(ready);
  }

  write(
    client: WriterClient,
    file: WriterFile,
    slab: Slab,
    start: number,
    count: number,
    position: number,
  ): void {
    this.#later(() => this.#writer.write(client, file, slab, start, count, position));
  }

  commit(client: WriterClient, file: WriterFile, mark: CommitMark, markPosition: number): void {
    this.#later(() => this.#writer.commit(client, file, mark, markPosition));
  }

  submit(): void {
    this.#writer.submit();
  }

  run(steps: readonly WriterStep[]): Promise<readonly Uint8Array[]> {
    if (this.#lateness === 0) return this.#writer.run(steps);
    return new Promise((resolve, reject) => {
      this.#later(() => this.#writer.run(steps).then(resolve, reject));
    });
  }

  release(): Promise<void> {
    return this.#writer.release();
  }

  #later(call: () => unknown): void {
    if (this.#lateness === 0) {
      call();
      return;
    }
    this.#queue.push(call);
    if (!this.#isRunning) {
      this.#isRunning = true;
      void this.#runQueue();
    }
  }

  async #runQueue(): Promise<void> {
    for (let call = this.#queue.shift(); call !== undefined; call = this.#queue.shift()) {
      for (let turn = 0; turn < this.#lateness; turn += 1) await Promise.resolve();
      call();
    }
    this.#isRunning = false;
  }
}
