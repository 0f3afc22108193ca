/**
 * The share groups of a broker: those that are in use, and the journal of all of them.
 *
 *     __shares-0/    what was given out and what is finished; made by the first share group
 *
 * A group is opened by the first who uses it and closed by the last. Groups of topics that are gone
 * are forgotten.
 */

import { createError } from '../base/errors.js';
import type { LogRecord } from '../storage/main.js';
import type { BrokerEnvironment } from './broker-environment.js';
import { Parking } from './share/parking.js';
import { shareDiagnostics } from './share/share-diagnostics.js';
import { ShareGroup } from './share/share-group.js';
import type { ShareGroupConfig, ShareGroupParts } from './share/share-group-config.js';
import { journalLogOptions, ShareJournal } from './share/share-journal.js';
import type { DeliveryKey } from './share/share-journal-format.js';
import type { PartitionPicker } from './share/share-picker.js';
import type { OpenStates } from './state/open-states.js';
import type { HostedTopic } from './topic/hosted-topic.js';
import { unknownTopic } from './topic/topic-errors.js';
import { internalFolder } from './topic/topic-name.js';
import type { TopicRegistry, TopicWatcher } from './topic/topic-registry.js';

const SHARES = internalFolder('shares');

export interface BrokerSharesParts {
  readonly registry: TopicRegistry;
  readonly states: OpenStates;
  readonly environment: BrokerEnvironment;
}

/** What the first who opens a group decides beside its configuration. */
export interface ShareExtras {
  readonly picker?: PartitionPicker | undefined;
  readonly keyOf?: ((record: LogRecord) => string | undefined) | undefined;
  readonly deleting?: ShareGroupParts['deleting'];
}

/** A group in use; whoever has it gives it back. */
export interface SharedGroup {
  readonly group: ShareGroup;
  /** Closes the group when nobody else uses it. Idempotent. */
  release(): Promise<void>;
}

interface OpenGroup {
  readonly topic: HostedTopic;
  readonly name: string;
  readonly opening: Promise<ShareGroup>;
  /** When it is open. */
  group: ShareGroup | undefined;
  users: number;
  closing: Promise<void> | undefined;
  /** Opened by somebody who only looks, without the options of the group. */
  readonly isVisit: boolean;
  /** Resolves when it is in use no more. */
  readonly over: Promise<void>;
  readonly end: () => void;
}

interface GivenGroup {
  readonly name: string;
  readonly config: ShareGroupConfig;
  readonly extras: ShareExtras;
  readonly isVisit?: boolean;
}

export class BrokerShares implements TopicWatcher {
  readonly #parts: BrokerSharesParts;
  readonly #parking: Parking;
  readonly #open = new Map<string, OpenGroup>();
  /** Groups that are being forgotten: nobody opens them meanwhile. */
  readonly #forgetting = new Map<string, Promise<void>>();
  #opening: Promise<ShareJournal> | undefined;
  #journal: ShareJournal | undefined;
  /** What topics that are gone have left could not be forgotten yet. */
  #hasMissing = false;
  #isClosed = false;

  /** `names`: what lies in the broker's folder. */
  static async open(parts: BrokerSharesParts, names: readonly string[]): Promise<BrokerShares> {
    const shares = new BrokerShares(parts);
    parts.registry.watch(shares);
    if (names.includes(SHARES)) await shares.journal();
    return shares;
  }

  private constructor(parts: BrokerSharesParts) {
    this.#parts = parts;
    const { registry, environment } = parts;
    this.#parking = new Parking({ topics: registry, clock: environment.clock });
  }

  /** Made when somebody needs it. Throws what opening its log throws; the next call tries again. */
  journal(): Promise<ShareJournal> {
    if (this.#opening === undefined) {
      this.#opening = this.#openJournal();
      this.#opening.catch(() => {
        this.#opening = undefined;
      });
    }
    return this.#opening;
  }

  /** Undefined while there was never a share group. */
  get currentJournal(): ShareJournal | undefined {
    return this.#journal;
  }

  /**
   * The group on this topic. What it is opened with counts while it is in use: who comes later gets
   * the group as it is. Throws UNKNOWN_TOPIC, BROKER_CLOSED and what opening a log throws.
   */
  async open(
    topic: HostedTopic,
    name: string,
    config: ShareGroupConfig,
    extras: ShareExtras = {},
  ): Promise<SharedGroup> {
    const text = groupText(topic, name);
    for (;;) {
      if (this.#isClosed) throw createError('BROKER_CLOSED', { topic: topic.name });
      topic.checkOpen();
      const known = this.#open.get(text);
      const isFree = known === undefined || (known.closing === undefined && !known.isVisit);
      if (isFree && !this.#forgetting.has(text)) {
        const given = { name, config, extras };
        return await this.#use(text, known ?? this.#begin(text, topic, given));
      }
      await this.#over(text);
    }
  }

  /**
   * The group for whoever only looks at it, or changes where it is: as it is when it is in use;
   * else whoever wants to use it waits until the visit is over. Throws as `open`.
   */
  async visit(topic: HostedTopic, name: string, config: ShareGroupConfig): Promise<SharedGroup> {
    const text = groupText(topic, name);
    for (;;) {
      if (this.#isClosed) throw createError('BROKER_CLOSED', { topic: topic.name });
      topic.checkOpen();
      const known = this.#open.get(text);
      if (known?.closing === undefined && !this.#forgetting.has(text)) {
        const given = { name, config, extras: {}, isVisit: true };
        return await this.#use(text, known ?? this.#begin(text, topic, given));
      }
      await this.#over(text);
    }
  }

  /** Resolves when what keeps the group from being opened may be over. */
  async #over(text: string): Promise<void> {
    await this.#forgetting.get(text)?.catch(() => undefined);
    await this.#open.get(text)?.over;
  }

  /** The group when it is in use. */
  find(topic: HostedTopic, name: string): ShareGroup | undefined {
    return this.#open.get(groupText(topic, name))?.group;
  }

  /** All that is stored or in use. */
  async keys(): Promise<readonly DeliveryKey[]> {
    return this.#opening === undefined ? [] : (await this.#opening).keys();
  }

  /**
   * Durably forgets a group on a topic; whoever opens it meanwhile waits, and begins anew. Throws
   * GROUP_NOT_EMPTY while it is in use.
   */
  async forget(topic: HostedTopic, name: string): Promise<void> {
    const text = groupText(topic, name);
    if (this.#open.has(text)) {
      throw createError('GROUP_NOT_EMPTY', { group: name, topic: topic.name });
    }
    const known = this.#forgetting.get(text);
    const forgetting = known ?? this.#forgetNow(topic, name);
    this.#forgetting.set(text, forgetting);
    try {
      await forgetting;
    } finally {
      this.#forgetting.delete(text);
    }
  }

  async #forgetNow(topic: HostedTopic, name: string): Promise<void> {
    const { topicId } = topic.definition;
    await this.#parking.forget(topic, name);
    await this.#journal?.forget({ group: name, topicId });
  }

  /** Durably forgets everything about these topics; nobody uses groups on them. */
  async forgetTopics(topicIds: Iterable<string>): Promise<void> {
    for (const topicId of topicIds) await this.#journal?.forget({ topicId });
  }

  opened(topic: string, partition: number): void {
    for (const { group, topic: hosted } of this.#open.values()) {
      if (hosted.name === topic) group?.noticePartition(partition);
    }
  }

  /** What an earlier topic has left may have been impossible to forget. */
  async creating(): Promise<void> {
    if (this.#hasMissing) await this.#forgetMissing();
  }

  deleting(topic: string): void {
    for (const open of this.#open.values()) {
      if (open.topic.name === topic) void this.#end(open, unknownTopic(topic));
    }
  }

  async deleted(topic: string): Promise<void> {
    const ending = [...this.#open.values()].filter((open) => open.topic.name === topic);
    await Promise.allSettled(ending.map(({ closing }) => closing));
    await this.#forgetMissing();
  }

  /** Leases are given back, waits end, what is owed is stored. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const closing = [...this.#open.values()].map((open) => this.#end(open, undefined));
    await Promise.allSettled(closing);
    const journal = await this.#opening?.catch(() => undefined);
    await journal?.close();
  }

  #begin(
    text: string,
    topic: HostedTopic,
    { name, config, extras, isVisit = false }: GivenGroup,
  ): OpenGroup {
    const { clock } = this.#parts.environment;
    const opening = this.journal().then((journal) =>
      ShareGroup.open({
        topic,
        group: name,
        clock,
        journal,
        config,
        parking: this.#parking,
        ...extras,
      }),
    );
    let end = (): void => {};
    const over = new Promise<void>((resolve) => {
      end = resolve;
    });
    const open: OpenGroup = {
      topic,
      name,
      opening,
      group: undefined,
      users: 0,
      closing: undefined,
      isVisit,
      over,
      end,
    };
    this.#open.set(text, open);
    opening.then(
      (group) => {
        open.group = group;
        // Partitions whose logs were opened meanwhile.
        for (let partition = 0; partition < topic.partitions; partition += 1) {
          if (topic.openPartition(partition) !== undefined) group.noticePartition(partition);
        }
      },
      () => {
        this.#open.delete(text);
        open.end();
      },
    );
    return open;
  }

  async #use(text: string, open: OpenGroup): Promise<SharedGroup> {
    open.users += 1;
    const group = await open.opening;
    let isReleased = false;
    const release = async (): Promise<void> => {
      if (isReleased) return;
      isReleased = true;
      open.users -= 1;
      if (open.users === 0) await this.#end(open, undefined);
    };
    if (open.closing === undefined) return { group, release };
    await release();
    this.#open.delete(text);
    open.topic.checkOpen();
    throw createError('BROKER_CLOSED', { topic: open.topic.name });
  }

  #end(open: OpenGroup, error: unknown): Promise<void> {
    open.closing ??= this.#endNow(open, error);
    return open.closing;
  }

  async #endNow(open: OpenGroup, error: unknown): Promise<void> {
    try {
      const group = await open.opening.catch(() => undefined);
      if (error === undefined) await group?.close();
      else await group?.end(error);
    } finally {
      this.#open.delete(groupText(open.topic, open.name));
      open.end();
    }
  }

  async #openJournal(): Promise<ShareJournal> {
    const { states, environment } = this.#parts;
    const log = await states.openLog(SHARES, journalLogOptions);
    const journal = await ShareJournal.open(log, environment.clock);
    this.#journal = journal;
    try {
      await this.#forgetMissing();
    } catch (cause) {
      // A full disk is no reason not to open: it is done before a topic is made.
      shareDiagnostics.upkeepFailed.publish({ group: '', topic: '', cause });
    }
    return journal;
  }

  /** Forgets groups on topics that are gone. */
  async #forgetMissing(): Promise<void> {
    const journal = this.#journal;
    if (journal === undefined) return;
    this.#hasMissing = true;
    const present = new Set(this.#parts.registry.all().map(({ definition }) => definition.topicId));
    const gone = new Set(journal.keys().map(({ topicId }) => topicId));
    for (const topicId of gone) if (!present.has(topicId)) await journal.forget({ topicId });
    this.#hasMissing = false;
  }
}

function groupText(topic: HostedTopic, name: string): string {
  return `${topic.definition.topicId}/${name}`;
}
