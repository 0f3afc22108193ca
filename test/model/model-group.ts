/**
 * What the model knows of a group: which records its members have done with, whatever member and
 * whatever life. The rules:
 *
 * - who begins to read a partition begins where everything before is done, and no commit that was
 *   answered is forgotten
 * - a member is given the records of a partition in order
 * - two live members that say the same generation own no partition together
 * - in the end every record that is there was done by the group, and its commits say so
 */

import { type PartitionLedger, rule, type SentRecord } from './model-ledger.js';

interface PartitionProgress {
  /** What lay at each offset that was done: a power cut may put something else there. */
  readonly done: Map<number, string | undefined>;
  /** Those of them that were done once and for all, by a transaction. */
  readonly doneInTransactions: Set<number>;
  /** The largest offset whose commit was answered. */
  committed: number;
}

/** What the group knows of transactions. */
export interface GroupView {
  /** Whether readers of committed records are to see it, as far as the model knows. */
  isVisible(record: SentRecord): boolean;
  /** Whether a transaction may have brought the group past it; it must have, from then on. */
  isCovered(group: GroupLedger, partition: PartitionLedger, offset: number): boolean;
}

export class GroupLedger {
  readonly name: string;
  readonly #view: GroupView;
  readonly #progress = new Map<PartitionLedger, PartitionProgress>();

  constructor(name: string, view: GroupView) {
    this.name = name;
    this.#view = view;
  }

  done(partition: PartitionLedger, offset: number): void {
    this.#of(partition).done.set(offset, partition.recordAt(offset)?.id);
  }

  /** Done by a transaction that is committed: that is so only once. */
  doneInTransaction(partition: PartitionLedger, offset: number): void {
    const { done, doneInTransactions } = this.#of(partition);
    const about = `${this.name} in ${partition.name}: ${offset}`;
    rule(!doneInTransactions.has(offset), `${about} is done in two transactions`);
    done.set(offset, partition.recordAt(offset)?.id);
    doneInTransactions.add(offset);
  }

  /** A commit was answered. */
  committed(partition: PartitionLedger, offset: number): void {
    const progress = this.#of(partition);
    progress.committed = Math.max(progress.committed, offset);
  }

  /** A commit was taken: nothing before it is left to be done. */
  checkCommit(partition: PartitionLedger, offset: number): void {
    this.#checkDone(partition, offset);
  }

  /** What is there and not done. */
  undone(partition: PartitionLedger): SentRecord[] {
    const { done } = this.#of(partition);
    const left: SentRecord[] = [];
    for (let offset = 0; offset < partition.end; offset += 1) {
      const record = partition.recordAt(offset);
      if (record === undefined || done.get(offset) === record.id || !this.#view.isVisible(record))
        continue;
      left.push(record);
    }
    return left;
  }

  /** Records of a key are done in their order: those before this one are. */
  checkKeyOrder(partition: PartitionLedger, offset: number, key: string): void {
    const { done } = this.#of(partition);
    for (let before = 0; before < offset; before += 1) {
      const record = partition.recordAt(before);
      if (record?.key !== key || done.get(before) === record.id || !this.#view.isVisible(record))
        continue;
      const about = `${this.name} in ${partition.name}: ${offset} of ${key} is begun`;
      rule(this.#view.isCovered(this, partition, before), `${about} before ${before} is done`);
    }
  }

  /** What the broker says is committed: no less than was answered, nothing that is not done. */
  checkCommitted(partition: PartitionLedger, offset: number): void {
    const progress = this.#of(partition);
    const about = `${this.name} in ${partition.name}: ${offset} is committed`;
    rule(offset >= progress.committed, `${about}, it was ${progress.committed}`);
    this.#checkDone(partition, offset);
    progress.committed = offset;
  }

  /** Whether nothing that is there is left to be done, or to be committed. */
  isThrough(partition: PartitionLedger): boolean {
    for (let offset = this.#of(partition).committed; offset < partition.end; offset += 1) {
      const record = partition.recordAt(offset);
      if (record !== undefined && this.#view.isVisible(record)) return false;
    }
    return true;
  }

  /** A member begins at this offset; who lost its place meanwhile may be behind the others. */
  checkStart(partition: PartitionLedger, offset: number, isLate: boolean): void {
    const { committed } = this.#of(partition);
    const about = `${this.name} in ${partition.name}`;
    rule(isLate || offset >= committed, `${about} goes back to ${offset} from ${committed}`);
    this.#checkDone(partition, offset);
  }

  /** After a crash: nothing that was done is before what the log lost. */
  cut(partition: PartitionLedger, end: number): void {
    const progress = this.#of(partition);
    const about = `${this.name} in ${partition.name}`;
    rule(
      progress.committed <= end,
      `${about}: committed ${progress.committed}, the log has ${end}`,
    );
    for (const offset of progress.done.keys()) {
      if (offset < end) continue;
      progress.done.delete(offset);
      progress.doneInTransactions.delete(offset);
    }
  }

  /** All is calm: everything was done, and committed. */
  checkAll(partition: PartitionLedger, committed: number | undefined): void {
    this.#checkDone(partition, partition.end);
    for (let offset = committed ?? 0; offset < partition.end; offset += 1) {
      const record = partition.recordAt(offset);
      const isOpen = record !== undefined && this.#view.isVisible(record);
      rule(
        !isOpen,
        `${this.name} in ${partition.name}: ${record?.id} at ${offset} is not committed`,
      );
    }
  }

  #checkDone(partition: PartitionLedger, end: number): void {
    const { done } = this.#of(partition);
    for (let offset = 0; offset < end; offset += 1) {
      const record = partition.recordAt(offset);
      if (record === undefined || !this.#view.isVisible(record)) continue;
      if (done.get(offset) === record.id) continue;
      if (this.#view.isCovered(this, partition, offset)) continue;
      rule(
        false,
        `${this.name} in ${partition.name} is at ${end}, without ${record.id} at ${offset}`,
      );
    }
  }

  #of(partition: PartitionLedger): PartitionProgress {
    let progress = this.#progress.get(partition);
    if (progress === undefined) {
      progress = { done: new Map(), doneInTransactions: new Set(), committed: 0 };
      this.#progress.set(partition, progress);
    }
    return progress;
  }
}
