/**
 * A writer that works in the calling thread, over any blocking file system.
 *
 * The simulation uses it: every call is carried out at once and in order, and answered in a later
 * microtask, so that groups form as they do with the writer worker and a run is deterministic.
 */

import { errnoOf } from '../base/errors.js';
import type { BlockingFileSystem } from '../base/file-system.js';
import { SlabPool } from './slab-pool.js';
import {
  type CommitMark,
  type Slab,
  type Writer,
  type WriterClient,
  WriterFailure,
  type WriterFile,
  type WriterStep,
} from './writer.js';
import { WriterCore } from './writer-core.js';

export class InlineWriter implements Writer {
  readonly #core: WriterCore;
  readonly #pool = new SlabPool(
    (bytes) => new Uint8Array(bytes),
    () => undefined,
    () => undefined,
  );
  #nextFile = 1;

  constructor(fileSystem: BlockingFileSystem) {
    this.#core = new WriterCore(fileSystem);
  }

  newFile(): WriterFile {
    return this.#nextFile++;
  }

  acquireSlab(bytes: number): Slab | undefined {
    return this.#pool.acquire(bytes);
  }

  releaseSlab(slab: Slab): void {
    this.#pool.release(slab);
  }

  onPressure(reclaim: () => void): () => void {
    return this.#pool.onPressure(reclaim);
  }

  onSlab(ready: () => void): void {
    this.#pool.onSlab(ready);
  }

  write(
    client: WriterClient,
    file: WriterFile,
    slab: Slab,
    start: number,
    count: number,
    position: number,
  ): void {
    const status = this.#core.write(file, slab.bytes, start, count, position);
    queueMicrotask(() => client.written(status));
  }

  commit(client: WriterClient, file: WriterFile, mark: CommitMark, markPosition: number): void {
    const { slab, count } = mark;
    const status = this.#core.commit(file, mark.file, slab.bytes, count, markPosition);
    queueMicrotask(() => client.committed(status));
  }

  submit(): void {
    // Everything was carried out when it was called.
  }

  run(steps: readonly WriterStep[]): Promise<readonly Uint8Array[]> {
    return runSteps(this.#core, steps);
  }

  async release(): Promise<void> {
    this.#core.closeAll();
  }
}

async function runSteps(
  core: WriterCore,
  steps: readonly WriterStep[],
): Promise<readonly Uint8Array[]> {
  const reads: Uint8Array[] = [];
  for (const [index, step] of steps.entries()) {
    try {
      const bytes = core.step(step);
      if (bytes !== undefined) reads.push(bytes);
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === undefined) throw error;
      core.refuseOpened(steps.slice(0, index));
      throw new WriterFailure(errno, index, `${step.kind} failed: ${String(error)}`);
    }
  }
  return reads;
}
