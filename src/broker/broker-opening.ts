/**
 * How a broker is opened: its parts, in the order in which each needs those before it.
 *
 * What earlier processes left unfinished is finished on the way: deletions of topics and queues,
 * what was decided about transactions, and bindings to who is gone.
 */

import { createError, hasCode } from '../base/errors.js';
import { resolveOptions } from '../base/options.js';
import { LogsFolder } from '../storage/main.js';
import { BrokerConsumers } from './broker-consumers.js';
import type { BrokerEnvironment } from './broker-environment.js';
import { BrokerExchanges } from './broker-exchanges.js';
import { BrokerGroups } from './broker-groups.js';
import { type BrokerOptions, brokerOptionTable } from './broker-options.js';
import { BrokerQueues } from './broker-queues.js';
import { BrokerShares } from './broker-shares.js';
import { waitingNumber } from './delayed/delayed-header.js';
import { delayedTopicName } from './delayed/delayed-topic.js';
import { queueTarget } from './exchange/exchange-queue.js';
import type { GroupOptions } from './group/group-options.js';
import { GroupSettings } from './group/group-settings.js';
import { Deduplications } from './producer/deduplications.js';
import { ProducerCore } from './producer/producer-core.js';
import { ProducerIds } from './producer/producer-ids.js';
import { Replies } from './queue/request-replies.js';
import { ShareOpenings } from './share/share-opening.js';
import { OpenStates } from './state/open-states.js';
import { internalFolder } from './topic/topic-name.js';
import { TopicRegistry } from './topic/topic-registry.js';
import { TransactionCoordinator } from './transaction/transaction-coordinator.js';

export interface BrokerParts {
  /** 32 hexadecimal digits, the same as long as the folder is. */
  readonly id: string;
  readonly folder: LogsFolder;
  readonly topics: TopicRegistry;
  readonly environment: BrokerEnvironment;
  readonly ids: ProducerIds;
  /** Logs of the broker's own state that are open, to be closed with it. */
  readonly states: OpenStates;
  readonly deduplications: Deduplications;
  readonly groups: BrokerGroups;
  readonly groupSettings: GroupSettings;
  readonly consumers: BrokerConsumers;
  readonly shares: BrokerShares;
  /** Share groups that consumers of topics use. */
  readonly shareOpenings: ShareOpenings;
  readonly transactions: TransactionCoordinator;
  readonly exchanges: BrokerExchanges;
  readonly queues: BrokerQueues;
  /** Requests through queues that wait for their replies. */
  readonly replies: Replies;
}

const DEFINITIONS = internalFolder('topics');
const PRODUCERS = internalFolder('producers');
const DEDUPLICATION = internalFolder('deduplication');
const GROUP_SETTINGS = internalFolder('group-settings');

/** Throws as `Broker.open`; then nothing stays open. */
export async function openBrokerParts(
  directory: string,
  options: BrokerOptions,
  environment: BrokerEnvironment,
): Promise<BrokerParts> {
  const { create, ...groupOptions } = resolveOptions(brokerOptionTable, options, directory);
  const folder = await openFolder(directory, create, environment);
  const states = new OpenStates(folder);
  let topics: TopicRegistry | undefined;
  try {
    await checkFolder(folder, create);
    const definitions = await states.open(DEFINITIONS);
    const id = await states.idOf(DEFINITIONS);
    topics = await TopicRegistry.load(folder, definitions, environment);
    return await openOver({ id, folder, topics, environment, states }, groupOptions);
  } catch (error) {
    await topics?.close().catch(() => undefined);
    await states.close().catch(() => undefined);
    await folder.close();
    throw error;
  }
}

type FirstParts = Pick<BrokerParts, 'id' | 'folder' | 'topics' | 'environment' | 'states'>;

/** What there is over topics. */
async function openOver(first: FirstParts, options: GroupOptions): Promise<BrokerParts> {
  const { folder, topics, environment, states } = first;
  const { clock, storage } = environment;
  const { directory } = folder;
  const names = await folder.names();
  const ids = new ProducerIds(() => states.open(PRODUCERS));
  const deduplications = deduplicationsOf(first, names);
  const groups = await BrokerGroups.open({ registry: topics, states, environment, options }, names);
  const shares = await BrokerShares.open({ registry: topics, states, environment }, names);
  const groupSettings = await GroupSettings.open(() => states.open(GROUP_SETTINGS), {
    isThere: names.includes(GROUP_SETTINGS),
  });
  const journal = () => shares.journal();
  const transactions = await TransactionCoordinator.open(
    { directory, environment, states, topics, groups, ids, journal },
    names,
  );
  const replies = new Replies(clock, storage.newLogId());
  const makeProducer = (): ProducerCore => new ProducerCore({}, environment, ids, deduplications);
  const queues = await BrokerQueues.open(
    {
      environment,
      topics,
      states,
      shares,
      transactions,
      replies,
      deduplications,
      makeProducer,
    },
    names,
  );
  const exchanges = await BrokerExchanges.open(
    {
      directory,
      states,
      targets: {
        findTopic: (name) => topics.find(name),
        findQueue: (name) => {
          const queue = queues.find(name);
          return queue === undefined ? undefined : queueTarget(queue);
        },
      },
      transact: (work) => transactions.run(work),
      deduplications,
      makeProducer,
    },
    names,
  );
  topics.watch(exchanges.exchanges);
  const consumers = new BrokerConsumers(clock, topics, groups);
  const shareOpenings = new ShareOpenings({ clock, shares, topics, transactions });
  return {
    ...first,
    ids,
    deduplications,
    groups,
    groupSettings,
    consumers,
    shares,
    shareOpenings,
    transactions,
    exchanges,
    queues,
    replies,
  };
}

function deduplicationsOf(
  { topics, environment, states }: FirstParts,
  names: readonly string[],
): Deduplications {
  const deduplications = new Deduplications({
    clock: environment.clock,
    hasState: names.includes(DEDUPLICATION),
    openState: () => states.open(DEDUPLICATION),
    waitingRoom: ({ name }) => topics.find(delayedTopicName(name)),
    numberOf: waitingNumber,
    topicIds: () => new Set(topics.all().map(({ definition }) => definition.topicId)),
  });
  topics.watch({ deleted: () => deduplications.forgetDeleted() });
  return deduplications;
}

async function openFolder(
  directory: string,
  mayCreate: boolean,
  environment: BrokerEnvironment,
): Promise<LogsFolder> {
  try {
    return await LogsFolder.open(directory, mayCreate, environment.storage);
  } catch (error) {
    if (!hasCode(error, 'LOG_NOT_FOUND')) throw error;
    throw createError('NOT_A_BROKER', { path: directory, actual: 'absent' }, error);
  }
}

/** A folder without definitions is a new broker when nothing else is in it. */
async function checkFolder(folder: LogsFolder, mayCreate: boolean): Promise<void> {
  const names = await folder.names();
  if (names.includes(DEFINITIONS)) return;
  const stranger = names.find((name) => !name.startsWith('.'));
  if (stranger === undefined && mayCreate) return;
  const facts = { expected: DEFINITIONS, actual: stranger ?? 'an empty folder' };
  throw createError('NOT_A_BROKER', { path: folder.directory, ...facts });
}
