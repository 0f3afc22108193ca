/**
 * Consumers as Node streams, with the backpressure of both.
 *
 * A stream asks for one batch at a time, and for none while its reader has no room: the consumer's
 * ring fills, and reading stops. What comes out is a batch, not a record: `flatMap` makes records
 * of it. Stages between read ahead, so a commit belongs at the end of the pipeline.
 */

import { Readable, Writable } from 'node:stream';

/** A batch whose memory may be used again once the loop has gone on, unless it is kept. */
interface KeptBatch {
  readonly raw: { keep(): void };
}

/** A loop over batches, as the consumer is one. */
interface BatchSource<Batch extends KeptBatch> {
  next(): Promise<IteratorResult<Batch, undefined>>;
  close(): Promise<void>;
}

interface CommittedBatch {
  readonly topic: string;
  readonly partition: number;
  commit(): Promise<void>;
}

/** Batches that wait to be committed together. */
const WAITING_BATCHES_MAX = 64;

export function readableOf<Batch extends KeptBatch>(source: BatchSource<Batch>): Readable {
  return new Readable({
    objectMode: true,
    highWaterMark: 1,
    read(): void {
      source.next().then(
        ({ done, value }) => {
          // The stream goes on while stages behind it are still at work on this one.
          value?.raw.keep();
          this.push(done === true ? null : value);
        },
        (error: unknown) => this.destroy(asError(error)),
      );
    },
    destroy(error, callback): void {
      source.close().then(
        () => callback(error),
        (closeError: unknown) => callback(error ?? asError(closeError)),
      );
    },
  });
}

/** Of the batches that wait, the last one of each partition stands for those before it. */
export function committingStream<Batch extends CommittedBatch>(): Writable {
  const commitAll = async (batches: readonly Batch[]): Promise<void> => {
    const last = new Map(batches.map((batch) => [`${batch.topic}-${batch.partition}`, batch]));
    await Promise.all([...last.values()].map((batch) => batch.commit()));
  };
  const settle = (batches: readonly Batch[], callback: (error?: Error | null) => void): void => {
    commitAll(batches).then(
      () => callback(),
      (error: unknown) => callback(asError(error)),
    );
  };
  return new Writable({
    objectMode: true,
    highWaterMark: WAITING_BATCHES_MAX,
    write: (batch: Batch, _encoding, callback) => settle([batch], callback),
    writev: (chunks: readonly { readonly chunk: Batch }[], callback) => {
      settle(
        chunks.map(({ chunk }) => chunk),
        callback,
      );
    },
  });
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
