/**
 * The dead letters of the model: what cannot be processed is there once, and nothing else is.
 */

import type { GroupLedger } from './model-group.js';
import { rule, type TopicLedger } from './model-ledger.js';
import { readCommitted } from './model-logs.js';
import { DEAD_TOPIC } from './model-topics.js';
import { POISON_KEY } from './model-worker.js';
import type { ModelWorld } from './model-world.js';

/** `source`: the topic that the group's workers have processed to its end, if there is one. */
export async function checkLetters(
  world: ModelWorld,
  group: GroupLedger,
  source: TopicLedger | undefined,
): Promise<void> {
  const letters = await readLetters(world);
  rule(new Set(letters).size === letters.length, `a dead letter is there twice: ${letters}`);
  for (const id of letters) {
    const record = world.topics.recordOf(id);
    rule(record?.key === POISON_KEY, `${id} is in the dead letters`);
  }
  if (source === undefined) return;
  for (const record of source.sent.values()) {
    if (record.key !== POISON_KEY || !source.homes.has(record.id)) continue;
    if (!world.transactions.isVisible(record)) continue;
    const about = `${record.id}, which ${group.name} cannot process`;
    rule(letters.includes(record.id), `${about}, is not in the dead letters`);
  }
}

async function readLetters(world: ModelWorld): Promise<string[]> {
  const { broker } = world.life;
  const letters: string[] = [];
  if (!broker.listTopics().some(({ name }) => name === DEAD_TOPIC)) return letters;
  const { hosted } = await broker.topic(DEAD_TOPIC);
  for (const at of await hosted.usedPartitions()) {
    letters.push(...(await readCommitted(await hosted.partition(at))));
  }
  return letters;
}
