/**
 * The process that the SIGKILL loop kills: appends to a log, in many ways, until it dies.
 *
 * Its argument is a {@link ChildOrder} as JSON. It reports on standard output, a line each, written
 * synchronously so that what is in the pipe was true when it was written:
 *
 *     O <start> <end>              the log is open
 *     S <count>                    so many records are sent, these included that are sent next
 *     D <number> <offset> <count>  durable from that number on; W for what is merely written
 *     X <offset>, x <offset>       records before the offset are being deleted, are deleted
 */

import { writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf } from '../../src/base/errors.js';
import { createNodeBlockingFileSystem } from '../../src/base/node-file-system.js';
import { Prng } from '../../src/base/prng.js';
import { InlineWriter } from '../../src/storage/inline-writer.js';
import { Log } from '../../src/storage/log.js';
import { systemEnvironment } from '../../src/storage/log-environment.js';
import type { RecordInput } from '../../src/storage/record.js';
import { type KillPoint, killingFileSystem } from './kill-points.js';
import { killRecord } from './kill-record.js';

export interface ChildOrder {
  readonly directory: string;
  readonly seed: number;
  readonly cycle: number;
  readonly segmentBytes: number;
  readonly compression: 'none' | 'gzip' | 'snappy' | 'lz4';
  readonly point?: KillPoint;
}

/** Offsets that deletion leaves, so that a check does not grow with the number of cycles. */
const KEPT_OFFSETS = 3000;

class Child {
  readonly #order: ChildOrder;
  readonly #prng: Prng;
  #log: Log;
  #sent = 0;

  constructor(order: ChildOrder, log: Log) {
    this.#order = order;
    this.#log = log;
    this.#prng = new Prng(order.seed * 1_000_003 + order.cycle);
  }

  /** Goes on with the log, opened again. */
  use(log: Log): void {
    this.#log = log;
  }

  /** Ends when the log is to be closed and opened again; else the process is killed. */
  async run(): Promise<void> {
    for (;;) {
      const dice = this.#prng.integer(100);
      if (dice < 30) await this.#append(1, 'durable');
      else if (dice < 45) await this.#append(2 + this.#prng.integer(40), 'durable');
      else if (dice < 60) await this.#append(1 + this.#prng.integer(8), 'written');
      else if (dice < 85) await this.#appendMany(2 + this.#prng.integer(60));
      else if (dice < 90) await this.#tryAppend(1 + this.#prng.integer(200));
      else if (dice < 94) await this.#delete();
      else if (dice < 98) await sleep(this.#prng.integer(8));
      else if (this.#prng.integer(4) === 0) return;
    }
  }

  async #append(count: number, acks: 'durable' | 'written'): Promise<void> {
    const number = this.#sent;
    const records = this.#next(count);
    const { baseOffset } = await this.#log.append(records, { acks });
    tell(`${acks === 'durable' ? 'D' : 'W'} ${number} ${baseOffset} ${count}`);
  }

  /** Many callers at once, each with an acknowledgement of its own. */
  async #appendMany(callers: number): Promise<void> {
    const calls: Promise<void>[] = [];
    for (let caller = 0; caller < callers; caller += 1) {
      const count = this.#prng.integer(8) === 0 ? 3 : 1;
      calls.push(this.#append(count, this.#prng.boolean(0.7) ? 'durable' : 'written'));
    }
    await Promise.all(calls);
  }

  async #tryAppend(count: number): Promise<void> {
    const number = this.#sent;
    let first = -1;
    let done = 0;
    while (done < count) {
      const [record] = this.#next(1);
      const offset = record === undefined ? undefined : this.#log.tryAppend(record);
      if (offset === undefined) {
        this.#sent -= 1;
        break;
      }
      if (done === 0) first = offset;
      done += 1;
    }
    if (done === 0) return await this.#log.writable();
    await this.#log.flush(first + done - 1);
    tell(`D ${number} ${first} ${done}`);
  }

  async #delete(): Promise<void> {
    const { startOffset, durableOffset } = this.#log;
    if (durableOffset - startOffset < KEPT_OFFSETS / 2 && !this.#prng.boolean(0.3)) return;
    const kept = this.#prng.integer(KEPT_OFFSETS);
    const offset = Math.max(startOffset, durableOffset - kept);
    tell(`X ${offset}`);
    await this.#log.deleteRecordsBefore(offset);
    tell(`x ${offset}`);
  }

  #next(count: number): RecordInput[] {
    const { seed, cycle } = this.#order;
    const records: RecordInput[] = [];
    for (let made = 0; made < count; made += 1) {
      records.push(killRecord(seed, cycle, this.#sent + made));
    }
    this.#sent += count;
    tell(`S ${this.#sent}`);
    return records;
  }
}

function tell(line: string): void {
  const bytes = Buffer.from(`${line}\n`);
  for (let position = 0; position < bytes.length; ) {
    try {
      position += writeSync(1, bytes, position);
    } catch (error) {
      // The pipe is full and does not block; the parent is about to read it.
      if (errnoOf(error) !== 'EAGAIN') throw error;
      Atomics.wait(idle, 0, 0, 1);
    }
  }
}

const idle = new Int32Array(new SharedArrayBuffer(4));

async function main(order: ChildOrder): Promise<void> {
  const { directory, segmentBytes, compression, point } = order;
  const acquireWriter =
    point === undefined
      ? systemEnvironment.acquireWriter
      : () => new InlineWriter(killingFileSystem(createNodeBlockingFileSystem(), point));
  const open = async (): Promise<Log> => {
    const options = { segmentBytes, compression };
    const log = await Log.open(directory, options, { ...systemEnvironment, acquireWriter });
    tell(`O ${log.startOffset} ${log.endOffset}`);
    return log;
  };
  let log = await open();
  const child = new Child(order, log);
  for (;;) {
    await child.run();
    await log.close();
    log = await open();
    child.use(log);
  }
}

const [order = ''] = process.argv.slice(2);
await main(JSON.parse(order));
