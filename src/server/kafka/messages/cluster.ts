/**
 * Messages about the server itself: ApiVersions, Metadata, FindCoordinator, DescribeCluster,
 * DescribeLogDirs, and the two of SASL. Fields and versions are facts of Apache Kafka 4.4.
 */

import { defineApi } from '../wire-api.js';
import { field, struct } from '../wire-struct.js';
import {
  bool,
  bytes,
  int8,
  int16,
  int32,
  int64,
  list,
  nullableList,
  nullableText,
  text,
  uuid,
} from '../wire-type.js';

/** What a list of operations is when nobody asked for it. */
const NO_OPERATIONS = -0x8000_0000;

export const apiVersions = defineApi({
  key: 18,
  name: 'ApiVersions',
  versions: [0, 4],
  flexibleFrom: 3,
  request: {
    clientSoftwareName: field(text, { from: 3 }),
    clientSoftwareVersion: field(text, { from: 3 }),
  },
  response: {
    errorCode: field(int16),
    apiKeys: field(
      list(struct({ apiKey: field(int16), minVersion: field(int16), maxVersion: field(int16) })),
    ),
    throttleTimeMs: field(int32, { from: 1 }),
    supportedFeatures: field(
      list(struct({ name: field(text), minVersion: field(int16), maxVersion: field(int16) })),
      { from: 3, tag: 0 },
    ),
    finalizedFeaturesEpoch: field(int64, { from: 3, tag: 1, absent: -1 }),
    finalizedFeatures: field(
      list(
        struct({ name: field(text), maxVersionLevel: field(int16), minVersionLevel: field(int16) }),
      ),
      { from: 3, tag: 2 },
    ),
    zkMigrationReady: field(bool, { from: 3, tag: 3 }),
  },
});

export const metadata = defineApi({
  key: 3,
  name: 'Metadata',
  versions: [0, 13],
  flexibleFrom: 9,
  request: {
    /** Null: all of them, as is an empty list in version 0. */
    topics: field(
      nullableList(
        struct({
          topicId: field(uuid, { from: 10 }),
          name: field(nullableText, { nullableFrom: 10 }),
        }),
      ),
      { nullableFrom: 1 },
    ),
    allowAutoTopicCreation: field(bool, { from: 4, absent: true }),
    includeClusterAuthorizedOperations: field(bool, { from: 8, to: 10 }),
    includeTopicAuthorizedOperations: field(bool, { from: 8 }),
  },
  response: {
    throttleTimeMs: field(int32, { from: 3 }),
    brokers: field(
      list(
        struct({
          nodeId: field(int32),
          host: field(text),
          port: field(int32),
          rack: field(nullableText, { from: 1 }),
        }),
      ),
    ),
    clusterId: field(nullableText, { from: 2 }),
    controllerId: field(int32, { from: 1, absent: -1 }),
    topics: field(
      list(
        struct({
          errorCode: field(int16),
          name: field(nullableText, { nullableFrom: 12 }),
          topicId: field(uuid, { from: 10 }),
          isInternal: field(bool, { from: 1 }),
          partitions: field(
            list(
              struct({
                errorCode: field(int16),
                partitionIndex: field(int32),
                leaderId: field(int32),
                leaderEpoch: field(int32, { from: 7, absent: -1 }),
                replicaNodes: field(list(int32)),
                isrNodes: field(list(int32)),
                offlineReplicas: field(list(int32), { from: 5 }),
              }),
            ),
          ),
          topicAuthorizedOperations: field(int32, { from: 8, absent: NO_OPERATIONS }),
        }),
      ),
    ),
    clusterAuthorizedOperations: field(int32, { from: 8, to: 10, absent: NO_OPERATIONS }),
    errorCode: field(int16, { from: 13 }),
  },
});

export const findCoordinator = defineApi({
  key: 10,
  name: 'FindCoordinator',
  versions: [0, 6],
  flexibleFrom: 3,
  request: {
    key: field(text, { to: 3 }),
    /** 0 a group, 1 a transactional id, 2 a share. */
    keyType: field(int8, { from: 1 }),
    coordinatorKeys: field(list(text), { from: 4 }),
  },
  response: {
    throttleTimeMs: field(int32, { from: 1 }),
    errorCode: field(int16, { to: 3 }),
    errorMessage: field(nullableText, { from: 1, to: 3 }),
    nodeId: field(int32, { to: 3 }),
    host: field(text, { to: 3 }),
    port: field(int32, { to: 3 }),
    coordinators: field(
      list(
        struct({
          key: field(text),
          nodeId: field(int32),
          host: field(text),
          port: field(int32),
          errorCode: field(int16),
          errorMessage: field(nullableText),
        }),
      ),
      { from: 4 },
    ),
  },
});

export const describeCluster = defineApi({
  key: 60,
  name: 'DescribeCluster',
  versions: [0, 2],
  flexibleFrom: 0,
  request: {
    includeClusterAuthorizedOperations: field(bool),
    /** 1 brokers, 2 controllers. */
    endpointType: field(int8, { from: 1, absent: 1 }),
    includeFencedBrokers: field(bool, { from: 2 }),
  },
  response: {
    throttleTimeMs: field(int32),
    errorCode: field(int16),
    errorMessage: field(nullableText),
    endpointType: field(int8, { from: 1, absent: 1 }),
    clusterId: field(text),
    controllerId: field(int32, { absent: -1 }),
    brokers: field(
      list(
        struct({
          brokerId: field(int32),
          host: field(text),
          port: field(int32),
          rack: field(nullableText),
          isFenced: field(bool, { from: 2 }),
        }),
      ),
    ),
    clusterAuthorizedOperations: field(int32, { absent: NO_OPERATIONS }),
  },
});

export const describeLogDirs = defineApi({
  key: 35,
  name: 'DescribeLogDirs',
  versions: [1, 4],
  flexibleFrom: 2,
  request: {
    topics: field(nullableList(struct({ topic: field(text), partitions: field(list(int32)) }))),
  },
  response: {
    throttleTimeMs: field(int32),
    errorCode: field(int16, { from: 3 }),
    results: field(
      list(
        struct({
          errorCode: field(int16),
          logDir: field(text),
          topics: field(
            list(
              struct({
                name: field(text),
                partitions: field(
                  list(
                    struct({
                      partitionIndex: field(int32),
                      partitionSize: field(int64),
                      offsetLag: field(int64),
                      isFutureKey: field(bool),
                    }),
                  ),
                ),
              }),
            ),
          ),
          totalBytes: field(int64, { from: 4, absent: -1 }),
          usableBytes: field(int64, { from: 4, absent: -1 }),
        }),
      ),
    ),
  },
});

export const saslHandshake = defineApi({
  key: 17,
  name: 'SaslHandshake',
  /** After version 0 what follows is no request: see `SaslSession.takesTokens`. */
  versions: [0, 1],
  request: { mechanism: field(text) },
  response: { errorCode: field(int16), mechanisms: field(list(text)) },
});

export const saslAuthenticate = defineApi({
  key: 36,
  name: 'SaslAuthenticate',
  versions: [0, 2],
  flexibleFrom: 2,
  request: { authBytes: field(bytes) },
  response: {
    errorCode: field(int16),
    errorMessage: field(nullableText),
    authBytes: field(bytes),
    sessionLifetimeMs: field(int64, { from: 1 }),
  },
});
