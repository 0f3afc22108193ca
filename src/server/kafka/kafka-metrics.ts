/**
 * The numbers of a server by the names of kafka_exporter, so that dashboards that are there fit;
 * and under names of its own what that one does not tell.
 *
 * Logs of partitions that were ever used are opened for it, as `describe` does.
 */

import { hasCode } from '../../base/errors.js';
import {
  type BrokerEngine,
  describeTopic,
  type GroupDescription,
  type TopicDescription,
} from '../../broker/main.js';
import type { MetricFamily, Sample } from '../metrics/prometheus-text.js';
import type { KafkaCounters } from './kafka-counters.js';
import { NODE_ID } from './kafka-node.js';

export interface KafkaMetricsSource {
  readonly engine: BrokerEngine;
  readonly counters: KafkaCounters;
  readonly address: { readonly host: string; readonly port: number };
  readonly connectionCount: number;
}

export async function kafkaMetrics(source: KafkaMetricsSource): Promise<MetricFamily[]> {
  const topics = await describeTopics(source.engine);
  const groups = await describeGroups(source.engine);
  const { host, port } = source.address;
  const id = String(NODE_ID);
  return [
    gauge('kafka_brokers', 'Number of brokers', [{ labels: {}, value: 1 }]),
    gauge('kafka_broker_info', 'Information about the broker', [
      { labels: { id, address: `${host}:${port}` }, value: 1 },
    ]),
    ...topicFamilies(topics),
    ...groupFamilies(groups),
    ...ownFamilies(source),
  ];
}

/** One that goes meanwhile is left out. */
async function describeTopics({ topics }: BrokerEngine): Promise<TopicDescription[]> {
  const described: TopicDescription[] = [];
  for (const topic of topics.list()) {
    try {
      described.push(await describeTopic(topic));
    } catch (error) {
      if (!hasCode(error, 'UNKNOWN_TOPIC')) throw error;
    }
  }
  return described;
}

async function describeGroups({ groups }: BrokerEngine): Promise<GroupDescription[]> {
  const { admin } = await groups.coordinator();
  const described: GroupDescription[] = [];
  for (const { groupId } of admin.list()) {
    try {
      described.push(await admin.describe(groupId));
    } catch (error) {
      if (!hasCode(error, 'GROUP_NOT_FOUND')) throw error;
    }
  }
  return described;
}

function topicFamilies(topics: readonly TopicDescription[]): MetricFamily[] {
  const perPartition = (
    numberOf: (at: TopicDescription['partitions'][number]) => number,
  ): Sample[] =>
    topics.flatMap(({ name: topic, partitions }) =>
      partitions.map((at) => ({
        labels: { partition: String(at.partition), topic },
        value: numberOf(at),
      })),
    );
  const name = 'kafka_topic_partition';
  return [
    gauge(
      'kafka_topic_partitions',
      'Number of partitions of the topic',
      topics.map(({ name: topic, partitionCount }) => ({
        labels: { topic },
        value: partitionCount,
      })),
    ),
    gauge(
      `${name}_current_offset`,
      'End of the partition',
      perPartition(({ endOffset }) => endOffset),
    ),
    gauge(
      `${name}_oldest_offset`,
      'Beginning of the partition',
      perPartition(({ startOffset }) => startOffset),
    ),
    gauge(
      `${name}_leader`,
      'Node that leads the partition',
      perPartition(() => NODE_ID),
    ),
    gauge(
      `${name}_replicas`,
      'Number of replicas',
      perPartition(() => 1),
    ),
    gauge(
      `${name}_in_sync_replica`,
      'Number of replicas in sync',
      perPartition(() => 1),
    ),
    gauge(
      `${name}_under_replicated_partition`,
      '1 when a replica is not in sync',
      perPartition(() => 0),
    ),
  ];
}

function groupFamilies(groups: readonly GroupDescription[]): MetricFamily[] {
  const name = 'kafka_consumergroup';
  const offsets: Sample[] = [];
  const lags: Sample[] = [];
  const offsetSums = new SumByTopic();
  const lagSums = new SumByTopic();
  for (const { groupId, partitions } of groups) {
    for (const { topic, partition, committedOffset, lag } of partitions) {
      const labels = { consumergroup: groupId, partition: String(partition), topic };
      if (committedOffset === undefined) continue;
      offsets.push({ labels, value: committedOffset });
      offsetSums.add(groupId, topic, committedOffset);
      if (lag === undefined) continue;
      lags.push({ labels, value: lag });
      lagSums.add(groupId, topic, lag);
    }
  }
  const members = groups.map(({ groupId, members: value }) => {
    return { labels: { consumergroup: groupId }, value };
  });
  return [
    gauge(`${name}_members`, 'Number of members of the group', members),
    gauge(`${name}_current_offset`, 'Committed offset of the group', offsets),
    gauge(`${name}_current_offset_sum`, 'Sum over the partitions', offsetSums.samples()),
    gauge(`${name}_lag`, 'Records between the committed offset and the end', lags),
    gauge(`${name}_lag_sum`, 'Sum over the partitions', lagSums.samples()),
  ];
}

function ownFamilies({ counters, connectionCount }: KafkaMetricsSource): MetricFamily[] {
  const byApi = (key: 'requests' | 'requestBytes' | 'answerBytes'): Sample[] =>
    [...counters.apis].map(([api, counts]) => ({ labels: { api }, value: counts[key] }));
  const refusals = [...counters.refusals].map(([reason, value]) => ({ labels: { reason }, value }));
  const name = 'millrace_kafka';
  return [
    counter(`${name}_requests_total`, 'Requests that were begun', byApi('requests')),
    counter(`${name}_request_bytes_total`, 'Bytes of requests', byApi('requestBytes')),
    counter(`${name}_response_bytes_total`, 'Bytes of answers', byApi('answerBytes')),
    gauge(`${name}_connections`, 'Connections that are open', [
      { labels: {}, value: connectionCount },
    ]),
    counter(`${name}_connections_total`, 'Connections that were served', [
      { labels: {}, value: counters.accepted },
    ]),
    counter(`${name}_refusals_total`, 'Connections refused, or ended by a failure', refusals),
  ];
}

/** Sums by group and topic, in the order in which they came up. */
class SumByTopic {
  readonly #sums = new Map<string, { readonly labels: Sample['labels']; value: number }>();

  add(consumergroup: string, topic: string, value: number): void {
    const key = JSON.stringify([consumergroup, topic]);
    const known = this.#sums.get(key);
    if (known === undefined) this.#sums.set(key, { labels: { consumergroup, topic }, value });
    else known.value += value;
  }

  samples(): Sample[] {
    return [...this.#sums.values()];
  }
}

function gauge(name: string, help: string, samples: readonly Sample[]): MetricFamily {
  return { name, help, type: 'gauge', samples };
}

function counter(name: string, help: string, samples: readonly Sample[]): MetricFamily {
  return { name, help, type: 'counter', samples };
}
