/**
 * What earlier processes have left of transactions, and how it is brought to an end.
 *
 * At open every decision that is not done is carried out: offsets and deliveries first, before any
 * group is used, then markers. A partition
 * that nobody uses yet is brought to an end when it is opened, before anybody gets its log: what is
 * open in it was decided, or is aborted.
 */

import { createError } from '../../base/errors.js';
import type { ProducerDescription } from '../../storage/main.js';
import type { GroupCoordinator } from '../group/group-coordinator.js';
import type { HostedTopic } from '../topic/hosted-topic.js';
import type { PartitionLog } from '../topic/partition-log.js';
import type { TopicWatcher } from '../topic/topic-registry.js';
import { type DeliveryJournal, entriesOf, storeEntries } from './held-deliveries.js';
import { type Decision, offsetsOf } from './transaction-decision.js';
import { transactionDiagnostics } from './transaction-diagnostics.js';
import type { TransactionLog } from './transaction-log.js';
import { redoOf, verdictOf } from './transaction-state.js';
import type { TransactionTasks } from './transaction-tasks.js';

const EPOCH_MAX = 2 ** 15 - 1;

export interface RecoveryParts {
  readonly log: TransactionLog;
  readonly tasks: TransactionTasks;
  /** `all`: those of the broker's own too. */
  readonly topics: { all(): readonly HostedTopic[]; find(name: string): HostedTopic | undefined };
  /** Makes the groups' coordinator when there is none. */
  readonly groups: () => Promise<GroupCoordinator>;
  readonly currentGroups: () => GroupCoordinator | undefined;
  /** Makes the journal when there is none; no share group is open yet. */
  readonly journal: () => Promise<DeliveryJournal>;
}

export class TransactionRecovery implements TopicWatcher {
  readonly #parts: RecoveryParts;
  /** Partitions that lack the marker of a decision that was found at open. */
  readonly #left = new Map<Decision, Set<string>>();
  #isRedone = false;

  constructor(parts: RecoveryParts) {
    this.#parts = parts;
  }

  /**
   * Carries out what was decided. A partition that cannot be opened keeps its decision waiting;
   * offsets and deliveries that cannot be stored make this reject: nobody may read the old ones.
   */
  async redo(): Promise<void> {
    const { log, currentGroups } = this.#parts;
    const found = [...log.pending.values()];
    const topics = new Map(this.#parts.topics.all().map((one) => [one.definition.topicId, one]));
    for (const decision of found) await this.#restoreOffsets(decision, topics);
    for (const decision of found) await this.#restoreDeliveries(decision, topics);
    for (const decision of found) await this.#restoreMarkers(decision, topics);
    const over = found.filter((decision) => !this.#left.has(decision));
    this.#isRedone = true;
    // A decision that might be found again needs its mark: that goes last.
    await Promise.all(over.map((decision) => log.done(decision, 'durable')));
    await currentGroups()?.dropMarks((producerId) => !log.pending.has(producerId));
  }

  /** Ends what is open in a partition that nobody has used since the program began. */
  async opening(topic: string, partition: number, log: PartitionLog): Promise<void> {
    const hosted = this.#parts.topics.find(topic);
    const open = log.producers().filter(({ transactionOffset }) => transactionOffset !== undefined);
    if (hosted === undefined || open.length === 0) return;
    await Promise.all(open.map((producer) => this.#settle(hosted, partition, log, producer)));
  }

  async #restoreOffsets(
    decision: Decision,
    topics: ReadonlyMap<string, HostedTopic>,
  ): Promise<void> {
    if (decision.groups.length === 0) return;
    const groups = await this.#parts.groups();
    const isMissing = !groups.hasMark(decision);
    const wanted = decision.groups.map(({ group, offsets }) => ({
      group,
      offsets: offsets.filter(({ topicId, committed }) => {
        const isThere = topics.get(topicId)?.name === committed.topic;
        return redoOf({ isThere, kind: 'offset', isMissing }) === 'store';
      }),
    }));
    const groupsLeft = wanted.filter(({ offsets }) => offsets.length > 0);
    if (groupsLeft.length === 0) return;
    await groups.restoreOffsets(decision, offsetsOf({ groups: groupsLeft }));
  }

  async #restoreDeliveries(
    { deliveries }: Decision,
    topics: ReadonlyMap<string, HostedTopic>,
  ): Promise<void> {
    if (deliveries.length === 0) return;
    const journal = await this.#parts.journal();
    const wanted = deliveries.filter((decided) => {
      const { topicId, partition, generation } = decided;
      const topic = topics.get(topicId);
      const isThere = topic !== undefined && partition < topic.partitions;
      const isMissing = (journal.generationOf(decided) ?? generation) === generation;
      return redoOf({ isThere, kind: 'deliveries', isMissing }) === 'store';
    });
    await storeEntries(journal, entriesOf(wanted));
  }

  async #restoreMarkers(
    decision: Decision,
    topics: ReadonlyMap<string, HostedTopic>,
  ): Promise<void> {
    const there = decision.partitions.flatMap(({ topicId, partition }) => {
      const topic = topics.get(topicId);
      const isThere = topic !== undefined && partition < topic.partitions;
      return isThere ? [{ topic, partition }] : [];
    });
    const left = new Set(there.map(({ topic, partition }) => placeOf(topic, partition)));
    if (left.size > 0) this.#left.set(decision, left);
    const opening = there.map(async ({ topic, partition }) => {
      try {
        // Whatever is missing is written while the log is opened.
        const log = await topic.partition(partition);
        const place = { topicId: topic.definition.topicId, partition };
        const isMissing = log.producers().some((one) => isOpenOf(decision, place, one));
        if (redoOf({ isThere: true, kind: 'partition', isMissing }) === 'marker') return;
        this.#ended(decision, topic, partition);
      } catch (cause) {
        const { producerId } = decision;
        const about = { producerId, topic: topic.name, partition, retryMs: undefined };
        transactionDiagnostics.unfinished.publish({ ...about, cause });
      }
    });
    await Promise.all(opening);
  }

  /** Writes the marker of one that is open. */
  async #settle(
    topic: HostedTopic,
    partition: number,
    log: PartitionLog,
    producer: ProducerDescription,
  ): Promise<void> {
    const { producerId, producerEpoch, coordinatorEpoch } = producer;
    const place = { topicId: topic.definition.topicId, partition };
    const decision = this.#decisionAbout(place, producer);
    const writer = decision?.writer ?? decision;
    const verdict = verdictOf({
      isDecided: decision !== undefined,
      isSameEpoch: writer?.producerEpoch === producerEpoch,
      isNamed: decision?.partitions.some((one) => isPlace(one, place)) === true,
    });
    if (verdict === 'damaged') {
      const facts = { topic: topic.name, partition, producerId: producerId.toString() };
      const expected = 'a partition that the decision names';
      throw createError('LOG_CORRUPT', { ...facts, expected });
    }
    const isAborted = verdict === 'abort';
    const marker = {
      producerId,
      producerEpoch: isAborted ? Math.min(producerEpoch + 1, EPOCH_MAX) : producerEpoch,
      kind: verdict,
      coordinatorEpoch: Math.max(coordinatorEpoch, 0),
    };
    await this.#parts.tasks.start({
      producerId,
      topic: topic.name,
      partition,
      run: async () => {
        if (!topic.isDeleted) await log.appendMarker(marker);
      },
      done: () => {
        if (decision !== undefined && !isAborted) this.#ended(decision, topic, partition);
      },
    });
  }

  /** Of a client there may be several: the one that names what is open, or none. */
  #decisionAbout(place: Place, producer: ProducerDescription): Decision | undefined {
    const { pending } = this.#parts.log;
    const own = pending.get(Number(producer.producerId));
    if (own !== undefined && own.writer === undefined) return own;
    for (const decision of pending.values()) {
      if (decision.writer !== undefined && isOpenOf(decision, place, producer)) return decision;
    }
    return undefined;
  }

  /** The partition has the marker of the decision; the last one makes it done. */
  #ended(decision: Decision, topic: HostedTopic, partition: number): void {
    const left = this.#left.get(decision);
    if (left?.delete(placeOf(topic, partition)) !== true || left.size > 0) return;
    this.#left.delete(decision);
    if (this.#isRedone) this.#parts.log.done(decision).catch(() => undefined);
  }
}

interface Place {
  readonly topicId: string;
  readonly partition: number;
}

/** Whether what the producer has open there is the transaction of the decision. */
function isOpenOf(decision: Decision, place: Place, producer: ProducerDescription): boolean {
  const { producerId, producerEpoch } = decision.writer ?? decision;
  const { transactionOffset } = producer;
  if (producer.producerId !== BigInt(producerId)) return false;
  if (producer.producerEpoch !== producerEpoch || transactionOffset === undefined) return false;
  if (decision.writer === undefined) return true;
  // With the same epoch a client may have begun the next one, behind the end of this one.
  const end = decision.partitions.find((one) => isPlace(one, place))?.end ?? 0;
  return transactionOffset < end;
}

function isPlace(one: Place, other: Place): boolean {
  return one.topicId === other.topicId && one.partition === other.partition;
}

function placeOf(topic: HostedTopic, partition: number): string {
  return `${topic.definition.topicId}/${partition}`;
}
