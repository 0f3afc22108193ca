/**
 * The share groups that clients are told of: those that have members, and those that are stored.
 * The groups of queues are none of theirs.
 */

import { isGroupOfQueue } from '../../broker/main.js';
import type { KafkaNode } from './kafka-node.js';

/** The topics on which the group is stored or in use. */
export async function sharedTopicsOf(node: KafkaNode, groupId: string): Promise<string[]> {
  return [...((await sharedTopics(node)).get(groupId) ?? [])];
}

/** All share groups, with whether they have members. */
export async function listShareGroups(
  node: KafkaNode,
): Promise<{ readonly groupId: string; readonly state: 'Stable' | 'Empty' }[]> {
  const stored = await sharedTopics(node);
  const ids = new Set([...stored.keys(), ...node.shareGroups.all.map(({ groupId }) => groupId)]);
  return [...ids].sort().map((groupId) => {
    const state = node.shareGroups.find(groupId) === undefined ? 'Empty' : 'Stable';
    return { groupId, state };
  });
}

async function sharedTopics({ engine }: KafkaNode): Promise<Map<string, Set<string>>> {
  const topics = new Map(engine.topics.list().map((topic) => [topic.definition.topicId, topic]));
  const groups = new Map<string, Set<string>>();
  for (const { group, topicId } of await engine.shares.keys()) {
    const topic = topics.get(topicId);
    if (topic === undefined || isGroupOfQueue(topic, group)) continue;
    const known = groups.get(group) ?? new Set();
    groups.set(group, known.add(topic.name));
  }
  return groups;
}
