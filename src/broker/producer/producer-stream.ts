/**
 * Sending as a Node stream: records are written, and a full buffer holds back whoever writes.
 *
 * What is written while a send is on its way goes with the next one. A write counts as done when
 * its records are as safe as the producer's `acks` says, so `finish` means that all of them are.
 */

import { Writable } from 'node:stream';
import { createError } from '../../base/errors.js';

export interface WritableOptions {
  /** Records that may wait in the stream. Default 1,024. */
  readonly highWaterMark?: number | undefined;
}

const HIGH_WATER_MARK = 1_024;
const HIGH_WATER_MARK_MAX = 1_000_000;

/** Throws OPTION_INVALID. */
export function sendingStream<TopicRecord>(
  send: (records: readonly TopicRecord[]) => Promise<unknown>,
  { highWaterMark = HIGH_WATER_MARK }: WritableOptions,
): Writable {
  if (!Number.isSafeInteger(highWaterMark) || highWaterMark < 1) throw invalid(highWaterMark);
  if (highWaterMark > HIGH_WATER_MARK_MAX) throw invalid(highWaterMark);
  const sendAll = (
    records: readonly TopicRecord[],
    callback: (error?: Error | null) => void,
  ): void => {
    send(records).then(
      () => callback(),
      (error: unknown) => callback(error instanceof Error ? error : new Error(String(error))),
    );
  };
  return new Writable({
    objectMode: true,
    highWaterMark,
    write: (record: TopicRecord, _encoding, callback) => sendAll([record], callback),
    writev: (chunks: readonly { readonly chunk: TopicRecord }[], callback) => {
      sendAll(
        chunks.map(({ chunk }) => chunk),
        callback,
      );
    },
  });
}

function invalid(actual: unknown): Error {
  const expected = `a whole number from 1 to ${HIGH_WATER_MARK_MAX}`;
  const shown = String(actual).slice(0, 64);
  return createError('OPTION_INVALID', { option: 'highWaterMark', expected, actual: shown });
}
