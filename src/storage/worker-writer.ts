/**
 * The main thread's side of the writer worker.
 *
 * One worker serves one or more logs; it starts with the first use and ends with the last.
 * Calls queue entries in shared memory (a bounded ring; what does not fit waits in order), answers
 * come back in the order of the calls. The worker keeps the process alive only while an answer is
 * outstanding. If it dies, every outstanding and later call fails and the logs poison themselves.
 */

import {
  MessageChannel,
  type MessagePort,
  receiveMessageOnPort,
  Worker,
} from 'node:worker_threads';
import { assert } from '../base/assert.js';
import { SlabPool } from './slab-pool.js';
import {
  type CommitMark,
  type Slab,
  STATUS_ABORTED,
  type Writer,
  type WriterClient,
  WriterFailure,
  type WriterFile,
  type WriterStep,
} from './writer.js';
import {
  CHANNEL_BYTES,
  CONTROL_COMPLETED,
  CONTROL_PUBLISHED,
  ENTRIES,
  ENTRY_COUNT,
  ENTRY_FILE,
  ENTRY_MARK_COUNT,
  ENTRY_MARK_FILE,
  ENTRY_MARK_POSITION,
  ENTRY_MARK_SLAB,
  ENTRY_OPERATION,
  ENTRY_POSITION_HIGH,
  ENTRY_POSITION_LOW,
  ENTRY_SLAB,
  ENTRY_START,
  ENTRY_STATUS,
  entryIndex,
  OPERATION_COMMIT,
  OPERATION_STEP,
  OPERATION_WRITE,
  viewChannel,
  type WriterMessage,
  type WriterReply,
} from './writer-channel.js';

/** Answers of steps look like a client's, so that all answers go through one queue. */
type Outstanding =
  | { readonly kind: 'write' | 'commit'; readonly client: WriterClient }
  | { readonly kind: 'steps'; readonly settle: (reply: WriterReply) => void }
  | { readonly kind: 'silent' };

const silent: Outstanding = { kind: 'silent' };
const goneReply: WriterReply = {
  kind: 'failed',
  errno: 'ECANCELED',
  stepIndex: 0,
  message: 'the writer worker ended',
};

export class WorkerWriter implements Writer {
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #control: Int32Array;
  readonly #entries: Int32Array;
  readonly #pool: SlabPool;
  /** A queue with a moving head: entry numbers rise, one slot per entry in the ring. */
  readonly #outstanding: Outstanding[] = new Array<Outstanding>(ENTRIES).fill(silent);
  readonly #overflow: (() => void)[] = [];
  readonly #writes = new WeakMap<WriterClient, Outstanding>();
  readonly #commits = new WeakMap<WriterClient, Outstanding>();
  readonly #onEnd: () => void;
  #filled = 0;
  #seen = 0;
  #isArmed = false;
  #isGone = false;
  #nextFile = 1;
  #uses = 1;

  constructor(onEnd: () => void) {
    const channel = new SharedArrayBuffer(CHANNEL_BYTES);
    const { control, entries } = viewChannel(channel);
    const { port1, port2 } = new MessageChannel();
    this.#onEnd = onEnd;
    this.#control = control;
    this.#entries = entries;
    this.#port = port1;
    this.#pool = new SlabPool(
      (bytes) => Buffer.from(new SharedArrayBuffer(bytes)),
      (slab) => this.#announce(slab),
      (slab) => this.#message({ kind: 'retire', id: slab.id }, silent),
    );
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    this.#worker = new Worker(new URL(`./writer-thread.${extension}`, import.meta.url), {
      name: 'millrace-writer',
      workerData: { channel, port: port2 },
      transferList: [port2],
      execArgv: [],
    });
    this.#worker.unref();
    this.#port.unref();
    this.#worker.on('error', () => this.#fail());
    this.#worker.on('exit', () => this.#fail());
  }

  /** Counts one more log that uses this writer. */
  retain(): this {
    assert(this.#uses > 0 && !this.#isGone, 'a writer that ended is not used again');
    this.#uses += 1;
    return this;
  }

  /** How many logs use it. */
  get uses(): number {
    return this.#uses;
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
    if (!this.#hasRoom()) {
      this.#overflow.push(() => this.write(client, file, slab, start, count, position));
      return;
    }
    const at = this.#next(OPERATION_WRITE, outstandingOf(this.#writes, 'write', client));
    const entries = this.#entries;
    entries[at + ENTRY_FILE] = file;
    entries[at + ENTRY_SLAB] = slab.id;
    entries[at + ENTRY_START] = start;
    entries[at + ENTRY_COUNT] = count;
    entries[at + ENTRY_POSITION_HIGH] = Math.floor(position / 2 ** 32);
    entries[at + ENTRY_POSITION_LOW] = position | 0;
  }

  commit(client: WriterClient, file: WriterFile, mark: CommitMark, markPosition: number): void {
    if (!this.#hasRoom()) {
      this.#overflow.push(() => this.commit(client, file, mark, markPosition));
      return;
    }
    const at = this.#next(OPERATION_COMMIT, outstandingOf(this.#commits, 'commit', client));
    const entries = this.#entries;
    entries[at + ENTRY_FILE] = file;
    entries[at + ENTRY_MARK_FILE] = mark.file;
    entries[at + ENTRY_MARK_SLAB] = mark.slab.id;
    entries[at + ENTRY_MARK_COUNT] = mark.count;
    entries[at + ENTRY_MARK_POSITION] = markPosition;
  }

  submit(): void {
    if (this.#isGone) {
      this.#abortOutstanding();
      return;
    }
    if (Atomics.load(this.#control, CONTROL_PUBLISHED) === this.#filled) return;
    Atomics.store(this.#control, CONTROL_PUBLISHED, this.#filled);
    Atomics.notify(this.#control, CONTROL_PUBLISHED);
    this.#arm();
  }

  run(steps: readonly WriterStep[]): Promise<readonly Uint8Array[]> {
    return new Promise((resolve, reject) => {
      const settle = (reply: WriterReply): void => {
        if (reply.kind === 'done') resolve(reply.reads);
        else reject(new WriterFailure(reply.errno, reply.stepIndex, reply.message));
      };
      this.#message({ kind: 'steps', steps }, { kind: 'steps', settle });
      this.submit();
    });
  }

  async release(): Promise<void> {
    this.#uses -= 1;
    if (this.#uses > 0) return;
    this.#onEnd();
    if (this.#isGone) return;
    const ended = new Promise<void>((resolve) => {
      this.#worker.once('exit', () => resolve());
    });
    this.#worker.ref();
    this.#message({ kind: 'exit' }, silent);
    this.submit();
    await ended;
  }

  #announce(slab: Slab): void {
    const memory = slab.bytes.buffer;
    assert(memory instanceof SharedArrayBuffer, 'a slab lies in shared memory');
    this.#message({ kind: 'slab', id: slab.id, memory }, silent);
  }

  #message(message: WriterMessage, outstanding: Outstanding): void {
    if (!this.#hasRoom()) {
      this.#overflow.push(() => this.#message(message, outstanding));
      return;
    }
    this.#port.postMessage(message);
    this.#next(OPERATION_STEP, outstanding);
  }

  /** Whether the next entry may be filled now; what waits in the overflow goes first. */
  #hasRoom(): boolean {
    return this.#overflow.length === 0 && ((this.#filled - this.#seen) | 0) < ENTRIES;
  }

  #next(operation: number, outstanding: Outstanding): number {
    const at = entryIndex(this.#filled);
    this.#entries[at + ENTRY_OPERATION] = operation;
    this.#outstanding[(this.#filled >>> 0) % ENTRIES] = outstanding;
    this.#filled = (this.#filled + 1) | 0;
    return at;
  }

  #arm(): void {
    if (this.#isArmed || this.#isGone) return;
    this.#isArmed = true;
    this.#worker.ref();
    const wait = Atomics.waitAsync(this.#control, CONTROL_COMPLETED, this.#seen);
    if (wait.async) wait.value.then(this.#wake);
    else queueMicrotask(this.#wake);
  }

  readonly #wake = (): void => {
    this.#isArmed = false;
    if (this.#isGone) return;
    const completed = Atomics.load(this.#control, CONTROL_COMPLETED);
    while (this.#seen !== completed) {
      const at = entryIndex(this.#seen);
      const slot = (this.#seen >>> 0) % ENTRIES;
      const status = this.#entries[at + ENTRY_STATUS] ?? STATUS_ABORTED;
      const outstanding = this.#outstanding[slot] ?? silent;
      this.#outstanding[slot] = silent;
      this.#seen = (this.#seen + 1) | 0;
      this.#answer(outstanding, status);
    }
    this.#refill();
    this.submit();
    if (Atomics.load(this.#control, CONTROL_PUBLISHED) !== this.#seen) this.#arm();
    else if (!this.#isArmed) this.#worker.unref();
  };

  #answer(outstanding: Outstanding, status: number): void {
    switch (outstanding.kind) {
      case 'write':
        outstanding.client.written(status);
        return;
      case 'commit':
        outstanding.client.committed(status);
        return;
      case 'steps': {
        const received = receiveMessageOnPort(this.#port);
        outstanding.settle(received === undefined ? goneReply : received.message);
        return;
      }
      case 'silent':
        return;
    }
  }

  #refill(): void {
    const waiting = this.#overflow.splice(0);
    for (const [index, retry] of waiting.entries()) {
      if (((this.#filled - this.#seen) | 0) >= ENTRIES) {
        this.#overflow.push(...waiting.slice(index));
        return;
      }
      retry();
    }
  }

  #fail(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    // Nobody else answers the wait that is pending; unanswered, it would keep this writer alive.
    Atomics.notify(this.#control, CONTROL_COMPLETED);
    this.#port.close();
    this.#onEnd();
    this.#abortOutstanding();
  }

  /** The worker is gone: everything that waits for it, and what comes now, is aborted. */
  #abortOutstanding(): void {
    while (this.#seen !== this.#filled) {
      const slot = (this.#seen >>> 0) % ENTRIES;
      const outstanding = this.#outstanding[slot] ?? silent;
      this.#seen = (this.#seen + 1) | 0;
      if (outstanding.kind === 'steps') outstanding.settle(goneReply);
      else this.#answer(outstanding, STATUS_ABORTED);
      this.#refill();
    }
  }
}

/** One answer object per client and kind, made once: the hot path allocates nothing. */
function outstandingOf(
  cache: WeakMap<WriterClient, Outstanding>,
  kind: 'write' | 'commit',
  client: WriterClient,
): Outstanding {
  const known = cache.get(client);
  if (known !== undefined) return known;
  const fresh: Outstanding = { kind, client };
  cache.set(client, fresh);
  return fresh;
}

/**
 * Threads that one process uses at most. Logs that are written at once share them: syncs of
 * several threads join in one journal commit of the file system, so 12 logs and more are durable
 * in half the time that one thread takes; more than four threads bring little (see
 * docs/ARCHITECTURE.md).
 */
const WRITERS_MAX = 4;

const writers: WorkerWriter[] = [];

/** A writer for one log: a fresh thread while there are few, else the least used one. */
export function acquireWorkerWriter(): Writer {
  if (writers.length >= WRITERS_MAX) {
    let leastUsed: WorkerWriter | undefined;
    for (const writer of writers) {
      if (leastUsed === undefined || writer.uses < leastUsed.uses) leastUsed = writer;
    }
    if (leastUsed !== undefined) return leastUsed.retain();
  }
  const writer: WorkerWriter = new WorkerWriter(() => {
    const index = writers.indexOf(writer);
    if (index >= 0) writers.splice(index, 1);
  });
  writers.push(writer);
  return writer;
}
