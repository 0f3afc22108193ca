/**
 * What goes wrong at a server, on stderr: a line for each connection that was refused or ended,
 * but not more than a reader can follow. How many were left out is told with the next line.
 */

import type { Clock } from '../base/clock.js';
import { TokenBucket } from '../base/token-bucket.js';
import type { KafkaServerEvents } from '../server/kafka/kafka-server.js';
import type { Output } from './output.js';

const LINES_PER_SECOND = 1;
const LINES_AT_ONCE = 20;

export function serveLog(output: Pick<Output, 'note' | 'error'>, clock: Clock): KafkaServerEvents {
  const bucket = new TokenBucket(clock, LINES_PER_SECOND, LINES_AT_ONCE);
  let leftOut = 0;
  const tell = (line: () => void): void => {
    if (bucket.delayForMs(1) > 0) {
      leftOut += 1;
      return;
    }
    bucket.take(1);
    if (leftOut > 0) output.note('left-out', { lines: leftOut });
    leftOut = 0;
    line();
  };
  return {
    failed: (error) => tell(() => output.error(error)),
    refused: (reason, host) => tell(() => output.note('refused', { reason, host })),
  };
}
