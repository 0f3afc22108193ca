/**
 * One transaction from its begin to its end: the states of `transaction-state.ts`, carried out.
 *
 * Whoever runs the work calls `commit` or `abort` at its end; `interrupt` may come at any time. A
 * send, a commit of offsets, or an acknowledgement that failed ends the transaction whether the
 * work looks at it or not.
 */

import { assert } from '../../base/assert.js';
import { hasCode } from '../../base/errors.js';
import type { TransactionOffset } from '../group/group-transactions.js';
import type { GroupOffsets } from '../group/offset-entry.js';
import type { SendTarget } from '../producer/producer-core.js';
import type { TopicRecord } from '../producer/producer-records.js';
import type { SentRecords } from '../producer/producer-send.js';
import type { Ending } from '../share/share-ledger.js';
import type { StateEntry } from '../state/state-log.js';
import { unknownTopic } from '../topic/topic-errors.js';
import { type DeliveryJournal, HeldDeliveries, type SourceDelivery } from './held-deliveries.js';
import { type Decision, decisionOf, type TransactionIdentity } from './transaction-decision.js';
import { transactionAborted, transactionOver } from './transaction-errors.js';
import type { TransactionIds } from './transaction-ids.js';
import type { TransactionLog } from './transaction-log.js';
import { type OffsetsParts, TransactionOffsets } from './transaction-offsets.js';
import { type Participant, type SenderParts, TransactionSender } from './transaction-sender.js';
import { type TransactionState, transactionTable, transitionTo } from './transaction-state.js';
import type { TransactionTasks } from './transaction-tasks.js';
import { TrackedWork } from './transaction-tracked.js';

export interface TransactionParts extends Pick<SenderParts, 'routing' | 'buffer'>, OffsetsParts {
  readonly ids: TransactionIds;
  readonly log: TransactionLog;
  readonly tasks: TransactionTasks;
  readonly journal: () => Promise<DeliveryJournal>;
  readonly pause: (delayMs: number) => Promise<void>;
}

/** What a transaction writes to partitions, whoever does. */
export interface TransactionWrites {
  readonly participants: readonly Participant[];
  /** Nothing more is handed over. */
  refuse(error: unknown): void;
  /** Resolves when all that was handed over has landed or failed. */
  settled(): Promise<void>;
}

/** A transaction of a client, which writes to partitions itself. */
export interface ClientPart {
  readonly writes: TransactionWrites;
  /** Whose batches these are. */
  readonly writer: TransactionIdentity;
  /** The epoch of abort markers: a later one than the writer's fences it. */
  readonly abortEpoch: () => number;
  /** What is stored in one batch with the decision. */
  readonly committed: () => readonly StateEntry[];
}

/** One coordinator at a time holds the folder. */
const COORDINATOR_EPOCH = 0;
/** How long to wait for a group that is between two generations, before asking again. */
const PAUSE_MS = 20;

export class OpenTransaction {
  readonly #parts: TransactionParts;
  readonly #sender: TransactionSender;
  readonly #writes: TransactionWrites;
  readonly #client: ClientPart | undefined;
  #state: TransactionState = 'ongoing';
  #identity: TransactionIdentity | undefined;
  #identifying: Promise<TransactionIdentity> | undefined;
  readonly #offsets: TransactionOffsets;
  readonly #deliveries = new HeldDeliveries();
  readonly #tracked = new TrackedWork((error) => this.#failed(error));
  #interruption: { readonly reason: unknown } | undefined;
  #failure: { readonly error: unknown } | undefined;
  /** Of the deliveries, from the moment they are secured on. */
  #journal: DeliveryJournal | undefined;
  #rejectInterrupted: (reason: unknown) => void = ignore;
  /** Rejects when the transaction is to end before its work does; never resolves. */
  readonly interrupted: Promise<never>;
  #resolveEnded: () => void = ignore;
  /** Resolves when nothing of it is left to be done. */
  readonly ended: Promise<void>;

  constructor(parts: TransactionParts, client?: ClientPart) {
    this.#parts = parts;
    this.#client = client;
    this.#offsets = new TransactionOffsets(parts);
    this.#sender = new TransactionSender({
      routing: parts.routing,
      buffer: parts.buffer,
      identify: () => this.#identify(),
      failed: (error) => this.#failed(error),
    });
    this.#writes = client?.writes ?? this.#sender;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    this.interrupted = new Promise((_, reject) => {
      this.#rejectInterrupted = reject;
    });
    this.interrupted.catch(ignore);
  }

  get state(): TransactionState {
    return this.#state;
  }

  /** Undefined when nothing was sent. */
  get identity(): TransactionIdentity | undefined {
    return this.#client?.writer ?? this.#identity;
  }

  get partitionCount(): number {
    return this.#writes.participants.length;
  }

  send<Value, Result>(
    target: SendTarget<Value>,
    records: readonly TopicRecord<Value>[],
    resultOf: (sent: SentRecords) => Result,
  ): Promise<Result> {
    const refusal = this.#refusal();
    if (refusal !== undefined) return Promise.reject(refusal.error);
    return this.#sender.send(target, records, resultOf);
  }

  /** Throws what `HeldOffsets.add` throws, and what ended the transaction. */
  commitOffset(source: TransactionOffset): void {
    this.#attempt(() => this.#offsets.add(source));
  }

  /** As `commitOffset`, but what it throws does not end the transaction. */
  holdOffset(source: TransactionOffset): void {
    const refusal = this.#refusal();
    if (refusal !== undefined) throw refusal.error;
    this.#offsets.add(source);
  }

  /**
   * Answers with those that the transaction has only now. Throws what `HeldDeliveries.add` throws,
   * and what ended the transaction.
   */
  finish<D extends SourceDelivery>(deliveries: readonly D[], ending: Ending): readonly D[] {
    const added: D[] = [];
    this.#attempt(() => {
      for (const delivery of deliveries) {
        if (this.#deliveries.add(delivery, ending)) added.push(delivery);
      }
    });
    return added;
  }

  /** The commit waits for this; when it fails the transaction does. */
  track<T>(begin: () => Promise<T>): Promise<T> {
    const refusal = this.#refusal();
    if (refusal !== undefined) return Promise.reject(refusal.error);
    return this.#tracked.add(begin());
  }

  #attempt(add: () => void): void {
    const refusal = this.#refusal();
    if (refusal !== undefined) throw refusal.error;
    try {
      add();
    } catch (error) {
      this.#failed(error);
      throw error;
    }
  }

  /** The transaction ends now, unless it is being decided already. */
  interrupt(reason: unknown): void {
    if (transactionTable[this.#state].answers.abort !== 'accept') return;
    if (this.#interruption !== undefined) return;
    this.#interruption = { reason };
    this.#writes.refuse(reason);
    this.#rejectInterrupted(reason);
  }

  /** Undoes everything; resolves when that is durable, or will be. */
  async abort(reason: unknown): Promise<void> {
    this.interrupt(reason);
    await this.#undo(reason);
  }

  /**
   * Resolves when everything is durable and seen. Rejects with the reason for which everything is
   * undone instead; only with OUTCOME_UNKNOWN it is the next open that tells.
   */
  async commit(): Promise<void> {
    assert(transactionTable[this.#state].answers.commit === 'accept', 'the work ends once');
    let decided: readonly GroupOffsets[];
    try {
      await Promise.race([this.#tracked.settled(), this.interrupted]);
      this.#move('securing');
      await this.#writes.settled();
      await this.#offsets.hold();
      this.#check();
      await this.#secure();
      decided = await this.#decided();
    } catch (error) {
      await this.#undo(error);
      throw error;
    }
    const participants = this.#writes.participants;
    await this.#decide(() => this.#write(participants, decided));
    this.#move('committed');
    if (this.#isAlone(participants)) this.#completed(this.#identity, false);
    else await this.#complete(participants, decided);
  }

  /** What is to be stored of offsets. When this has it, nothing can stop the decision any more. */
  async #decided(): Promise<readonly GroupOffsets[]> {
    for (;;) {
      this.#check();
      try {
        this.#deliveries.check();
        const decided = this.#offsets.decide();
        this.#move('deciding');
        this.#deliveries.keep();
        return decided;
      } catch (error) {
        if (!this.#offsets.isPassing(error)) throw error;
      }
      await this.#parts.pause(PAUSE_MS);
    }
  }

  /** One participant is decided by its own record; but of a client the outcome is remembered. */
  #isAlone(participants: readonly Participant[]): boolean {
    if (this.#client !== undefined) return false;
    const others = [this.#offsets, this.#deliveries].filter(({ isEmpty }) => !isEmpty);
    return participants.length + others.length <= 1;
  }

  /** Makes durable what the decision needs to be so. */
  async #secure(): Promise<void> {
    const participants = this.#writes.participants;
    const isAlone = this.#isAlone(participants);
    const securing = isAlone ? [] : participants.map((participant) => this.#flush(participant));
    // The messages need no sync: what is given out was durable.
    if (!this.#deliveries.isEmpty) this.#journal = await this.#parts.journal();
    // Whoever has sent has an id already; a decision needs one in any case.
    if (!isAlone) await this.#identify();
    await Promise.all([...securing, this.#offsets.secure()]);
  }

  async #flush(participant: Participant): Promise<void> {
    const { log, lastOffset } = participant;
    if (log.durableOffset > lastOffset) return;
    try {
      await log.flush(lastOffset);
    } catch (error) {
      throw this.#cannotCommit(participant, error);
    }
  }

  /** Writes the record that decides. */
  async #write(
    participants: readonly Participant[],
    decided: readonly GroupOffsets[],
  ): Promise<void> {
    const [first] = participants;
    if (!this.#isAlone(participants)) {
      await this.#parts.log.decide(this.#decision(decided), this.#client?.committed());
    } else if (first !== undefined) await this.#mark(first, 'commit');
    else if (this.#journal !== undefined) await this.#deliveries.decideAlone(this.#journal);
    else await this.#offsets.apply(decided, undefined);
  }

  async #decide(write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      if (hasCode(error, 'OUTCOME_UNKNOWN')) {
        // Its offsets and messages stay held, and its partitions as they are.
        this.#move('unknown');
        this.#offsets.leaveUnknown();
        this.#deliveries.letGo();
        throw error;
      }
      const [first, ...others] = this.#writes.participants;
      const isMarker = first !== undefined && this.#isAlone([first, ...others]);
      const reason = isMarker ? this.#cannotCommit(first, error) : error;
      await this.#undo(reason);
      throw reason;
    }
  }

  #decision(offsets: readonly GroupOffsets[]): Decision {
    assert(this.#identity !== undefined, 'a decision has an id');
    const topicIdOf = (topic: string) => this.#offsets.topicIdOf(topic);
    const deliveries = this.#deliveries.decided();
    const { participants } = this.#writes;
    const writer = this.#client?.writer;
    return decisionOf(this.#identity, { participants, offsets, topicIdOf, deliveries, writer });
  }

  /** Everything that was decided, side by side; resolves when all of it was tried. */
  async #complete(
    participants: readonly Participant[],
    decided: readonly GroupOffsets[],
  ): Promise<void> {
    const identity = this.#identity;
    assert(identity !== undefined, 'a decision has an id');
    const tasks: ((done: () => void) => Promise<void>)[] = participants.map(
      (participant) => (done) => this.#end(participant, 'commit', done),
    );
    if (!this.#offsets.isEmpty) tasks.push((done) => this.#apply(decided, identity, done));
    if (!this.#deliveries.isEmpty) tasks.push((done) => this.#finish(identity, done));
    let left = tasks.length;
    const done = (): void => {
      left -= 1;
      if (left === 0) this.#completed(identity, true);
    };
    if (left === 0) this.#completed(identity, true);
    else await Promise.all(tasks.map((start) => start(done)));
  }

  #finish({ producerId }: TransactionIdentity, done: () => void): Promise<void> {
    this.#deliveries.finish();
    const run = async (): Promise<void> => {
      if (this.#journal !== undefined) await this.#deliveries.store(this.#journal);
    };
    return this.#parts.tasks.start({
      producerId,
      topic: undefined,
      partition: undefined,
      run,
      done,
    });
  }

  #apply(
    decided: readonly GroupOffsets[],
    mark: TransactionIdentity,
    done: () => void,
  ): Promise<void> {
    return this.#parts.tasks.start({
      producerId: mark.producerId,
      topic: undefined,
      partition: undefined,
      run: async () => {
        try {
          await this.#offsets.apply(decided, mark);
        } finally {
          // When it failed, readers see what was; it stays held, so nobody builds on that.
          this.#offsets.endDeciding();
        }
        this.#offsets.release('committed');
      },
      done,
    });
  }

  #completed(identity: TransactionIdentity | undefined, wasDecided: boolean): void {
    this.#move('complete');
    this.#offsets.release('committed');
    this.#resolveEnded();
    if (identity === undefined) return;
    if (wasDecided) this.#parts.log.done(identity).catch(ignore);
    this.#parts.ids.give(identity);
  }

  async #undo(reason: unknown): Promise<void> {
    this.#move('aborting');
    this.#writes.refuse(reason);
    this.#offsets.release('aborted');
    this.#deliveries.thaw();
    await this.#writes.settled();
    const identity = await this.#identifying?.catch(() => undefined);
    const participants = this.#writes.participants;
    let left = participants.length;
    const aborted = (): void => {
      this.#move('aborted');
      if (identity !== undefined) this.#parts.ids.give(identity);
      this.#resolveEnded();
    };
    if (left === 0) {
      aborted();
      return;
    }
    const done = (): void => {
      left -= 1;
      if (left === 0) aborted();
    };
    await Promise.all(participants.map((participant) => this.#end(participant, 'abort', done)));
  }

  #end(participant: Participant, kind: 'commit' | 'abort', done: () => void): Promise<void> {
    const { topic, partition } = participant;
    return this.#parts.tasks.start({
      producerId: this.identity?.producerId ?? -1,
      topic: topic.name,
      partition,
      run: () => this.#markUnlessGone(participant, kind),
      done,
    });
  }

  /** Nothing is left to be ended in a topic that is gone. */
  async #markUnlessGone(participant: Participant, kind: 'commit' | 'abort'): Promise<void> {
    try {
      await this.#mark(participant, kind);
    } catch (error) {
      if (!participant.topic.isDeleted) throw error;
    }
  }

  async #mark({ log }: Participant, kind: 'commit' | 'abort'): Promise<void> {
    const { identity } = this;
    assert(identity !== undefined, 'whoever has sent has an id');
    const { producerId } = identity;
    // A batch that came behind an abort would be refused.
    const abortEpoch = this.#client?.abortEpoch() ?? identity.producerEpoch + 1;
    const producerEpoch = kind === 'abort' ? abortEpoch : identity.producerEpoch;
    await log.appendMarker({
      producerId,
      producerEpoch,
      kind,
      coordinatorEpoch: COORDINATOR_EPOCH,
    });
  }

  /** Throws why it cannot commit. */
  #check(): void {
    if (this.#interruption !== undefined) throw this.#interruption.reason;
    if (this.#failure !== undefined) {
      const reason = 'a send, a commit of offsets, or an acknowledgement has failed';
      throw transactionAborted({ reason }, this.#failure.error);
    }
    const gone = this.#writes.participants.find(({ topic }) => topic.isDeleted);
    if (gone !== undefined) throw this.#cannotCommit(gone, unknownTopic(gone.topic.name));
    this.#offsets.check();
  }

  #cannotCommit({ topic, partition }: Participant, error: unknown): Error {
    const cause = topic.isDeleted ? unknownTopic(topic.name) : error;
    const facts = { reason: 'a partition cannot be written', topic: topic.name, partition };
    return transactionAborted(facts, cause);
  }

  #refusal(): { readonly error: unknown } | undefined {
    if (this.#interruption !== undefined) return { error: this.#interruption.reason };
    const isOpen = transactionTable[this.#state].answers.add === 'accept';
    return isOpen ? undefined : { error: transactionOver(this.#state) };
  }

  #identify(): Promise<TransactionIdentity> {
    this.#identifying ??= this.#parts.ids.take().then((identity) => {
      this.#identity = identity;
      return identity;
    });
    return this.#identifying;
  }

  #failed(error: unknown): void {
    this.#failure ??= { error };
  }

  #move(state: TransactionState): void {
    this.#state = transitionTo(this.#state, state);
  }
}

function ignore(): void {}
