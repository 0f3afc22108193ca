/**
 * Topics from outside: made, deleted, grown.
 */

import { createError } from '../../../base/errors.js';
import type { RequestAccess } from '../authorization.js';
import { kafkaErrorOf, kafkaErrors } from '../error-codes.js';
import type { Handlers } from '../handler-table.js';
import type { KafkaNode } from '../kafka-node.js';
import { createPartitions, createTopics, deleteTopics } from '../messages/topics.js';
import { shownSettings, topicOptionsFrom } from '../topic-configs.js';
import type { RequestOf, ResponseOf } from '../wire-api.js';
import { NO_UUID } from '../wire-type.js';

type CreatedTopic = ResponseOf<typeof createTopics>['topics'][number];
type NewTopic = RequestOf<typeof createTopics>['topics'][number];

const AS_THE_SERVER_LIKES = -1;

export function addTopicHandlers(handlers: Handlers, node: KafkaNode): void {
  const { topics } = node.engine;
  handlers.add(createTopics, async ({ topics: wanted, validateOnly }, { access }) => ({
    throttleTimeMs: 0,
    topics: await Promise.all(wanted.map((topic) => create({ node, access }, topic, validateOnly))),
  }));
  handlers.add(deleteTopics, async ({ topics: byNameOrId, topicNames }, { access }) => {
    const named = topicNames.map((name) => ({ name, topicId: NO_UUID }));
    return {
      throttleTimeMs: 0,
      responses: await Promise.all(
        [...byNameOrId, ...named].map(async (asked) => {
          const name = asked.name ?? nameOf(node, asked.topicId);
          const { errorCode, errorMessage } = await outcomeOf(async () => {
            if (name === null) {
              throw createError('UNKNOWN_TOPIC', { ...asked, kafka: 'UNKNOWN_TOPIC_ID' });
            }
            access.check('topic', name);
            await topics.delete(name);
          });
          return { name, topicId: asked.topicId, errorCode, errorMessage };
        }),
      ),
    };
  });
  handlers.add(createPartitions, async ({ topics: wanted, validateOnly }, { access }) => ({
    throttleTimeMs: 0,
    results: await Promise.all(
      wanted.map(async ({ name, count }) => ({
        name,
        ...(await outcomeOf(async () => {
          access.check('topic', name);
          if (validateOnly) topics.get(name);
          else await topics.grow(name, count);
        })),
      })),
    ),
  }));
}

async function create(
  {
    node: { engine, config },
    access,
  }: { readonly node: KafkaNode; readonly access: RequestAccess },
  { name, numPartitions, replicationFactor, assignments, configs }: NewTopic,
  isTrial: boolean,
): Promise<CreatedTopic> {
  const partitions = numPartitions === AS_THE_SERVER_LIKES ? config.partitions : numPartitions;
  const { errorCode, errorMessage } = await outcomeOf(async () => {
    access.check('topic', name);
    if (replicationFactor !== AS_THE_SERVER_LIKES && replicationFactor !== 1) {
      const facts = { option: 'replicationFactor', expected: 1, actual: replicationFactor };
      throw createError('OPTION_INVALID', { ...facts, kafka: 'INVALID_REPLICATION_FACTOR' });
    }
    const count = assignments.length === 0 ? partitions : assignments.length;
    if (count < 1) {
      const facts = { option: 'partitions', expected: '1 or more', actual: count };
      throw createError('OPTION_INVALID', { ...facts, kafka: 'INVALID_PARTITIONS' });
    }
    const options = { ...topicOptionsFrom(configs), partitions: count };
    if (isTrial) engine.topics.checkCreate(name, options);
    else await engine.topics.create(name, options);
  });
  const topic = engine.topics.find(name);
  const isMade = errorCode === kafkaErrors.NONE && topic !== undefined;
  return {
    name,
    topicId: isMade ? topic.definition.topicId : NO_UUID,
    errorCode,
    errorMessage,
    topicConfigErrorCode: kafkaErrors.NONE,
    numPartitions: isMade ? topic.partitions : AS_THE_SERVER_LIKES,
    replicationFactor: isMade ? 1 : AS_THE_SERVER_LIKES,
    configs: isMade ? settingsOf(topic.definition.config, engine.topics.defaults()) : [],
  };
}

function settingsOf(...options: Parameters<typeof shownSettings>): CreatedTopic['configs'] {
  return shownSettings(...options).map(({ name, value, readOnly, configSource }) => {
    return { name, value, readOnly, configSource, isSensitive: false };
  });
}

function nameOf({ engine }: KafkaNode, topicId: string): string | null {
  const found = engine.topics.list().find(({ definition }) => definition.topicId === topicId);
  return found?.name ?? null;
}

export async function outcomeOf(
  run: () => Promise<void>,
): Promise<{ readonly errorCode: number; readonly errorMessage: string | null }> {
  try {
    await run();
    return { errorCode: kafkaErrors.NONE, errorMessage: null };
  } catch (error) {
    const errorMessage = error instanceof Error ? error.message : String(error);
    return { errorCode: kafkaErrorOf(error), errorMessage };
  }
}
