/**
 * The budgets of the log, and of streams and queues on it, as data: which number of which row must
 * keep which bound.
 *
 * A bound is missed only when the whole interval lies on its wrong side. Rows without an entry are
 * information. Absolute rates hold for the machine that is named beside the published numbers.
 */

import type { Row } from './row.js';

interface Budget {
  readonly case: string;
  /** Narrow the rows; absent means all rows of the case. */
  readonly valueBytes?: number;
  readonly callers?: number;
  readonly acks?: Row['acks'];
  /** What is bounded: the ratio to raw, our own number in the row's unit, or ours less raw. */
  readonly of: 'ratio' | 'ours' | 'excess';
  readonly atLeast?: number;
  readonly atMost?: number;
  /** It is kept, too, when the ratio to raw beside it (`toRaw`) is at least this. */
  readonly orToRaw?: number;
}

export const budgets: readonly Budget[] = [
  { case: 'append-written', valueBytes: 100, of: 'ratio', atLeast: 0.6 },
  { case: 'append-written', valueBytes: 1024, of: 'ratio', atLeast: 0.85 },
  { case: 'append-durable', of: 'ratio', atLeast: 0.85 },
  { case: 'append-callers', valueBytes: 100, callers: 4096, of: 'ours', atLeast: 1_500_000 },
  { case: 'append-lone-p50', of: 'ratio', atMost: 1.15 },
  { case: 'append-lone-p99', of: 'ratio', atMost: 1.5 },
  { case: 'append-lone-busy-p50', of: 'ratio', atMost: 1.15 },
  { case: 'append-lone-busy-p99', of: 'ratio', atMost: 1.5 },
  { case: 'read-cursor', valueBytes: 1024, of: 'ratio', atLeast: 0.8 },
  { case: 'read-cursor', valueBytes: 100, of: 'ours', atLeast: 20_000_000 },
  { case: 'read-cursor-crc-off', valueBytes: 100, of: 'ours', atLeast: 30_000_000 },
  { case: 'read-records', valueBytes: 100, of: 'ours', atLeast: 5_000_000 },
  { case: 'read-random-offset-warm-reads', of: 'ours', atMost: 2 },
  { case: 'read-random-offset-cold-reads', of: 'ours', atMost: 4 },
  { case: 'read-random-time-warm-reads', of: 'ours', atMost: 2 },
  { case: 'read-random-time-cold-reads', of: 'ours', atMost: 4 },
  { case: 'read-random-offset-warm-bytes', of: 'ours', atMost: 8192 },
  { case: 'read-random-time-warm-bytes', of: 'ours', atMost: 8192 },
  { case: 'open-clean', of: 'ours', atMost: 50 },
  { case: 'open-crashed', of: 'ours', atLeast: 1e9 },
  { case: 'open-segments-1000', of: 'ours', atMost: 50 },
  { case: 'open-segments-1000-indexes', of: 'ours', atMost: 2 },
  { case: 'open-segments-10000-indexes', of: 'ours', atMost: 2 },
  { case: 'open-segments-crashed-indexes', of: 'ours', atMost: 2 },
  { case: 'compaction', of: 'ours', atLeast: 200e6 },
  { case: 'compaction-interference-other-log-p99', of: 'ratio', atMost: 1.5 },
  { case: 'compaction-interference-same-log-p99', of: 'ratio', atMost: 1.5 },
  { case: 'compaction-interference-other-log-loop', of: 'excess', atMost: 2 },
  { case: 'compaction-interference-same-log-loop', of: 'excess', atMost: 2 },
  { case: 'produce-consume', valueBytes: 100, acks: 'written', of: 'ours', atLeast: 3_000_000 },
  { case: 'produce-consume', valueBytes: 100, acks: 'durable', of: 'ours', atLeast: 1_000_000 },
  { case: 'group-fanout-written', of: 'ratio', atMost: 0.01 },
  { case: 'slow-consumer', of: 'excess', atMost: 24 * 1024 * 1024 },
  { case: 'queue-cycle-consume', callers: 256, of: 'ours', atLeast: 100_000 },
  { case: 'queue-cycle-receive-10', callers: 256, of: 'ours', atLeast: 150_000 },
  { case: 'queue-cycle-receive-10-list', callers: 256, of: 'ours', atLeast: 150_000 },
  { case: 'queue-cycle-receive-1000', callers: 256, of: 'ours', atLeast: 300_000 },
  { case: 'queue-inflight-memory', of: 'ours', atMost: 32 },
  { case: 'queue-fifo', of: 'ratio', atLeast: 1 / 3 },
  { case: 'queue-reach-priority-reads', of: 'ours', atMost: 2 },
  { case: 'queue-reach-group-reads', of: 'ours', atMost: 2 },
  { case: 'queue-reach-stuck', of: 'ratio', atMost: 0.2 },
  { case: 'queue-delayed-memory', of: 'ours', atMost: 64 * 1024 * 1024 },
  { case: 'queue-delayed-index', of: 'ours', atMost: 24 },
  { case: 'queue-delayed-open', of: 'ours', atMost: 1000 },
  {
    case: 'peers-append-written-best',
    valueBytes: 100,
    of: 'ratio',
    atLeast: 5,
    orToRaw: 0.85,
  },
  {
    case: 'peers-append-durable-best',
    valueBytes: 100,
    of: 'ratio',
    atLeast: 5,
    orToRaw: 0.85,
  },
  { case: 'peers-read-best', of: 'ratio', atLeast: 5 },
  { case: 'peers-queue-best', of: 'ratio', atLeast: 5 },
  { case: 'kafka-produce-acks-one', of: 'ratio', atLeast: 1 },
  { case: 'kafka-produce-acks-all', of: 'ratio', atLeast: 1 },
  { case: 'kafka-produce-acks-all-synced', of: 'ratio', atLeast: 1 },
  { case: 'kafka-produce-acks-one-memory', of: 'ratio', atMost: 0.2 },
  { case: 'kafka-produce-acks-all-memory', of: 'ratio', atMost: 0.2 },
  { case: 'kafka-produce-acks-all-synced-memory', of: 'ratio', atMost: 0.2 },
  { case: 'kafka-fetch', of: 'ratio', atLeast: 1 },
  { case: 'kafka-latency-acks-one-p99', of: 'ratio', atMost: 1 },
  { case: 'kafka-latency-acks-all-p99', of: 'ratio', atMost: 1 },
  { case: 'kafka-latency-acks-all-synced-p99', of: 'ratio', atMost: 1 },
  { case: 'kafka-start', of: 'ratio', atMost: 0.1 },
  { case: 'kafka-start-memory', of: 'ratio', atMost: 0.2 },
  { case: 'exchange-route-direct', of: 'ours', atLeast: 100_000 },
  { case: 'exchange-route-topic', of: 'ours', atLeast: 100_000 },
  { case: 'exchange-route-headers', of: 'ours', atLeast: 100_000 },
  { case: 'exchange-route-filter', of: 'ours', atLeast: 100_000 },
  { case: 'exchange-route-range', of: 'ours', atLeast: 100_000 },
];

export interface Verdict {
  readonly budget: string;
  readonly met: boolean;
}

interface Spread {
  readonly low: number;
  readonly high: number;
}

/** What the table says about a row; `spread` is the interval of our own number. */
export function judge(row: Row, spread: Spread): Verdict | undefined {
  const budget = budgets.find(
    (candidate) =>
      candidate.case === row.case &&
      (candidate.valueBytes ?? row.valueBytes) === row.valueBytes &&
      (candidate.callers ?? row.callers) === row.callers &&
      (candidate.acks ?? row.acks) === row.acks,
  );
  if (budget === undefined) return undefined;
  const { low, high } = boundedBy(budget.of, row, spread);
  const { atLeast = Number.NEGATIVE_INFINITY, atMost = Number.POSITIVE_INFINITY } = budget;
  const isLower = budget.atLeast !== undefined;
  const { orToRaw } = budget;
  const toRaw = row['toRaw'];
  const isNearRaw = orToRaw !== undefined && typeof toRaw === 'number' && toRaw >= orToRaw;
  const bound = `${budget.of} ${isLower ? '>=' : '<='} ${isLower ? atLeast : atMost}`;
  return {
    budget: orToRaw === undefined ? bound : `${bound}, or ${orToRaw} of raw`,
    met: isNearRaw || (high >= atLeast && low <= atMost),
  };
}

function boundedBy(of: Budget['of'], row: Row, spread: Spread): Spread {
  if (of === 'ratio') return row;
  return of === 'ours' ? spread : { low: spread.low - row.raw, high: spread.high - row.raw };
}
