/**
 * Logs to damage, each in the state in which its last process left it, with the records that they
 * hold. They are made once; a test takes a copy of the disk.
 *
 * The segments are small, so that there are several, and every codec that is there has written.
 */

import { Prng } from '../src/base/prng.js';
import type { Acks } from '../src/storage/append-options.js';
import type { RecordInput } from '../src/storage/record.js';
import { SimLog } from '../test/support/log-fixture.js';
import { recordText } from '../test/support/log-oracle.js';
import { crashAll } from '../test/support/sim-crash.js';
import { availableCodecs } from './draw-batch.js';

export interface SampleLog {
  readonly name: string;
  readonly sim: SimLog;
  /** The record at each offset, as text, from offset 0 on. */
  readonly texts: readonly string[];
  readonly timestamps: readonly number[];
  readonly startOffset: number;
  /** Exclusive end of what was acknowledged as durable. */
  readonly durableEnd: number;
}

const OPTIONS = { segmentBytes: 4096, indexIntervalBytes: 256 };
const FIRST_TIMESTAMP = 1_700_000_000_000;

export async function makeSampleLogs(): Promise<readonly SampleLog[]> {
  return [
    await make('closed', async (maker) => maker.close()),
    await make('killed', async () => undefined),
    await make('cut short', async (maker) => maker.append(3, 'written')),
    await make('closed with a deleted head', async (maker) => {
      await maker.deleteBefore(17);
      await maker.close();
    }),
    await make('without power', async (maker) => {
      await maker.append(2, 'written');
      maker.sim = maker.sim.crash(crashAll(maker.sim.disk));
    }),
  ];
}

async function make(name: string, end: (maker: Maker) => Promise<void>): Promise<SampleLog> {
  const maker = new Maker();
  for (const compression of availableCodecs) {
    await maker.open(compression);
    await maker.append(6, 'durable');
    await maker.close();
  }
  await maker.open('none');
  await maker.append(4, 'durable');
  await end(maker);
  const { sim, texts, timestamps, startOffset, durableEnd } = maker;
  return { name, sim, texts, timestamps, startOffset, durableEnd };
}

class Maker {
  sim = new SimLog();
  readonly texts: string[] = [];
  readonly timestamps: number[] = [];
  startOffset = 0;
  durableEnd = 0;
  readonly #prng = new Prng(1);
  #log: Awaited<ReturnType<SimLog['open']>> | undefined;

  async open(compression: (typeof availableCodecs)[number]): Promise<void> {
    this.#log = await this.sim.open({ ...OPTIONS, compression });
  }

  /** So many batches, the records of which name their offsets. */
  async append(batches: number, acks: Acks): Promise<void> {
    for (let made = 0; made < batches; made += 1) {
      const records = Array.from({ length: 1 + this.#prng.integer(4) }, () => this.#record());
      await this.#log?.append(records, { acks });
      if (acks === 'durable') this.durableEnd = this.texts.length;
      this.sim.clock.advance(this.#prng.integer(100));
    }
  }

  async deleteBefore(offset: number): Promise<void> {
    this.startOffset = (await this.#log?.deleteRecordsBefore(offset)) ?? 0;
  }

  async close(): Promise<void> {
    await this.#log?.close();
    this.durableEnd = this.texts.length;
  }

  #record(): RecordInput {
    const offset = this.texts.length;
    const noise = Buffer.from(this.#prng.bytes(this.#prng.integer(200))).toString('hex');
    const record = {
      key: offset % 5 === 0 ? null : `key ${offset % 7}`,
      value: offset % 11 === 0 ? null : `${offset}: ${noise}`,
      headers: offset % 4 === 0 ? [{ key: 'offset', value: String(offset) }] : [],
      timestamp: FIRST_TIMESTAMP + 10 * offset + this.#prng.integer(40),
    };
    this.texts.push(recordText(record));
    this.timestamps.push(record.timestamp);
    return record;
  }
}
