/**
 * A real Kafka broker serves what Millrace compacted: each folder is put in the place of a topic's
 * partition while the broker is stopped, as an operator would give a log to Kafka. Only the `.log`
 * files are copied; the broker makes its indexes, producer states and epochs from them. Its
 * consumer must then read what Millrace's reader reads, at both isolation levels.
 */

import { copyFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Checks } from './checks.js';
import type { ChildProcesses } from './child-processes.js';
import type { Toolchain } from './java-toolchain.js';
import { KafkaBroker } from './kafka-broker.js';
import type { CompactedFolder } from './kafka-reads-compacted.js';
import type { KafkaTools } from './kafka-tools.js';
import { readLog } from './millrace-log.js';
import { compareRecords } from './record-line.js';
import { flipByte, listFiles } from './segment-files.js';

const levels = [
  ['uncommitted', 'read_uncommitted'],
  ['committed', 'read_committed'],
] as const;

/** A topic that is given damaged files: what the broker then serves must be found different. */
const DAMAGED_TOPIC = 'millrace-damaged';

export async function checkKafkaServesMillrace(
  checks: Checks,
  children: ChildProcesses,
  toolchain: Toolchain,
  tools: KafkaTools,
  folders: readonly CompactedFolder[],
  folder: string,
): Promise<void> {
  const [first] = folders;
  if (first === undefined) throw new Error('there is nothing to serve');
  const given = folders.map((each) => ({ ...each, topic: `millrace-${each.name}` }));
  const names = [...given.map(({ topic }) => topic), DAMAGED_TOPIC];
  const empty = await KafkaBroker.start(children, toolchain, folder);
  await tools.createTopics(empty, names);
  await empty.stop();
  for (const each of given) await giveLog(each.folder, join(empty.logFolder, `${each.topic}-0`));
  const damaged = join(empty.logFolder, `${DAMAGED_TOPIC}-0`);
  await giveLog(first.folder, damaged);
  const [file] = listFiles(damaged, '.log');
  if (file !== undefined) await flipByte(file, -10);

  const broker = await KafkaBroker.restart(children, toolchain, folder);
  await tools.consumeTopics(broker, names);
  await broker.stop();
  for (const { name, topic, folder: path } of given) {
    for (const [isolation, level] of levels) {
      await checks.check(`a broker serves ${name}, ${isolation}`, async () => {
        const served = tools.readConsumed(topic, level);
        const problems = compareRecords(await readLog(path, isolation), served);
        return served.length > 0 ? problems : [...problems, 'there is nothing'];
      });
    }
  }
  await checks.checkComplains('canary: a broker serves damaged files', async () => {
    const served = tools.readConsumed(DAMAGED_TOPIC, 'read_uncommitted');
    return compareRecords(await readLog(first.folder, 'uncommitted'), served);
  });
}

/** All but Kafka's own `partition.metadata` makes way for the `.log` files of Millrace. */
async function giveLog(source: string, partition: string): Promise<void> {
  const own = listFiles(partition, '.log', '.index', '.timeindex', '.txnindex', '.snapshot');
  for (const file of [...own, join(partition, 'leader-epoch-checkpoint')]) {
    await rm(file, { force: true });
  }
  for (const file of listFiles(source, '.log')) {
    await copyFile(file, join(partition, basename(file)));
  }
}
