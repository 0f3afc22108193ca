/**
 * The journal of delivery states: one log for all share groups of a broker.
 *
 * A state changes in memory first; what it then owes to the disk are parts, which are idempotent
 * and whose order does not matter. So appends that fail may be repeated: their parts are kept and
 * go with the next durable append, and whoever waited for them is told the error.
 *
 *     deliveries     written before messages are handed out: what kills the process is known
 *     endings        durable before an acknowledgement resolves; many share one sync
 *     decisions      of transactions: durable first, the states change after it
 *
 * Every 64 MiB all states are written anew, and what lies before is deleted. States that nobody
 * uses in this process are carried along.
 */

import { assert } from '../../base/assert.js';
import type { Clock } from '../../base/clock.js';
import type { RecordInput } from '../../storage/main.js';
import type { PartitionLog } from '../topic/partition-log.js';
import { DeliveryState } from './share-delivery.js';
import { FinishedMarks } from './share-finished-marks.js';
import {
  type DeliveryKey,
  encodeEntry,
  forgottenEntry,
  keyText,
  lifeEntry,
  readEntry,
} from './share-journal-format.js';
import { JournalLane } from './share-journal-lane.js';
import type { DeliveryPart } from './share-part.js';
import { DELIVERIES_MAX } from './share-receipt.js';
import type { ClockPair } from './share-stored.js';

export type JournalAcks = 'durable' | 'written';

/** What has a place in the journal. */
export interface JournalState {
  restore(part: DeliveryPart, clocks: ClockPair): void;
  /** All that is to be stored; the state is not changed meanwhile. */
  parts(clocks: ClockPair): Iterable<DeliveryPart>;
  /** What is to be stored like this and was not taken yet: a part of it; undefined: nothing. */
  takeOwed?(acks: JournalAcks): DeliveryPart | undefined;
  /** What is about to be handed out and was not taken yet: a part of it; undefined: nothing. */
  takeDelivered?(): DeliveryPart | undefined;
}

/** Where one state is kept. */
export interface JournalPlace {
  /** Of the state: what is stored of an older one does not count. */
  readonly generation: number;
  /** Nothing was stored of it. */
  readonly isNew: boolean;
  /** When the start offset was where, as far as it was stored. */
  readonly marks: FinishedMarks;
  /** Stores what the state owes; one promise for all who ask meanwhile. */
  flush(acks: JournalAcks): Promise<void>;
  /**
   * Writes what is about to be handed out; one entry and one promise for all who ask meanwhile.
   * When it rejects nothing of it is owed.
   */
  storeDelivered(): Promise<void>;
}

export interface JournalEntry {
  readonly key: DeliveryKey;
  readonly part: DeliveryPart;
  /** Of another generation it does not count. */
  readonly generation?: number;
}

interface Kept {
  readonly key: DeliveryKey;
  readonly text: string;
  generation: number;
  state: JournalState;
  isAttached: boolean;
  isForgotten: boolean;
  isStored: boolean;
  readonly marks: FinishedMarks;
}

interface OwedEntry {
  readonly kept: Kept;
  readonly generation: number;
  /** What its state owes, or has handed out, or a part that was given. */
  readonly part: DeliveryPart | 'owed' | 'delivered';
}

interface TakenPart {
  readonly kept: Kept;
  readonly generation: number;
  readonly part: DeliveryPart;
  /** The state owes it, until it is stored. */
  readonly isOwed: boolean;
}

const SNAPSHOT_BYTES = 64 * 1024 * 1024;
/** Less than this is not worth a snapshot when the journal is closed. */
const CLOSING_SNAPSHOT_BYTES = 1024 * 1024;
const BATCH_BYTES = 512 * 1024;
const UNUSED_LIMITS = {
  inFlightMax: 1,
  underWayMax: 1,
  deliveriesMax: DELIVERIES_MAX,
  failuresMax: 1,
};

/** The log of the journal, small pieces so that a snapshot gives space back. */
export const journalLogOptions = {
  cleanup: 'delete',
  segmentBytes: 16 * 1024 * 1024,
} as const;

export class ShareJournal {
  readonly #log: PartitionLog;
  readonly #clock: Clock;
  readonly #snapshotBytes: number;
  readonly #kept = new Map<string, Kept>();
  readonly #lanes: Readonly<Record<JournalAcks, JournalLane<OwedEntry>>>;
  /** Parts whose append has failed. */
  #owed: TakenPart[] = [];
  /** Appends after which states change. */
  readonly #deciding = new Set<Promise<unknown>>();
  #bytesSinceSnapshot = 0;
  /** Rises with each process that gives messages out; stored before the first one is. */
  #life = 0;
  #beginning: Promise<void> | undefined;
  #isBegun = false;
  #snapshot: Promise<void> | undefined;
  #isClosed = false;

  /**
   * Reads what is stored; all states are written anew after so many bytes. Throws LOG_CORRUPT,
   * FORMAT_UNSUPPORTED.
   */
  static async open(
    log: PartitionLog,
    clock: Clock,
    snapshotBytes = SNAPSHOT_BYTES,
  ): Promise<ShareJournal> {
    const journal = new ShareJournal(log, clock, snapshotBytes);
    const clocks = journal.#clocks();
    for await (const batch of log.read()) {
      for (const record of batch) {
        journal.#bytesSinceSnapshot += record.contentBytes;
        const entry = readEntry(record);
        if (entry.kind === 'life') {
          journal.#life = Math.max(journal.#life, entry.life + 1);
          continue;
        }
        const { key, stored } = entry;
        if (stored === undefined) journal.#kept.delete(keyText(key));
        else journal.#carry(key, stored, clocks, record.timestamp);
      }
    }
    return journal;
  }

  private constructor(log: PartitionLog, clock: Clock, snapshotBytes: number) {
    this.#log = log;
    this.#clock = clock;
    this.#snapshotBytes = snapshotBytes;
    this.#lanes = {
      durable: new JournalLane((entries) => this.#store(entries, 'durable')),
      written: new JournalLane((entries) => this.#store(entries, 'written')),
    };
  }

  get life(): number {
    return this.#life;
  }

  /** Whether this life is known to the next one. */
  get isBegun(): boolean {
    return this.#isBegun;
  }

  /** Durably begins this life: messages may be given out. Throws what an append throws. */
  begin(): Promise<void> {
    this.#beginning ??= this.#decided([lifeEntry(this.#life)], () => {
      this.#isBegun = true;
    }).finally(() => {
      this.#beginning = undefined;
    });
    return this.#beginning;
  }

  /** Everything that is stored or in use. */
  keys(): DeliveryKey[] {
    return [...this.#kept.values()].map(({ key }) => key);
  }

  /** Undefined: nothing is known of the key. */
  generationOf(key: DeliveryKey): number | undefined {
    return this.#kept.get(keyText(key))?.generation;
  }

  /** Restores what is stored; from then on snapshots include the state. */
  attach(key: DeliveryKey, state: JournalState): Promise<JournalPlace> {
    const text = keyText(key);
    const known = this.#kept.get(text);
    assert(known?.isAttached !== true, 'a state is in use once');
    const kept = known ?? this.#keep(key, this.#clock.nowMs());
    const clocks = this.#clocks();
    for (const part of known?.state.parts(clocks) ?? []) state.restore(part, clocks);
    kept.state = state;
    kept.isAttached = true;
    return Promise.resolve(this.#placeOf(kept, known === undefined));
  }

  /** The state is used no more in this process; it is carried along. */
  detach(key: DeliveryKey): void {
    const kept = this.#kept.get(keyText(key));
    if (kept?.isAttached !== true) return;
    const clocks = this.#clocks();
    const carried = this.#carriedState();
    for (const part of kept.state.parts(clocks)) carried.restore(part, clocks);
    kept.state = carried;
    kept.isAttached = false;
    if (!kept.isStored) this.#kept.delete(kept.text);
  }

  /** Stores a part; the state of a key that nobody has attached changes with it. */
  append(
    key: DeliveryKey,
    part: DeliveryPart,
    acks: JournalAcks,
    generation?: number,
  ): Promise<void> {
    const kept = this.#keptFor(key, generation);
    if (kept === undefined) return Promise.resolve();
    if (!kept.isAttached) kept.state.restore(part, this.#clocks());
    return this.#lanes[acks].add({ kept, generation: kept.generation, part });
  }

  /**
   * Stores all entries or none, durably, then calls `landed`, in which the states are to change.
   * When it rejects nothing is owed: with DISK_FULL nothing is stored, with OUTCOME_UNKNOWN it may
   * be.
   */
  async decide(entries: readonly JournalEntry[], landed: () => void): Promise<void> {
    const inputs: RecordInput[] = [];
    const carried: (() => void)[] = [];
    for (const { key, part, generation } of entries) {
      const kept = this.#keptFor(key, generation);
      if (kept === undefined) continue;
      inputs.push(encodeEntry(kept.text, kept.generation, part));
      kept.isStored = true;
      // Whoever had it attached may have let go of it while the append was on its way.
      carried.push(() => {
        if (!kept.isAttached) kept.state.restore(part, this.#clocks());
      });
    }
    await this.#decided(inputs, () => {
      for (const change of carried) change();
      landed();
    });
  }

  /** Begins a new generation with this part; what was stored before counts no more. */
  async replace(key: DeliveryKey, part: DeliveryPart, state: JournalState): Promise<JournalPlace> {
    const kept = this.#kept.get(keyText(key)) ?? this.#keep(key, 0);
    const generation = Math.max(kept.generation + 1, this.#clock.nowMs());
    await this.#decided([encodeEntry(kept.text, generation, part)], () => {
      kept.generation = generation;
      kept.isStored = true;
      state.restore(part, this.#clocks());
      kept.state = state;
      kept.marks.clear();
    });
    return this.#placeOf(kept, false);
  }

  /** Begins the states of a group that is new, all or none, durably; those that are known stay. */
  async beginStates(entries: readonly JournalEntry[]): Promise<void> {
    const fresh = entries.filter(({ key }) => !this.#kept.has(keyText(key)));
    if (fresh.length > 0) await this.decide(fresh, () => undefined);
  }

  /** Durably forgets a group, a topic, or a group in a topic; nothing of them is attached. */
  async forget({ group, topicId }: { group?: string; topicId?: string }): Promise<void> {
    const gone = [...this.#kept.values()].filter(
      ({ key }) =>
        (group === undefined || key.group === group) &&
        (topicId === undefined || key.topicId === topicId),
    );
    for (const kept of gone) {
      kept.isForgotten = true;
      this.#kept.delete(kept.text);
    }
    const stored = gone.filter(({ isStored }) => isStored);
    if (stored.length === 0) return;
    try {
      await this.#log.append(
        stored.map(({ text }) => forgottenEntry(text)),
        { acks: 'durable' },
      );
    } catch (error) {
      for (const kept of stored) {
        kept.isForgotten = false;
        this.#kept.set(kept.text, kept);
      }
      throw error;
    }
  }

  /** Stores what is owed. The log is closed by whoever opened it. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#snapshot?.catch(() => undefined);
    await Promise.allSettled([this.#lanes.written.settle(), this.#lanes.durable.settle()]);
    if (this.#bytesSinceSnapshot >= CLOSING_SNAPSHOT_BYTES) {
      // Only the next open would gain by it.
      await this.#writeSnapshot().catch(() => undefined);
    }
  }

  #placeOf(kept: Kept, isNew: boolean): JournalPlace {
    const { generation, marks } = kept;
    // One entry for all calls of a turn.
    const entry: OwedEntry = { kept, generation, part: 'owed' };
    const delivered: OwedEntry = { kept, generation, part: 'delivered' };
    return {
      generation,
      isNew,
      marks,
      flush: (acks) => this.#lanes[acks].add(entry),
      storeDelivered: () => this.#lanes.written.add(delivered),
    };
  }

  #keep(key: DeliveryKey, generation: number): Kept {
    const text = keyText(key);
    const kept: Kept = {
      key,
      text,
      generation,
      state: this.#carriedState(),
      isAttached: false,
      isForgotten: false,
      isStored: false,
      marks: new FinishedMarks(),
    };
    this.#kept.set(text, kept);
    return kept;
  }

  /** Undefined: something of another generation, which does not count. */
  #keptFor(key: DeliveryKey, generation: number | undefined): Kept | undefined {
    const known = this.#kept.get(keyText(key));
    if (known === undefined) return this.#keep(key, generation ?? this.#clock.nowMs());
    return generation === undefined || known.generation === generation ? known : undefined;
  }

  #carry(
    key: DeliveryKey,
    { generation, part }: { readonly generation: number; readonly part: DeliveryPart },
    clocks: ClockPair,
    timestamp: number,
  ): void {
    const kept = this.#kept.get(keyText(key)) ?? this.#keep(key, generation);
    if (generation < kept.generation) return;
    if (generation > kept.generation) {
      kept.generation = generation;
      kept.state = this.#carriedState();
      kept.marks.clear();
    }
    kept.isStored = true;
    kept.state.restore(part, clocks);
    kept.marks.add(timestamp, part.startOffset);
  }

  #carriedState(): DeliveryState {
    const nowMs = this.#clock.monotonicMs();
    return new DeliveryState({ startOffset: 0, nowMs, limits: UNUSED_LIMITS });
  }

  async #decided(inputs: readonly RecordInput[], landed: () => void): Promise<void> {
    const landing = this.#log.append(inputs, { acks: 'durable' }).then(landed);
    this.#deciding.add(landing);
    try {
      await landing;
    } finally {
      this.#deciding.delete(landing);
    }
    this.#wrote(inputs);
  }

  async #store(entries: readonly OwedEntry[], acks: JournalAcks): Promise<void> {
    const taken = acks === 'durable' ? this.#owed : [];
    if (acks === 'durable') this.#owed = [];
    for (const entry of new Set(entries)) takeParts(entry, acks, taken);
    for (let from = 0; from < taken.length; ) {
      let bytes = 0;
      let until = from;
      const inputs: RecordInput[] = [];
      for (; until < taken.length && bytes < BATCH_BYTES; until += 1) {
        const next = taken[until];
        if (next === undefined || next.kept.isForgotten) continue;
        const { kept, generation, part } = next;
        kept.isStored = true;
        const input = encodeEntry(kept.text, generation, part);
        bytes += input.value?.length ?? 0;
        inputs.push(input);
      }
      try {
        if (inputs.length > 0) await this.#log.append(inputs, { acks });
      } catch (error) {
        const lost = taken.slice(from);
        // Deliveries that could not be written are not handed out, and count no more.
        this.#owed.push(...lost.filter(({ isOwed }) => acks === 'durable' || isOwed));
        throw error;
      }
      from = until;
      this.#wrote(inputs);
    }
  }

  #wrote(inputs: readonly RecordInput[]): void {
    for (const { key, value } of inputs) {
      this.#bytesSinceSnapshot += (key?.length ?? 0) + (value?.length ?? 0);
    }
    if (this.#bytesSinceSnapshot < this.#snapshotBytes || this.#isClosed) return;
    if (this.#snapshot !== undefined) return;
    this.#snapshot = this.#writeSnapshot()
      // It is tried again after as many bytes; until then the journal is only longer.
      .catch(() => undefined)
      .finally(() => {
        this.#snapshot = undefined;
      });
  }

  async #writeSnapshot(): Promise<void> {
    this.#bytesSinceSnapshot = 0;
    const start = this.#log.writtenOffset;
    // What was decided before the start changes its states first.
    await Promise.allSettled(this.#deciding);
    const life = this.#isBegun ? this.#life : this.#life - 1;
    if (life >= 0) await this.#log.append([lifeEntry(life)], { acks: 'written' });
    for (const kept of [...this.#kept.values()]) {
      if (kept.isForgotten || !kept.isStored) continue;
      const inputs = [...kept.state.parts(this.#clocks())].map((part) =>
        encodeEntry(kept.text, kept.generation, part),
      );
      for (const batch of batchesOf(inputs)) {
        if (kept.isForgotten) break;
        await this.#log.append(batch, { acks: 'written' });
      }
    }
    await this.#log.flush();
    await this.#log.deleteRecordsBefore(start);
  }

  #clocks(): ClockPair {
    return { nowMs: this.#clock.monotonicMs(), wallMs: this.#clock.nowMs() };
  }
}

function takeParts(entry: OwedEntry, acks: JournalAcks, into: TakenPart[]): void {
  const { kept, generation, part: given } = entry;
  if (kept.isForgotten || generation !== kept.generation) return;
  if (given !== 'owed' && given !== 'delivered') {
    into.push({ kept, generation, part: given, isOwed: false });
    return;
  }
  const isOwed = given === 'owed';
  for (;;) {
    const part = isOwed ? kept.state.takeOwed?.(acks) : kept.state.takeDelivered?.();
    if (part === undefined) return;
    into.push({ kept, generation, part, isOwed });
  }
}

function* batchesOf(inputs: readonly RecordInput[]): Generator<RecordInput[]> {
  let batch: RecordInput[] = [];
  let bytes = 0;
  for (const input of inputs) {
    batch.push(input);
    bytes += input.value?.length ?? 0;
    if (bytes < BATCH_BYTES) continue;
    yield batch;
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield batch;
}
