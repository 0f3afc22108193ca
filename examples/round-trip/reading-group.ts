/**
 * One group that reads the topic: its members, and the proof that the group got every line once and
 * those of each client address in order, whichever member had them.
 */

import type { Consumer } from '../../src/main.js';
import type { LinesTopic } from './produce.js';

const BITS = 8;

interface Address {
  readonly partition: number;
  /** The number of the line that came last. */
  last: number;
}

export class ReadingGroup {
  readonly name: string;
  readonly #baseMs: number;
  readonly #members: Consumer<Buffer>[] = [];
  readonly #running: Promise<void>[] = [];
  readonly #assigned: Promise<void>[] = [];
  readonly #addresses = new Map<string, Address>();
  /** A bit for each line that came. */
  #seen = new Uint8Array(1024);
  #records = 0;
  #expected = Number.POSITIVE_INFINITY;
  #complete: () => void = () => undefined;
  readonly #completed = new Promise<void>((resolve) => {
    this.#complete = resolve;
  });

  constructor(topic: LinesTopic, name: string, members: number, baseMs: number) {
    this.name = name;
    this.#baseMs = baseMs;
    for (let member = 0; member < members; member += 1) this.#join(topic);
  }

  get records(): number {
    return this.#records;
  }

  get members(): number {
    return this.#members.length;
  }

  get addressCount(): number {
    return this.#addresses.size;
  }

  /** Where the lines of an address are; undefined when there were none. */
  partitionOf(address: string): number | undefined {
    return this.#addresses.get(address)?.partition;
  }

  /** Resolves when each member has a partition. */
  async ready(): Promise<void> {
    await Promise.race([Promise.all(this.#assigned), ...this.#running]);
  }

  /** Resolves when the group has all lines and its commits say so. Rejects with what is wrong. */
  async finish(records: number): Promise<void> {
    this.#expected = records;
    this.#check();
    await Promise.race([this.#completed, Promise.all(this.#running)]);
    await Promise.all(this.#members.map((member) => member.close({ drainMs: 10_000 })));
    await Promise.all(this.#running);
    if (this.#records !== records) {
      throw new Error(`group ${this.name} got ${this.#records} records of ${records}`);
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#members.map((member) => member.close()));
    await Promise.allSettled(this.#running);
  }

  #join(topic: LinesTopic): void {
    let tell: () => void = () => undefined;
    this.#assigned.push(
      new Promise((resolve) => {
        tell = resolve;
      }),
    );
    const onAssigned = (partitions: readonly unknown[]): void => {
      if (partitions.length > 0) tell();
    };
    const member = topic.consumer({ group: this.name, onAssigned });
    this.#members.push(member);
    this.#running.push(this.#read(member));
  }

  async #read(member: Consumer<Buffer>): Promise<void> {
    for await (const batch of member) {
      const { partition } = batch;
      for (const { key, timestamp } of batch) {
        this.#take(partition, key?.toString('latin1') ?? '', timestamp - this.#baseMs);
      }
      this.#check();
    }
  }

  #take(partition: number, name: string, number: number): void {
    const address = this.#addresses.get(name) ?? { partition, last: -1 };
    const line = `group ${this.name}: line ${number + 1}, of ${name},`;
    if (address.partition !== partition) throw new Error(`${line} is in another partition`);
    if (number <= address.last) throw new Error(`${line} came after line ${address.last + 1}`);
    if (address.last === -1) this.#addresses.set(name, address);
    address.last = number;
    const at = Math.floor(number / BITS);
    if (at >= this.#seen.length) this.#grow(at);
    const bit = 1 << (number % BITS);
    if (((this.#seen[at] ?? 0) & bit) !== 0) {
      throw new Error(`group ${this.name} got line ${number + 1} twice`);
    }
    this.#seen[at] = (this.#seen[at] ?? 0) | bit;
    this.#records += 1;
  }

  #grow(at: number): void {
    const larger = new Uint8Array(Math.max(at + 1, 2 * this.#seen.length));
    larger.set(this.#seen);
    this.#seen = larger;
  }

  #check(): void {
    if (this.#records >= this.#expected) this.#complete();
  }
}
