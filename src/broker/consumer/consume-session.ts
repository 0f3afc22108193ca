/**
 * Consuming in the name of somebody who asks in steps: take records, print them, commit, again.
 *
 * It is how the command consumes, in the process that holds the broker: as a member of the group
 * like any other, so what it reads nobody else of the group reads, and it is not read twice. What
 * was taken and not committed when its partitions go to others is waited for, a little.
 *
 * The end is where each partition ended when it was assigned. Whether anything lies before it that
 * can be seen is asked of the log: markers, aborted records and compaction leave gaps at ends.
 */

import { abortable } from '../../base/abortable.js';
import type { Clock } from '../../base/clock.js';
import type { LogRecord, RequestedStart } from '../../storage/main.js';
import { partitionName } from '../group/assignor-order.js';
import type { OffsetToCommit } from '../group/group-commits.js';
import { ConsumerCore } from './consumer-core.js';
import type { FetchedBatch, PartitionLease } from './consumer-lease.js';
import type { ConsumerCoreOptions } from './consumer-options.js';
import type { ConsumerSurroundings } from './consumer-surroundings.js';

/** What is taken at once stays below this, unless it is one record. */
const TAKEN_BYTES_MAX = 512 * 1024;
const RECORD_BYTES_ABOUT = 64;
/** How long partitions that are to be given up wait for the commit of what was taken. */
const COMMIT_WAIT_MS = 3_000;

export interface TakenRecord {
  readonly topic: string;
  readonly partition: number;
  readonly record: LogRecord;
}

export interface Taken {
  readonly records: readonly TakenRecord[];
  /** There was nothing, and all that was there at the beginning has been taken. */
  readonly isAtEnd: boolean;
  /** Nothing comes any more: the topics are gone, or the broker closes. */
  readonly isOver: boolean;
}

export interface ConsumeOptions {
  readonly topics: readonly string[];
  /** Empty: no group, all partitions. */
  readonly group: string;
  readonly from: RequestedStart;
}

/** A batch in the middle of which taking stopped. */
interface OpenBatch {
  readonly fetched: FetchedBatch;
  readonly records: Iterator<LogRecord, void, undefined>;
  /** Seen, and not taken yet. */
  next: LogRecord | undefined;
}

export class ConsumeSession {
  readonly #core: ConsumerCore;
  readonly #around: ConsumerSurroundings;
  readonly #options: ConsumeOptions;
  /** By partition, where it ends as far as this session goes. */
  readonly #ends = new Map<string, number>();
  /** By partition, the next offset behind what was taken and is not committed. */
  readonly #uncommitted = new Map<string, number>();
  readonly #commitWaiters = new Set<() => void>();
  #current: OpenBatch | undefined;
  /** How often partitions came or went. */
  #changes = 0;

  /** Rejects as `ConsumerCore.start` throws. */
  static async open(
    options: ConsumeOptions,
    around: ConsumerSurroundings,
  ): Promise<ConsumeSession> {
    const assignor = options.group === '' ? {} : await assignorOf(options.group, around);
    return new ConsumeSession(options, around, assignor);
  }

  private constructor(
    options: ConsumeOptions,
    around: ConsumerSurroundings,
    assignor: Pick<ConsumerCoreOptions, 'assignor'>,
  ) {
    const { topics, group, from } = options;
    this.#options = options;
    this.#around = around;
    const inGroup =
      group === ''
        ? {}
        : { ...assignor, group, clientId: 'millrace-consume', commit: 'manual' as const };
    this.#core = ConsumerCore.start(
      topics,
      { from, ...inGroup },
      {
        onAssigned: (leases) => this.#assigned(leases),
        onRevoked: (leases) => this.#revoked(leases),
        onLost: (leases) => this.#gone(leases),
      },
      around,
    );
  }

  /** What there is, up to `recordsMax`; waits up to `waitMs` when there is nothing. */
  async take(recordsMax: number, waitMs: number): Promise<Taken> {
    const isOver = this.#current === undefined && !(await this.#fetch(waitMs));
    const records: TakenRecord[] = [];
    for (let bytes = 0; records.length < recordsMax; ) {
      const taken = this.#next(
        records.length === 0 ? Number.POSITIVE_INFINITY : TAKEN_BYTES_MAX - bytes,
      );
      if (taken === undefined) break;
      const { topic, partition, record } = taken;
      records.push(taken);
      bytes += sizeOf(record);
      this.#uncommitted.set(partitionName({ topic, partition }), record.offset + 1);
    }
    const isNothing = records.length === 0;
    const isAtEnd = isNothing && !isOver && (await this.#isAtEnd());
    return { records, isAtEnd, isOver: isOver && isNothing };
  }

  /** Resolves when it is durable; rejects like `ConsumerCore.commit`. */
  async commit(offsets: readonly OffsetToCommit[]): Promise<void> {
    try {
      await this.#core.commit(offsets);
    } finally {
      for (const { topic, partition, offset } of offsets) {
        const name = partitionName({ topic, partition });
        if ((this.#uncommitted.get(name) ?? 0) <= offset) this.#uncommitted.delete(name);
      }
      this.#wake();
    }
  }

  /** Leaves the group; commits nothing. Idempotent. */
  async close(): Promise<void> {
    const closed = this.#core.close();
    this.#wake();
    await closed;
  }

  /** Waits for a batch; false when none comes any more. */
  async #fetch(waitMs: number): Promise<boolean> {
    const ready = this.#core.takeReady();
    if (ready !== undefined) {
      this.#begin(ready);
      return true;
    }
    const patience = new AbortController();
    const cancel = this.#around.clock.schedule(waitMs, () => patience.abort());
    try {
      const fetched = await this.#core.take(patience.signal);
      if (fetched !== undefined) this.#begin(fetched);
      return fetched !== undefined;
    } catch (error) {
      if (!patience.signal.aborted) throw error;
      return true;
    } finally {
      cancel();
    }
  }

  #begin(fetched: FetchedBatch): void {
    this.#current = { fetched, records: fetched.batch[Symbol.iterator](), next: undefined };
  }

  /** The next record that is there and fits. */
  #next(bytesMax: number): TakenRecord | undefined {
    for (;;) {
      const open = this.#current;
      if (open === undefined) return undefined;
      const { fetched } = open;
      const isOurs = fetched.lease.isHeld && !fetched.isOvertaken;
      const record = isOurs ? (open.next ?? open.records.next().value ?? undefined) : undefined;
      if (record !== undefined) {
        const { topic, partition } = fetched;
        open.next = sizeOf(record) > bytesMax ? record : undefined;
        return open.next === undefined ? { topic, partition, record } : undefined;
      }
      this.#core.release(fetched);
      this.#current = undefined;
      const ready = this.#core.takeReady();
      if (ready !== undefined) this.#begin(ready);
    }
  }

  #assigned(leases: readonly PartitionLease[]): void {
    this.#changes += 1;
    for (const lease of leases) this.#ends.set(partitionName(lease), lease.endOffset);
  }

  async #revoked(leases: readonly PartitionLease[]): Promise<void> {
    const names = leases.map(partitionName);
    const isDone = (): boolean =>
      this.#core.isClosed || !names.some((name) => this.#uncommitted.has(name));
    if (!isDone()) await this.#committed(this.#around.clock, isDone);
    this.#gone(leases);
  }

  #gone(leases: readonly PartitionLease[]): void {
    this.#changes += 1;
    for (const lease of leases) {
      this.#ends.delete(partitionName(lease));
      this.#uncommitted.delete(partitionName(lease));
    }
  }

  /** Waits until `isDone`, but not for long. */
  async #committed(clock: Clock, isDone: () => boolean): Promise<void> {
    const patience = new AbortController();
    const cancel = clock.schedule(COMMIT_WAIT_MS, () => patience.abort());
    const done = new Promise<void>((resolve) => {
      const look = (): void => {
        if (!isDone()) return;
        this.#commitWaiters.delete(look);
        resolve();
      };
      this.#commitWaiters.add(look);
      patience.signal.addEventListener('abort', () => this.#commitWaiters.delete(look));
    });
    await abortable(done, patience.signal).catch(() => undefined);
    cancel();
  }

  #wake(): void {
    for (const look of [...this.#commitWaiters]) look();
  }

  async #isAtEnd(): Promise<boolean> {
    const changes = this.#changes;
    if (this.#current !== undefined || !(await this.#isShared())) return false;
    for (const lease of this.#core.leases) {
      const name = partitionName(lease);
      const end = this.#ends.get(name);
      if (end === undefined) return false;
      const { position } = lease;
      if (position >= end) continue;
      if (await holdsRecords(lease, end)) return false;
      if (lease.position !== position) return false;
      this.#ends.set(name, position);
    }
    return changes === this.#changes;
  }

  /** Every partition is somebody's, and this session has got all that are its own. */
  async #isShared(): Promise<boolean> {
    const { topics, group } = this.#options;
    const { groupTopics } = this.#around;
    const all = topics.reduce((sum, topic) => sum + (groupTopics.partitionCount(topic) ?? 0), 0);
    if (group === '') return this.#ends.size >= all;
    const { admin } = await this.#around.coordinator();
    const { partitions } = await admin.describe(group);
    const owned = partitions.filter(
      ({ topic, memberId }) => memberId !== undefined && topics.includes(topic),
    );
    const memberId = this.#core.memberOf()?.memberId;
    const own = owned.filter((one) => one.memberId === memberId);
    return owned.length >= all && own.every((one) => this.#ends.has(partitionName(one)));
  }
}

/** Whether a record that can be seen lies at or behind the position of the lease, below `end`. */
async function holdsRecords({ log, position }: PartitionLease, end: number): Promise<boolean> {
  const from = Math.max(position, log.startOffset);
  if (from >= end) return false;
  for await (const batch of log.read({ from })) return batch.baseOffset < end;
  return false;
}

/** A member offers what those offer that are there: it may be another one than the default. */
async function assignorOf(
  group: string,
  around: ConsumerSurroundings,
): Promise<Pick<ConsumerCoreOptions, 'assignor'>> {
  const { admin } = await around.coordinator();
  const isThere = admin.list().some(({ groupId }) => groupId === group);
  const protocol = isThere ? (await admin.describe(group)).protocol : '';
  const assignor = assignors.find((name) => name === protocol);
  return assignor === undefined ? {} : { assignor };
}

const assignors = ['cooperative-sticky', 'sticky', 'range', 'roundrobin'] as const;

function sizeOf({ key, value, headers }: LogRecord): number {
  let bytes = RECORD_BYTES_ABOUT + (key?.length ?? 0) + (value?.length ?? 0);
  for (const header of headers) {
    bytes += RECORD_BYTES_ABOUT + header.key.length + (header.value?.length ?? 0);
  }
  return bytes;
}
