/**
 * `compaction-interference`: what compaction in the same process costs a producer that appends one
 * record of 100 B durably, 500 times a second; in each round first with nothing else, then while a
 * compaction runs: of another log, or of the producer's own.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { Log } from '../src/storage/main.js';
import type { CaseContext } from './case-context.js';
import {
  type CompactableLog,
  copyDurably,
  fillCompactable,
  VALUE_BYTES,
} from './compactable-log.js';
import { RECORDS, SEGMENT_BYTES } from './compaction.js';
import { type PacedTimes, paced } from './pacer.js';
import { makeRecords } from './records.js';
import type { Subject } from './row.js';
import { compare, type Pair, quantile } from './statistics.js';

const INTERVAL_MS = 2;
/** About as long as the compaction takes. */
const IDLE_MS = 1500;
const REST_MS = 300;

interface Round {
  readonly idle: PacedTimes;
  readonly busy: PacedTimes;
}

export async function compactionInterference(context: CaseContext): Promise<void> {
  const records = context.size(RECORDS, 6_000);
  const segmentBytes = context.size(SEGMENT_BYTES, 128 * 1024);
  const filled = await fillCompactable(context.path('compactable'), records, segmentBytes);
  for (const variant of ['other-log', 'same-log'] as const) {
    const rounds: Round[] = [];
    const warmUps = context.warmUps;
    for (let round = -warmUps; round < context.rounds(12); round += 1) {
      const one = await interfere(context, filled, variant);
      if (round >= 0) rounds.push(one);
    }
    report(context, variant, rounds);
  }
  context.remove(filled.folder);
}

async function interfere(
  context: CaseContext,
  { folder }: CompactableLog,
  variant: 'other-log' | 'same-log',
): Promise<Round> {
  const copy = context.path('interference-copy');
  const own = context.path('interference-own');
  copyDurably(folder, copy);
  const compacted = await Log.open(copy);
  const written = variant === 'same-log' ? compacted : await Log.open(own);
  const [record] = makeRecords(1, VALUE_BYTES).all;
  if (record === undefined) throw new Error('there is a record');
  const append = () => written.append([{ ...record, key: 'the key of the producer' }]);
  try {
    globalThis.gc?.();
    await sleep(context.size(REST_MS, 1));
    const idleMs = context.size(IDLE_MS, 60);
    const idle = await paced(INTERVAL_MS, append, () => sleep(idleMs));
    const busy = await paced(INTERVAL_MS, append, () => compacted.compact());
    return { idle, busy };
  } finally {
    await compacted.close();
    if (written !== compacted) await written.close();
    context.remove(copy);
    context.remove(own);
  }
}

function report(context: CaseContext, variant: string, rounds: readonly Round[]): void {
  const subject = (suffix: string): Subject => ({
    case: `compaction-interference-${variant}-${suffix}`,
    valueBytes: VALUE_BYTES,
    batch: 1,
    callers: 1,
    acks: 'durable',
    unit: 'ms',
  });
  const busyTimes = rounds.flatMap(({ busy }) => busy.times);
  const idleTimes = rounds.flatMap(({ idle }) => idle.times);
  for (const [suffix, q] of [['p50', 0.5] as const, ['p99', 0.99] as const]) {
    const pairs = rounds.map(({ idle, busy }): Pair => {
      return { ours: quantile(busy.times, q), raw: quantile(idle.times, q) };
    });
    context.report(subject(suffix), compare(pairs), {
      appends: busyTimes.length,
      pooled: quantile(busyTimes, q),
      pooledIdle: quantile(idleTimes, q),
    });
  }
  const delays = rounds.map(({ idle, busy }): Pair => {
    return { ours: busy.loopDelayP99, raw: idle.loopDelayP99 };
  });
  context.report(subject('loop'), compare(delays));
}
