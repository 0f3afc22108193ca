/**
 * One life of a process of the model: a broker on the simulated disk, until it is closed or dies.
 *
 * Answers of the disk wait in fast-check's scheduler: those of one writer keep their order, and
 * everything else comes as the scheduler decides. A life ends at any call of the file system: the
 * disk is kept as it was just before that call, and nothing that this life does counts from there
 * on. It gets no more answers, and its timers do not run.
 */

import type { Scheduler } from 'fast-check';
import { assert } from '../../src/base/assert.js';
import type { Cancel, Clock } from '../../src/base/clock.js';
import type { FileSystem } from '../../src/base/file-system.js';
import { Broker } from '../../src/broker/broker.js';
import type { BrokerEnvironment } from '../../src/broker/broker-environment.js';
import { InlineCleaner } from '../../src/storage/cleaner-inline.js';
import {
  type CleanerRunOptions,
  type CleanerTask,
  isResultOf,
  type ReserveResult,
  type ReserveTask,
  type ResultOf,
} from '../../src/storage/cleaner-task.js';
import { InlineWriter } from '../../src/storage/inline-writer.js';
import { hexOfUuid } from '../../src/storage/log-environment.js';
import { sideFiles } from '../../src/storage/segment-files.js';
import type { CommitMark, Slab, WriterClient, WriterFile } from '../../src/storage/writer.js';
import { settle } from '../support/group-fixture.js';
import { createMemoryLockManager } from '../support/memory-lock.js';
import type { SimClock } from '../support/sim-clock.js';
import { randomCrash } from '../support/sim-crash.js';
import type { SimDisk } from '../support/sim-file-system.js';
import { RuleBroken } from './model-ledger.js';

const BROKER = '/broker';
const TURNS_MAX = 20_000;
/** Time passes where nothing else moves. */
const TURNS_PER_TICK = 20;
const TICK_MS = 50;

/** A power cut loses what was not synced; a kill loses nothing that was written. */
export type Death = 'kill' | 'power cut';

export interface LifeSurroundings {
  readonly scheduler: Scheduler;
  readonly clock: SimClock;
  /** Every id is given once, in all lives. */
  readonly newId: () => string;
}

export class Life {
  readonly disk: SimDisk;
  readonly clock: Clock;
  readonly environment: BrokerEnvironment;
  readonly #surroundings: LifeSurroundings;
  readonly #timers = new Set<Cancel>();
  /** While nobody else is there, answers come at once. */
  #isAlone = false;
  #rest: SimDisk | undefined;
  #death: Death | undefined;
  #broker: Broker | undefined;
  #openingCalls = 0;

  constructor(disk: SimDisk, surroundings: LifeSurroundings) {
    this.disk = disk;
    this.#surroundings = surroundings;
    const { newId } = surroundings;
    this.clock = this.#livingClock();
    this.environment = {
      clock: this.clock,
      newSeed: () => 1,
      storage: {
        fileSystem: this.#fileSystem(),
        clock: this.clock,
        lockManager: createMemoryLockManager(),
        acquireWriter: () => new LivingWriter(disk, this),
        acquireCleaner: () => new LivingCleaner(disk),
        bootId: () => hexOfUuid(disk.bootId),
        newLogId: newId,
      },
    };
  }

  /** Opens the broker; false when the life ended within. */
  async open(): Promise<boolean> {
    const isOpen = await this.alone(async () => {
      this.#broker = await Broker.open(BROKER, {}, this.environment);
    });
    this.#openingCalls = this.disk.callCount;
    return isOpen;
  }

  /** How many calls of the file system the opening made. */
  get openingCalls(): number {
    return this.#openingCalls;
  }

  get broker(): Broker {
    if (this.#broker === undefined) throw new Error('the broker is not open');
    return this.#broker;
  }

  get isOver(): boolean {
    return this.#rest !== undefined;
  }

  get death(): Death | undefined {
    return this.#death;
  }

  /** The disk that this life left; only once it is over. */
  get rest(): SimDisk {
    if (this.#rest === undefined) throw new Error('the life goes on');
    return this.#rest;
  }

  /** Lets it die just before the call after so many more. */
  endAfter(calls: number, death: Death, seed: number): void {
    const last = this.disk.callCount + calls;
    this.disk.onCall = (number) => {
      if (number > last) this.end(death, seed);
    };
  }

  /** Lets it die so many calls behind the next sync of a log whose folder begins with `name`. */
  endBehindSync(name: string, calls: number, death: Death, seed: number): void {
    this.disk.onCall = (_number, call, path) => {
      if (call === 'datasync' && path.startsWith(`${BROKER}/${name}`)) {
        this.endAfter(calls, death, seed);
      }
    };
  }

  end(death: Death, seed: number): void {
    if (this.isOver) return;
    this.disk.onCall = undefined;
    this.#death = death;
    this.#rest =
      death === 'kill' ? this.disk.kill() : this.disk.crash(randomCrash(this.disk, seed));
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
  }

  /** It was closed; the disk goes on. */
  endClosed(): void {
    this.end('kill', 0);
  }

  /** Calls back in the order of the scheduler, unless the life is over by then. */
  answer(label: string, run: () => void): void {
    if (this.isOver) return;
    if (this.#isAlone) {
      queueMicrotask(() => {
        if (!this.isOver) run();
      });
      return;
    }
    this.#surroundings.scheduler.schedule(Promise.resolve(), label).then(() => {
      if (!this.isOver) run();
    });
  }

  /** Resolves in the order of the scheduler; never once the life is over. */
  pass(label: string): Promise<void> {
    return new Promise((resolve) => this.answer(label, resolve));
  }

  /**
   * Runs something to its end before anything else is asked for: answers of the disk come at once.
   * False when the life ended within.
   */
  async alone(run: () => Promise<void>): Promise<boolean> {
    const { scheduler, clock } = this.#surroundings;
    this.#isAlone = true;
    let isDone = false;
    const running = run().finally(() => {
      isDone = true;
    });
    // What fails is thrown below, or nobody waits for it any more.
    running.catch(() => undefined);
    for (let turn = 1; !isDone && !this.isOver; turn += 1) {
      if (turn === TURNS_MAX) throw new RuleBroken('what was asked for ends');
      // What was asked for before has its answer in the scheduler.
      if (scheduler.count() > 0) await scheduler.waitOne();
      else if (turn % TURNS_PER_TICK === 0) clock.advance(TICK_MS);
      await settle();
    }
    this.#isAlone = false;
    if (isDone) await running;
    return !this.isOver;
  }

  #fileSystem(): FileSystem {
    const { fileSystem } = this.disk;
    return {
      list: (directory) => fileSystem.list(directory),
      facts: (path) => fileSystem.facts(path),
      freeBytes: (path) => fileSystem.freeBytes(path),
      open: async (path) => {
        const file = await fileSystem.open(path);
        return {
          read: async (target, start, count, position) => {
            await this.pass('read');
            return await file.read(target, start, count, position);
          },
          size: () => file.size(),
          close: () => file.close(),
        };
      },
    };
  }

  #livingClock(): Clock {
    const { clock } = this.#surroundings;
    return {
      nowMs: () => clock.nowMs(),
      monotonicMs: () => clock.monotonicMs(),
      schedule: (delayMs, run) => {
        if (this.isOver) return () => undefined;
        const cancel = clock.schedule(delayMs, () => {
          this.#timers.delete(cancel);
          run();
        });
        this.#timers.add(cancel);
        return () => {
          this.#timers.delete(cancel);
          cancel();
        };
      },
    };
  }
}

/** A cleaner whose reserves have a size and no content: they are what costs most on this disk. */
class LivingCleaner extends InlineCleaner {
  readonly #disk: SimDisk;

  constructor(disk: SimDisk) {
    super(disk.blockingFileSystem);
    this.#disk = disk;
  }

  override async run<Task extends CleanerTask>(
    task: Task,
    options: CleanerRunOptions,
  ): Promise<ResultOf<Task>> {
    if (task.kind !== 'reserve') return await super.run(task, options);
    const result = this.#reserve(task);
    assert(isResultOf(task, result), 'a task is answered in its kind');
    return result;
  }

  #reserve({ directory, bytes }: ReserveTask): ReserveResult {
    const { blockingFileSystem } = this.#disk;
    const file = blockingFileSystem.open(`${directory}/${sideFiles.reserve}`, 'create');
    blockingFileSystem.truncate(file, bytes);
    blockingFileSystem.close(file);
    return { kind: 'reserve' };
  }
}

/** A writer whose answers wait for the scheduler, in their order. */
class LivingWriter extends InlineWriter {
  readonly #life: Life;
  readonly #answers: (() => void)[] = [];
  #isWaiting = false;
  readonly #next = (): void => {
    this.#isWaiting = false;
    const answer = this.#answers.shift();
    this.#await();
    answer?.();
  };

  constructor(disk: SimDisk, life: Life) {
    super(disk.blockingFileSystem);
    this.#life = life;
  }

  override write(
    client: WriterClient,
    file: WriterFile,
    slab: Slab,
    start: number,
    count: number,
    position: number,
  ): void {
    super.write(this.#queued(client), file, slab, start, count, position);
  }

  override commit(
    client: WriterClient,
    file: WriterFile,
    mark: CommitMark,
    markPosition: number,
  ): void {
    super.commit(this.#queued(client), file, mark, markPosition);
  }

  override async run(steps: Parameters<InlineWriter['run']>[0]): Promise<readonly Uint8Array[]> {
    const settled = await Promise.allSettled([super.run(steps)]);
    await new Promise<void>((resolve) => this.#queue(resolve));
    const [outcome] = settled;
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  }

  #queued(client: WriterClient): WriterClient {
    return {
      written: (status) => this.#queue(() => client.written(status)),
      committed: (status) => this.#queue(() => client.committed(status)),
    };
  }

  #queue(answer: () => void): void {
    this.#answers.push(answer);
    this.#await();
  }

  #await(): void {
    if (this.#isWaiting || this.#answers.length === 0) return;
    this.#isWaiting = true;
    this.#life.answer('disk', this.#next);
  }
}
