/**
 * Moves messages that are not done with out of a queue, or sends some that are once more.
 *
 * Messages are found without being taken; those of one batch are taken when it is their turn, and
 * sent and archived in one transaction: each is in one place or in the other, once. What a consumer
 * has at that time is passed over.
 */

import type { Clock } from '../../base/clock.js';
import { TokenBucket } from '../../base/token-bucket.js';
import type { LogRecord } from '../../storage/main.js';
import { bytes } from '../topic/codec.js';
import type { HostedTopic } from '../topic/hosted-topic.js';
import type { SourceDelivery } from '../transaction/held-deliveries.js';
import type { Transaction, TransactionWork } from '../transaction/transaction.js';
import { messageToSend, movedHeaders, type RedrivenMessage } from './queue-triage-letter.js';
import {
  endsOf,
  type Scan,
  type ScannedPartition,
  type ScanPlace,
  scan,
} from './queue-triage-scan.js';

/** Of one transaction. */
const BATCH_MESSAGES = 1_000;
const BATCH_BYTES = 512 * 1024;
const LEASE_MS = 60_000;
/** One look reads so much, then the signal and the time are looked at. */
const LOOK_BYTES = 16 * 1024 * 1024;

export interface TriagePartition extends ScannedPartition {
  /** Takes messages out of their order, those that nobody has. */
  takeAll(wanted: ReadonlySet<number>, leaseMs: number): readonly SourceDelivery[];
  withdraw(offset: number, receipt: number): unknown;
}

/** Where messages are sent. */
export interface TriageTarget {
  readonly topic: HostedTopic;
  /** Of a queue: as its own transactional send. */
  sendIn?(transaction: Transaction, messages: readonly RedrivenMessage[]): Promise<unknown>;
}

export interface MoveParts {
  readonly partitions: readonly TriagePartition[];
  readonly transactions: { run<T>(work: TransactionWork<T>): Promise<T> };
  readonly clock: Clock;
  readonly rate: { readonly count: number; readonly perMs: number } | undefined;
  readonly signal: AbortSignal | undefined;
  readonly max: number;
  readonly isWanted: (record: LogRecord, partition: ScannedPartition) => boolean | Promise<boolean>;
  /** Where the message goes; `archive`: nowhere; undefined: it stays. */
  readonly targetOf: (record: LogRecord) => TriageTarget | 'archive' | undefined;
}

export interface Moved {
  readonly moved: number;
  /** Wanted, and left where they are: a consumer has them, or there is nowhere to go. */
  readonly passedOver: number;
  /** The first that was not looked at, when there are as many as may be moved. */
  readonly next: ScanPlace | undefined;
}

interface Found {
  readonly record: LogRecord;
  readonly partition: TriagePartition;
  readonly target: TriageTarget | 'archive';
}

export class TriageMove {
  readonly #parts: MoveParts;
  readonly #bucket: TokenBucket | undefined;
  #passedOver = 0;
  #moved = 0;

  constructor(parts: MoveParts) {
    this.#parts = parts;
    const { rate, clock } = parts;
    if (rate === undefined) return;
    this.#bucket = new TokenBucket(clock, (1_000 * rate.count) / rate.perMs, rate.count);
  }

  /** Moves messages that are not done with. */
  move(): Promise<Moved> {
    return this.#run('unfinished', undefined, (batch) => this.#moveBatch(batch));
  }

  /** Sends messages that are done with once more. */
  async copy(from: ScanPlace | undefined): Promise<Moved> {
    return await this.#run('finished', from, async (batch) => {
      await this.#parts.transactions.run((transaction) => sendAll(transaction, batch));
      return batch.length;
    });
  }

  async #run(
    wanted: Scan<TriagePartition>['wanted'],
    from: ScanPlace | undefined,
    carryOut: (batch: readonly Found[]) => Promise<number>,
  ): Promise<Moved> {
    const ends = endsOf(this.#parts.partitions);
    let place = from;
    do {
      const batchMax = await this.#turn();
      if (batchMax === 0) return this.#result(place);
      const batch: Found[] = [];
      place = await this.#look({ from: place, ends, wanted }, batch, batchMax);
      if (batch.length > 0) {
        const moved = await carryOut(batch);
        this.#moved += moved;
        this.#passedOver += batch.length - moved;
        if (moved > 0) this.#bucket?.take(moved);
      }
    } while (place !== undefined);
    return this.#result(undefined);
  }

  async #look(
    at: Pick<Scan<TriagePartition>, 'from' | 'ends' | 'wanted'>,
    batch: Found[],
    batchMax: number,
  ): Promise<ScanPlace | undefined> {
    const { partitions, isWanted, targetOf, signal } = this.#parts;
    let bytesLeft = BATCH_BYTES;
    return await scan({
      ...at,
      partitions,
      signal,
      bytesMax: LOOK_BYTES,
      visit: async (record, partition) => {
        if (batch.length === batchMax) return false;
        if (batch.length > 0 && bytesLeft < record.contentBytes) return false;
        if (!(await isWanted(record, partition))) return true;
        const target = targetOf(record);
        if (target === undefined) {
          this.#passedOver += 1;
          return true;
        }
        bytesLeft -= record.contentBytes;
        batch.push({ record, partition, target });
        return true;
      },
    });
  }

  async #moveBatch(batch: readonly Found[]): Promise<number> {
    const taken = takeAll(batch);
    if (taken.length === 0) return 0;
    const deliveries = taken.map(({ delivery }) => delivery);
    try {
      await this.#parts.transactions.run(async (transaction) => {
        transaction.archive(deliveries);
        await sendAll(
          transaction,
          taken.map(({ found }) => found),
        );
      });
    } catch (error) {
      for (const { found, delivery } of taken) {
        found.partition.withdraw(delivery.offset, delivery.receipt);
      }
      throw error;
    }
    return taken.length;
  }

  /** Waits for its turn; resolves to how many messages may go then, 0 when there are enough. */
  async #turn(): Promise<number> {
    const { signal, max } = this.#parts;
    signal?.throwIfAborted();
    const left = Math.min(BATCH_MESSAGES, max - this.#moved);
    const bucket = this.#bucket;
    if (bucket === undefined || left === 0) return left;
    while (bucket.delayMs > 0) await this.#pause(bucket.delayMs);
    return Math.min(left, Math.max(1, bucket.count));
  }

  #pause(delayMs: number): Promise<void> {
    const { clock, signal } = this.#parts;
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        cancel();
        reject(signal?.reason);
      };
      const run = (): void => {
        signal?.removeEventListener('abort', abort);
        resolve();
      };
      const cancel = clock.schedule(delayMs, run, 'keep-alive');
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  #result(next: ScanPlace | undefined): Moved {
    return { moved: this.#moved, passedOver: this.#passedOver, next };
  }
}

interface Taken {
  readonly found: Found;
  readonly delivery: SourceDelivery;
}

/** Those of the batch that nobody has. */
function takeAll(batch: readonly Found[]): Taken[] {
  const taken: Taken[] = [];
  for (const partition of new Set(batch.map((found) => found.partition))) {
    const own = new Map(
      batch
        .filter((found) => found.partition === partition)
        .map((found) => [found.record.offset, found]),
    );
    const deliveries = partition.takeAll(new Set(own.keys()), LEASE_MS);
    for (const delivery of [...deliveries].sort((one, other) => one.offset - other.offset)) {
      const found = own.get(delivery.offset);
      if (found !== undefined) taken.push({ found, delivery });
    }
  }
  return taken;
}

async function sendAll(transaction: Transaction, batch: readonly Found[]): Promise<void> {
  const targets = new Set(batch.map(({ target }) => target));
  for (const target of targets) {
    if (target === 'archive') continue;
    const own = batch.filter((found) => found.target === target);
    const messages = own.map(({ record, partition }) =>
      messageToSend(record, partition.partition, target.topic.partitions),
    );
    if (target.sendIn !== undefined) await target.sendIn(transaction, messages);
    else {
      const records = own.map(({ record }, at) => ({
        key: record.key,
        value: record.value,
        headers: movedHeaders(record.headers),
        partition: messages[at]?.priority ?? 0,
      }));
      await transaction.sendTo({ topic: target.topic, codec: bytes }, records);
    }
  }
}
