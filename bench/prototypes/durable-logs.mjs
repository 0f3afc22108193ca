// Measures how N logs that are written at once are made durable. One round: each log appends one
// batch, and the round ends when all of them are durable. The variants run interleaved, shuffled
// anew in each round; ratios are to one-writer.
//   one-writer          one worker: all pwrites, then one fdatasync per file
//   writers-2, -4, -8   the same, the logs spread over so many workers
//   pool-4, pool-16     one worker: all pwrites, then async fdatasync in libuv's pool of that size
//   zero-filled         one-writer on log files that were zero-filled beforehand
//   journal             one worker: all batches to a recycled journal (one pwrite, one fdatasync),
//                       then pwrites to the log files, not synced
//   journal-growing     the same with a journal that grows
// `round` cases time a round including the unsynced writes; `ackMs` of a journal is the time until
// the batches are durable; `checkpointMs` is syncing all logs after 16 MiB of journal.
// `sustained` cases run each variant for slices of a second, checkpoints running in a second
// worker and charged to the slice, the last one included: the ratio there is of time per round.
// Run: node bench/prototypes/durable-logs.mjs [--smoke] [--dir folder] [--logs 1,12,64,256]
//   [--bytes 200,4096] [--only round|sustained]

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import {
  isSmoke,
  option,
  pairedRatio,
  print,
  quantile,
  round3,
  shuffle,
  temporaryFolder,
} from './measure.mjs';

const ROUND_VARIANTS = [
  'one-writer',
  'writers-2',
  'writers-4',
  'writers-8',
  'pool-4',
  'pool-16',
  'zero-filled',
  'journal',
  'journal-growing',
];
const SUSTAINED_VARIANTS = [
  { variant: 'one-writer' },
  { variant: 'writers-2' },
  { variant: 'writers-4' },
  { variant: 'journal', journalMiB: 16 },
  { variant: 'journal', journalMiB: 64 },
];
const ROUNDS_BY_LOGS = new Map([
  [1, 300],
  [12, 200],
  [64, 120],
  [256, 60],
]);

const logCounts = option('logs', isSmoke() ? '12' : '1,12,64,256')
  .split(',')
  .map(Number);
const batchBytes = option('bytes', isSmoke() ? '200' : '200,4096')
  .split(',')
  .map(Number);
const only = option('only', 'all');
const folder = temporaryFolder();

// UV_THREADPOOL_SIZE belongs to a process, so each pool size is a process; one is active at a time.
const processes = new Map([4, 16].map((size) => [size, start(size)]));

for (const bytes of batchBytes) {
  for (const logs of logCounts) {
    if (only !== 'sustained') {
      await measureRounds(logs, bytes);
    }
    if (only !== 'round') {
      await measureSustained(logs, bytes);
    }
  }
}
for (const child of processes.values()) {
  child.disconnect();
}

function start(poolSize) {
  const script = join(import.meta.dirname, 'durable-logs-process.mjs');
  // Only the first process runs variants that need more than one worker.
  const args = [poolSize === 4 ? '8' : '1'];
  const env = { ...process.env, UV_THREADPOOL_SIZE: String(poolSize) };
  const child = fork(script, args, { env });
  child.on('exit', (code) => {
    if (code !== 0) {
      process.exit(1);
    }
  });
  return child;
}

async function ask(child, request) {
  child.send(request);
  const [answer] = await once(child, 'message');
  return answer;
}

function processOf(variant) {
  return processes.get(variant === 'pool-16' ? 16 : 4);
}

async function open(variants, logs, bytes, rounds) {
  const journalBytes = isSmoke() ? 2 ** 22 : 2 * 64 * 2 ** 20;
  for (const child of processes.values()) {
    const own = variants.filter((variant) => processOf(variant) === child);
    const request = { name: 'open', folder, variants: own, logs, bytes, rounds, journalBytes };
    await ask(child, request);
  }
}

async function close() {
  for (const child of processes.values()) {
    await ask(child, { name: 'close' });
  }
}

async function measureRounds(logs, bytes) {
  const rounds = isSmoke() ? 5 : (ROUNDS_BY_LOGS.get(logs) ?? 60);
  const warmUp = 2;
  await open(ROUND_VARIANTS, logs, bytes, rounds + warmUp);
  const series = new Map(ROUND_VARIANTS.map((variant) => [variant, { roundMs: [], ackMs: [] }]));
  for (let round = 0; round < rounds + warmUp; round += 1) {
    for (const variant of shuffle(ROUND_VARIANTS)) {
      const { roundMs, ackMs } = await ask(processOf(variant), { name: 'round', variant });
      if (round >= warmUp) {
        series.get(variant).roundMs.push(roundMs);
        series.get(variant).ackMs.push(ackMs);
      }
    }
  }
  const { checkpointMs } = await ask(processOf('journal'), {
    name: 'checkpoint',
    variant: 'journal',
    journalBytes: isSmoke() ? 2 ** 20 : 2 ** 24,
  });
  await close();
  const baseline = series.get('one-writer').roundMs;
  for (const [variant, { roundMs, ackMs }] of series) {
    const isJournal = variant.startsWith('journal');
    print({
      case: 'round',
      logs,
      bytes,
      variant,
      p50Ms: round3(quantile(roundMs, 0.5)),
      p90Ms: round3(quantile(roundMs, 0.9)),
      toOneWriter: pairedRatio(roundMs, baseline),
      ...(isJournal && {
        ackP50Ms: round3(quantile(ackMs, 0.5)),
        checkpointMs: round3(checkpointMs),
        checkpointPerRoundMs: round3((checkpointMs * logs * (bytes + 24)) / 2 ** 24),
      }),
    });
  }
}

async function measureSustained(logs, bytes) {
  const slices = isSmoke() ? 2 : 7;
  const sliceMs = isSmoke() ? 30 : 800;
  const names = [...new Set(SUSTAINED_VARIANTS.map(({ variant }) => variant))];
  await open(names, logs, bytes, 0);
  const series = SUSTAINED_VARIANTS.map(() => ({ msPerRound: [], checkpoints: 0 }));
  for (let slice = 0; slice < slices; slice += 1) {
    for (const index of shuffle(SUSTAINED_VARIANTS.keys())) {
      const { variant, journalMiB } = SUSTAINED_VARIANTS[index];
      const request = { name: 'sustained', variant, sliceMs, journalBytes: journalMiB * 2 ** 20 };
      const answer = await ask(processOf(variant), request);
      series[index].msPerRound.push(answer.elapsedMs / answer.rounds);
      series[index].checkpoints += answer.checkpoints;
    }
  }
  await close();
  for (const [index, { variant, journalMiB }] of SUSTAINED_VARIANTS.entries()) {
    const { msPerRound, checkpoints } = series[index];
    print({
      case: 'sustained',
      logs,
      bytes,
      variant: journalMiB === undefined ? variant : `${variant}-${journalMiB}MiB`,
      msPerRound: round3(quantile(msPerRound, 0.5)),
      checkpoints,
      toOneWriter: pairedRatio(msPerRound, series[0].msPerRound),
    });
  }
}
