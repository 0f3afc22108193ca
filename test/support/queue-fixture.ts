/**
 * Queues of a broker on an imaginary disk: their definitions alone, and share groups without one.
 */

import { QueueRegistry } from '../../src/broker/queue/queue-registry.js';
import { OpenStates } from '../../src/broker/state/open-states.js';
import { TopicRegistry } from '../../src/broker/topic/topic-registry.js';
import { LogsFolder } from '../../src/storage/logs-folder.js';
import { BROKER, type SimBroker } from './broker-fixture.js';

/** Topics and queues on an imaginary disk, without a broker around them. */
export class Registries {
  readonly topics: TopicRegistry;
  readonly queues: QueueRegistry;
  readonly forgotten: string[];
  readonly #folder: LogsFolder;
  readonly #states: OpenStates;

  private constructor(
    topics: TopicRegistry,
    queues: QueueRegistry,
    forgotten: string[],
    around: { folder: LogsFolder; states: OpenStates },
  ) {
    this.topics = topics;
    this.queues = queues;
    this.forgotten = forgotten;
    this.#folder = around.folder;
    this.#states = around.states;
  }

  static async open({ environment }: SimBroker): Promise<Registries> {
    const folder = await LogsFolder.open(BROKER, true, environment.storage);
    const states = new OpenStates(folder);
    const forgotten: string[] = [];
    const topics = await TopicRegistry.load(folder, await states.open('__topics-0'), environment);
    const queues = await QueueRegistry.load(
      {
        topics,
        clock: environment.clock,
        openState: () => states.open('__queues-0'),
        forget: async (ids) => void forgotten.push(...ids),
      },
      (await folder.names()).includes('__queues-0'),
    );
    return new Registries(topics, queues, forgotten, { folder, states });
  }

  async close(): Promise<void> {
    await this.queues.close();
    await this.topics.close();
    await this.#states.close();
    await this.#folder.close();
  }
}
