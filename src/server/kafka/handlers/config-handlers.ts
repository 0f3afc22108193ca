/**
 * Settings: DescribeConfigs, AlterConfigs, IncrementalAlterConfigs. Those of topics are options;
 * those of the server are told, and not changed here.
 */

import { createError } from '../../../base/errors.js';
import {
  type BrokerEngine,
  isAlterable,
  isGroupOfQueue,
  type TopicOptions,
} from '../../../broker/main.js';
import type { RequestAccess } from '../authorization.js';
import type { Handlers } from '../handler-table.js';
import type { KafkaNode } from '../kafka-node.js';
import { NODE_ID } from '../kafka-node.js';
import { alterConfigs, describeConfigs, incrementalAlterConfigs } from '../messages/topics.js';
import { checkGroupSetting, groupSettings, ShareGroupSettings } from '../share-settings.js';
import {
  configSources,
  configTypes,
  shownSetting,
  shownSettings,
  topicOptionsFrom,
  topicSettings,
} from '../topic-configs.js';
import type { RequestOf, ResponseOf } from '../wire-api.js';
import { outcomeOf } from './topic-handlers.js';

type ShownConfig = ResponseOf<typeof describeConfigs>['results'][number]['configs'][number];
type Change = RequestOf<typeof incrementalAlterConfigs>['resources'][number]['configs'][number];
interface Resource {
  readonly resourceType: number;
  readonly resourceName: string;
}

const TOPIC = 2;
const SERVER = 4;
const GROUP = 32;
const operations = { set: 0, delete: 1, append: 2, subtract: 3 } as const;

export function addConfigHandlers(handlers: Handlers, node: KafkaNode): void {
  handlers.add(describeConfigs, async ({ resources }, { access }) => ({
    throttleTimeMs: 0,
    results: await Promise.all(
      resources.map(async ({ resourceType, resourceName, configurationKeys }) => {
        let configs: readonly ShownConfig[] = [];
        const outcome = await outcomeOf(async () => {
          checkAccess(access, { resourceType, resourceName });
          const all = settingsOf(node, { resourceType, resourceName });
          configs = all.filter(({ name }) => configurationKeys?.includes(name) !== false);
        });
        return { ...outcome, resourceType, resourceName, configs };
      }),
    ),
  }));
  handlers.add(incrementalAlterConfigs, async ({ resources, validateOnly }, { access }) => ({
    throttleTimeMs: 0,
    responses: await Promise.all(
      resources.map(async ({ resourceType, resourceName, configs }) => ({
        ...(await outcomeOf(async () => {
          checkAccess(access, { resourceType, resourceName });
          if (resourceType === GROUP) {
            await alterGroup(node, resourceName, configs, validateOnly);
            return;
          }
          checkTopic({ resourceType, resourceName });
          await alter(node, resourceName, incrementedBy(node, resourceName, configs), validateOnly);
        })),
        resourceType,
        resourceName,
      })),
    ),
  }));
  handlers.add(alterConfigs, async ({ resources, validateOnly }, { access }) => ({
    throttleTimeMs: 0,
    responses: await Promise.all(
      resources.map(async ({ resourceType, resourceName, configs }) => ({
        ...(await outcomeOf(async () => {
          checkAccess(access, { resourceType, resourceName });
          checkTopic({ resourceType, resourceName });
          // What is not named goes back to what a new topic has.
          const given = topicOptionsFrom(configs);
          await alter(node, resourceName, { ...defaults(node), ...given }, validateOnly);
        })),
        resourceType,
        resourceName,
      })),
    ),
  }));
}

function checkAccess(access: RequestAccess, { resourceType, resourceName }: Resource): void {
  if (resourceType === TOPIC) access.check('topic', resourceName);
  else if (resourceType === GROUP) access.check('group', resourceName);
  else access.check('cluster');
}

function settingsOf({ engine, config }: KafkaNode, resource: Resource): ShownConfig[] {
  const { resourceType, resourceName } = resource;
  if (resourceType === SERVER && (resourceName === '' || resourceName === `${NODE_ID}`)) {
    return Object.entries({
      'advertised.listeners': `PLAINTEXT://${config.host}:${config.port}`,
      'auto.create.topics.enable': String(config.autoCreateTopics),
      'default.replication.factor': '1',
      'num.partitions': String(config.partitions),
      'message.max.bytes': String(config.requestBytesMax),
    }).map(([name, value]) => shown(name, value, 'string', configSources.server, true));
  }
  if (resourceType === GROUP) return settingsOfGroup(engine, resourceName);
  checkTopic(resource);
  const { config: options } = engine.topics.get(resourceName).definition;
  return shownSettings(options, engine.topics.defaults()).map(
    ({ name, value, type, configSource, readOnly }) => {
      return shown(name, value, type, configSource, readOnly);
    },
  );
}

function settingsOfGroup({ groupSettings: kept }: BrokerEngine, group: string): ShownConfig[] {
  const own = kept.of(group);
  return Object.entries(groupSettings).map(([name, { type, usual }]) => {
    const value = own.get(name);
    const configSource = value === undefined ? configSources.default : configSources.group;
    return shown(name, value ?? usual, type, configSource, false);
  });
}

/** All or nothing; what members have was given out under the old ones. */
async function alterGroup(
  { engine }: KafkaNode,
  group: string,
  changes: readonly Change[],
  isTrial: boolean,
): Promise<void> {
  const next = new Map<string, string | null>();
  for (const { name, configOperation, value } of changes) {
    const isKnown = configOperation === operations.set || configOperation === operations.delete;
    if (!isKnown) {
      const facts = { option: name, expected: 'a list', kafka: 'INVALID_CONFIG' };
      throw createError('OPTION_INVALID', facts);
    }
    const given = configOperation === operations.set ? value : null;
    checkGroupSetting(name, given);
    next.set(name, given);
  }
  if (isTrial) return;
  await engine.groupSettings.alter(group, next);
  const settings = new ShareGroupSettings(engine.groupSettings, group);
  const { leaseMs, deliveriesMax } = settings;
  for (const topic of engine.topics.list()) {
    if (isGroupOfQueue(topic, group)) continue;
    engine.shares.find(topic, group)?.alter({ leaseMs, deliveriesMax });
  }
}

function shown(
  name: string,
  value: string,
  type: keyof typeof configTypes,
  configSource: number,
  readOnly: boolean,
): ShownConfig {
  return {
    name,
    value,
    readOnly,
    configSource,
    isSensitive: false,
    synonyms: [],
    configType: configTypes[type],
    documentation: null,
  };
}

function checkTopic({ resourceType, resourceName }: Resource): void {
  if (resourceType === TOPIC) return;
  const facts = { option: 'resourceType', expected: 'a topic', actual: resourceType };
  throw createError('OPTION_INVALID', { ...facts, resourceName, kafka: 'INVALID_REQUEST' });
}

async function alter(
  { engine }: KafkaNode,
  name: string,
  options: TopicOptions,
  isTrial: boolean,
): Promise<void> {
  if (isTrial) engine.topics.get(name);
  else await engine.topics.alter(name, options);
}

function defaults({ engine }: KafkaNode): TopicOptions {
  const usual = engine.topics.defaults();
  const changeable = Object.values(topicSettings)
    .map(({ option }) => option)
    .filter(isAlterable);
  return Object.fromEntries(changeable.map((option) => [option, usual[option]]));
}

/** All or nothing: what one of them asks for wrongly, none changes. */
function incrementedBy(node: KafkaNode, topic: string, changes: readonly Change[]): TopicOptions {
  const { config } = node.engine.topics.get(topic).definition;
  const usual = node.engine.topics.defaults();
  const given = changes.map(({ name, configOperation, value }) => {
    const setting = topicSettings[name];
    if (configOperation === operations.set || setting === undefined) return { name, value };
    if (configOperation === operations.delete) {
      return { name, value: shownSetting(setting, usual[setting.option]) };
    }
    const parts = shownSetting(setting, config[setting.option]).split(',');
    if (setting.type !== 'list') {
      const facts = { option: name, expected: 'a list', actual: setting.type };
      throw createError('OPTION_INVALID', { ...facts, kafka: 'INVALID_CONFIG' });
    }
    const others = (value ?? '').split(',').filter((part) => part !== '');
    const isLess = configOperation === operations.subtract;
    const kept = parts.filter((part) => !others.includes(part));
    return { name, value: (isLess ? kept : [...kept, ...others]).join(',') };
  });
  return topicOptionsFrom(given);
}
