/**
 * A broker on an imaginary disk: opened, killed, cut from power, and looked at from outside.
 *
 * One fixture is one process: it has one clock and one set of locks.
 */

import { posix } from 'node:path';
import { Broker } from '../../src/broker/broker.js';
import type { BrokerEnvironment } from '../../src/broker/broker-environment.js';
import type { BrokerOptions } from '../../src/broker/broker-options.js';
import type { PartitionLog } from '../../src/broker/topic/partition-log.js';
import type { ReadOptions } from '../../src/storage/read-options.js';
import { SimLog } from './log-fixture.js';
import type { SimClock } from './sim-clock.js';
import type { CrashChoice, SimDisk } from './sim-file-system.js';

export const BROKER = '/broker';

export class SimBroker {
  readonly disk: SimDisk;
  readonly clock: SimClock;
  readonly environment: BrokerEnvironment;
  readonly #ids: { last: number };

  constructor(disk?: SimDisk, clock?: SimClock, ids: { last: number } = { last: 0 }) {
    const sim = new SimLog(disk, clock);
    this.disk = sim.disk;
    this.clock = sim.clock;
    this.#ids = ids;
    this.environment = {
      storage: { ...sim.environment, newLogId: () => this.#newId() },
      clock: this.clock,
      newSeed: () => 1,
    };
  }

  open(options: BrokerOptions = {}): Promise<Broker> {
    return Broker.open(BROKER, options, this.environment);
  }

  /** The same folder in the next process: nothing that was written is lost. */
  kill(): SimBroker {
    return new SimBroker(this.disk.kill(), this.clock, this.#ids);
  }

  /** The same folder after a power cut. */
  crash(choice: CrashChoice): SimBroker {
    return new SimBroker(this.disk.crash(choice), this.clock, this.#ids);
  }

  /** The folders of partitions, by name; those of the broker's own state are left out. */
  async folders(): Promise<string[]> {
    const names = await this.disk.fileSystem.list(BROKER);
    return names.filter((name) => !name.startsWith('__')).sort();
  }

  path(...names: readonly string[]): string {
    return posix.join(BROKER, ...names);
  }

  /** Every id is given once, in all processes of one history. */
  #newId(): string {
    this.#ids.last += 1;
    return this.#ids.last.toString(16).padStart(32, '0');
  }
}

/** The values in a partition, as text. */
export async function valuesOfPartition(
  log: PartitionLog,
  options: ReadOptions = {},
): Promise<string[]> {
  const values: string[] = [];
  for await (const batch of log.read(options)) {
    for (const { value } of batch) values.push(value?.toString() ?? 'null');
  }
  return values;
}
