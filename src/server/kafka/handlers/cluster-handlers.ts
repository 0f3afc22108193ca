/**
 * What clients ask about the server: its versions, its topics, and who coordinates.
 */

import { hasCode } from '../../../base/errors.js';
import { apis } from '../apis.js';
import type { RequestAccess } from '../authorization.js';
import { kafkaErrorOf, kafkaErrors } from '../error-codes.js';
import type { Handlers, RequestContext } from '../handler-table.js';
import { addressFor, type KafkaNode, NODE_ID } from '../kafka-node.js';
import { apiVersions, describeCluster, findCoordinator, metadata } from '../messages/cluster.js';
import type { RequestOf, ResponseOf } from '../wire-api.js';
import { NO_UUID } from '../wire-type.js';

type MetadataRequest = RequestOf<typeof metadata>;
type MetadataTopic = ResponseOf<typeof metadata>['topics'][number];

const PRODUCE_KEY = 0;
/** As the protocol has it for clients: letters, digits, dots and hyphens. */
const SOFTWARE_NAME = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/;
const NO_OPERATIONS = -0x8000_0000;
const SOFTWARE_FROM = 3;
/** What FindCoordinator asks about. */
const OF_TRANSACTION = 1;

export function addClusterHandlers(handlers: Handlers, node: KafkaNode): void {
  handlers.add(apiVersions, (request, { version }) => {
    const { clientSoftwareName, clientSoftwareVersion } = request;
    const texts = [clientSoftwareName, clientSoftwareVersion];
    const isFine = version < SOFTWARE_FROM || texts.every((text) => SOFTWARE_NAME.test(text));
    const errorCode = isFine ? kafkaErrors.NONE : kafkaErrors.INVALID_REQUEST;
    return { ...spokenVersions(handlers), errorCode };
  });
  handlers.add(metadata, (request, context) => answerMetadata(node, request, context));
  handlers.add(findCoordinator, ({ key, keyType, coordinatorKeys }, context) => {
    const address = { nodeId: NODE_ID, ...addressFor(node, context) };
    const kind = keyType === OF_TRANSACTION ? 'transaction' : 'group';
    const outcomeFor = (name: string): { errorCode: number; errorMessage: string | null } => {
      const errorCode = codeOf(() => context.access.check(kind, name));
      return { errorCode, errorMessage: null };
    };
    return {
      throttleTimeMs: 0,
      ...outcomeFor(coordinatorKeys[0] ?? key),
      ...address,
      coordinators: [...coordinatorKeys, ...(key === '' ? [] : [key])].map((one) => ({
        key: one,
        ...address,
        ...outcomeFor(one),
      })),
    };
  });
  handlers.add(describeCluster, ({ endpointType }, context) => ({
    throttleTimeMs: 0,
    errorCode: kafkaErrors.NONE,
    errorMessage: null,
    endpointType,
    clusterId: node.clusterId,
    controllerId: NODE_ID,
    brokers: [{ brokerId: NODE_ID, ...addressFor(node, context), rack: null, isFenced: false }],
    clusterAuthorizedOperations: NO_OPERATIONS,
  }));
}

function codeOf(check: () => void): number {
  try {
    check();
    return kafkaErrors.NONE;
  } catch (error) {
    return kafkaErrorOf(error);
  }
}

/** What is spoken, as ApiVersions tells it. */
export function spokenVersions(handlers: Handlers): ResponseOf<typeof apiVersions> {
  const spoken = apis.filter(({ key }) => handlers.find(key) !== undefined);
  return {
    errorCode: kafkaErrors.NONE,
    apiKeys: spoken.map(({ key, versionMin, versionMax }) => ({
      apiKey: key,
      // Older librdkafka takes a missing version 0 to mean that nothing may be compressed.
      minVersion: key === PRODUCE_KEY ? 0 : versionMin,
      maxVersion: versionMax,
    })),
    throttleTimeMs: 0,
    supportedFeatures: [],
    finalizedFeaturesEpoch: -1,
    finalizedFeatures: [],
    zkMigrationReady: false,
  };
}

async function answerMetadata(
  node: KafkaNode,
  request: MetadataRequest,
  context: RequestContext,
): Promise<ResponseOf<typeof metadata>> {
  const { version } = context;
  const isAll = request.topics === null || (version === 0 && request.topics.length === 0);
  const topics: MetadataTopic[] = [];
  if (isAll) {
    for (const { name } of node.engine.topics.list()) {
      if (context.access.may('topic', name)) topics.push(describe(node, name));
    }
  }
  for (const wanted of isAll ? [] : (request.topics ?? [])) {
    topics.push(await look(node, wanted, request.allowAutoTopicCreation, context.access));
  }
  return {
    throttleTimeMs: 0,
    brokers: [{ nodeId: NODE_ID, ...addressFor(node, context), rack: null }],
    clusterId: node.clusterId,
    controllerId: NODE_ID,
    topics,
    clusterAuthorizedOperations: NO_OPERATIONS,
    errorCode: kafkaErrors.NONE,
  };
}

async function look(
  node: KafkaNode,
  { name, topicId }: { readonly name: string | null; readonly topicId: string },
  mayCreate: boolean,
  access: RequestAccess,
): Promise<MetadataTopic> {
  const { topics } = node.engine;
  const { TOPIC_AUTHORIZATION_FAILED } = kafkaErrors;
  // With an id the name is not looked at: clients leave it null, or empty.
  if (name === null || topicId !== NO_UUID) {
    const byId = topics.list().find(({ definition }) => definition.topicId === topicId);
    const isAllowed = byId !== undefined && access.may('topic', byId.name);
    if (isAllowed) return describe(node, byId.name);
    return absent(null, topicId, kafkaErrors.UNKNOWN_TOPIC_ID);
  }
  const isThere = topics.find(name) !== undefined;
  if (!access.may('topic', name)) return absent(name, NO_UUID, TOPIC_AUTHORIZATION_FAILED);
  if (!isThere) {
    try {
      if (!mayCreate || !node.config.autoCreateTopics) topics.get(name);
      else {
        access.check('newTopic', name);
        await topics.create(name, { partitions: node.config.partitions });
      }
    } catch (error) {
      // Somebody else has made it meanwhile.
      if (!hasCode(error, 'TOPIC_EXISTS')) return absent(name, NO_UUID, kafkaErrorOf(error));
    }
  }
  return describe(node, name);
}

function describe({ engine }: KafkaNode, name: string): MetadataTopic {
  const topic = engine.topics.find(name);
  if (topic === undefined) return absent(name, NO_UUID, kafkaErrors.UNKNOWN_TOPIC_OR_PARTITION);
  const { topicId } = topic.definition;
  return {
    errorCode: kafkaErrors.NONE,
    name,
    topicId,
    isInternal: false,
    partitions: Array.from({ length: topic.partitions }, (_, partitionIndex) => ({
      errorCode: kafkaErrors.NONE,
      partitionIndex,
      leaderId: NODE_ID,
      leaderEpoch: 0,
      replicaNodes: [NODE_ID],
      isrNodes: [NODE_ID],
      offlineReplicas: [],
    })),
    topicAuthorizedOperations: NO_OPERATIONS,
  };
}

function absent(name: string | null, topicId: string, errorCode: number): MetadataTopic {
  return {
    errorCode,
    name,
    topicId,
    isInternal: false,
    partitions: [],
    topicAuthorizedOperations: NO_OPERATIONS,
  };
}
