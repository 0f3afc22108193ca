/**
 * `peers-*` and `servers-*`: ours, raw and what one would use instead, on the same bytes.
 *
 * Each side has a process of its own; the sides take turns, and who goes first changes from round
 * to round. Peers are compared where they promise the same (`promise` says what that is), or
 * marked as weaker or stronger. A peer that is not installed or fails has a row that says so.
 * `peers-*-best` is ours against the fastest embedded peer of a row. Servers on loopback are for
 * orientation: they give what a library cannot, and pay for it on the way.
 */

import { logPeers, queuePeers } from './adapters/all.js';
import { millraceLog } from './adapters/millrace-log.js';
import { millraceQueue } from './adapters/millrace-queue.js';
import type { KeptPromise, PeerAcks } from './adapters/peer.js';
import { installedVersion, missingOf, type Needs } from './adapters/peer-package.js';
import type { CaseContext } from './case-context.js';
import { PeerSide } from './peer-side.js';
import type { RoundResult, WorkKind, WorkOrder } from './peer-work.js';
import type { Subject, Unit } from './row.js';
import { compare, quantile } from './statistics.js';

/** One side as the tables name it. */
interface Contender {
  readonly name: string;
  readonly needs: Needs;
  readonly promise: KeptPromise;
}

interface Contest {
  readonly name: string;
  readonly kind: WorkKind;
  readonly acks: PeerAcks;
  readonly valueBytes: number;
  readonly batch: number;
  readonly callers: number;
  readonly records: number;
  readonly calls: number;
  readonly rounds: number;
  readonly contenders: readonly Contender[];
  readonly hasRaw: boolean;
}

const IN_FLIGHT_BYTES = 4 * 1024 * 1024;
const raw: KeptPromise = { strength: 'exact', means: 'finished bytes through node:fs' };

export async function peersAppend(context: CaseContext): Promise<void> {
  for (const acks of ['written', 'durable'] as const) {
    for (const valueBytes of context.values([100, 1024])) {
      const records = context.size(valueBytes > 512 ? 60_000 : 300_000, 500);
      await contest(context, append(context, 'peers', acks, valueBytes, records, 6));
    }
  }
}

export async function serversAppend(context: CaseContext): Promise<void> {
  for (const acks of ['written', 'durable'] as const) {
    await contest(context, append(context, 'servers', acks, 100, context.size(20_000, 500), 3));
  }
}

function append(
  context: CaseContext,
  group: Group,
  acks: PeerAcks,
  valueBytes: number,
  records: number,
  rounds: number,
): Contest {
  const batch = context.size(1000, 100);
  return {
    name: `${group}-append-${acks}`,
    kind: 'append',
    acks,
    valueBytes,
    batch,
    callers: Math.max(2, Math.floor(IN_FLIGHT_BYTES / (batch * valueBytes))),
    records,
    calls: 0,
    rounds: context.rounds(rounds),
    contenders: logsOf(group, acks),
    hasRaw: group === 'peers',
  };
}

export const peersLone = lone('peers', 500, 6);
export const serversLone = lone('servers', 200, 3);

function lone(group: Group, calls: number, rounds: number) {
  return (context: CaseContext): Promise<void> =>
    contest(context, {
      name: `${group}-lone`,
      kind: 'lone',
      acks: 'durable',
      valueBytes: 100,
      batch: 1,
      callers: 1,
      records: context.size(20_000, 500),
      calls: context.size(calls, 5),
      rounds: context.rounds(rounds),
      contenders: logsOf(group, 'durable'),
      hasRaw: group === 'peers',
    });
}

export async function peersRead(context: CaseContext): Promise<void> {
  for (const valueBytes of context.values([100, 1024])) {
    const records = context.size(valueBytes > 512 ? 60_000 : 300_000, 500);
    await contest(context, reading(context, 'peers', 'read', valueBytes, records));
  }
}

export const serversRead = (context: CaseContext): Promise<void> =>
  contest(context, reading(context, 'servers', 'read', 100, context.size(20_000, 500)));

export const peersRandom = (context: CaseContext): Promise<void> =>
  contest(context, reading(context, 'peers', 'random', 100, context.size(100_000, 500)));

function reading(
  context: CaseContext,
  group: Group,
  kind: 'read' | 'random',
  valueBytes: number,
  records: number,
): Contest {
  // Streams of servers that only promise one kind are written with what they have.
  const both = [...logsOf(group, 'written'), ...logsOf(group, 'durable')];
  const contenders = both.filter(
    ({ name }, index) => both.findIndex((other) => other.name === name) === index,
  );
  return {
    name: `${group}-${kind}`,
    kind,
    acks: 'written',
    valueBytes,
    batch: context.size(1000, 100),
    callers: 4,
    records,
    calls: context.size(5000, 20),
    rounds: context.rounds(group === 'peers' ? 6 : 3),
    contenders,
    hasRaw: group === 'peers' && kind === 'read',
  };
}

export const peersQueue = queue('peers', 5);
export const serversQueue = queue('servers', 3);

function queue(group: Group, rounds: number) {
  return (context: CaseContext): Promise<void> =>
    contest(context, {
      name: `${group}-queue`,
      kind: 'queue',
      acks: 'durable',
      valueBytes: 100,
      batch: 1,
      callers: context.size(256, 16),
      records: context.size(50_000, 160),
      calls: 0,
      rounds: context.rounds(rounds),
      contenders: queuePeers
        .filter(({ program }) => (program !== undefined) === (group === 'servers'))
        .map((peer) => ({ name: peer.name, needs: peer, promise: peer.promise })),
      hasRaw: false,
    });
}

type Group = 'peers' | 'servers';

function logsOf(group: Group, acks: PeerAcks): readonly Contender[] {
  return logPeers
    .filter(({ program }) => (program !== undefined) === (group === 'servers'))
    .flatMap((peer) => {
      const promise = peer.promises[acks];
      return promise === undefined ? [] : [{ name: peer.name, needs: peer, promise }];
    });
}

async function contest(context: CaseContext, what: Contest): Promise<void> {
  const ours = what.kind === 'queue' ? millraceQueue.name : millraceLog.name;
  const started = await startSides(context, what, ours);
  try {
    const results = await takeTurns(context, what, started);
    report(context, what, ours, started, results);
  } finally {
    for (const { side } of started) side.kill();
  }
}

interface Started {
  readonly contender: Contender;
  readonly side: PeerSide;
}

/** Ours first; who cannot be measured gets a row that says why. */
async function startSides(
  context: CaseContext,
  what: Contest,
  ours: string,
): Promise<readonly Started[]> {
  const nothing: Needs = { packages: [] };
  const own = what.kind === 'queue' ? millraceQueue.promise : millraceLog.promises[what.acks];
  const all: Contender[] = [
    { name: ours, needs: nothing, promise: own ?? raw },
    ...(what.hasRaw ? [{ name: 'raw', needs: nothing, promise: raw }] : []),
    ...what.contenders,
  ];
  const started: Started[] = [];
  for (const [index, contender] of all.entries()) {
    const reason = missingOf(contender.needs);
    if (reason !== undefined) {
      skip(context, what, contender, reason);
      continue;
    }
    const { kind, acks, records, valueBytes, batch, callers, calls } = what;
    const folder = context.path(`${what.name}-${valueBytes}-${index}`);
    const order: WorkOrder = {
      ...{ kind, side: contender.name, folder, acks },
      ...{ records, valueBytes, batch, callers, calls },
    };
    try {
      started.push({ contender, side: await PeerSide.start(order) });
    } catch (error) {
      if (contender.name === ours || contender.name === 'raw') throw error;
      skip(context, what, contender, reasonOf(error));
    }
  }
  return started;
}

/** Rounds by name; a peer that fails has none. */
async function takeTurns(
  context: CaseContext,
  what: Contest,
  started: readonly Started[],
): Promise<ReadonlyMap<string, readonly RoundResult[]>> {
  const results = new Map<string, RoundResult[]>(started.map(({ side }) => [side.name, []]));
  // A server starts anew for each round of appends, which takes longer than what is measured.
  const warmUps = (what.name.startsWith('servers-') ? 1 : 2) * context.warmUps;
  for (let round = -warmUps; round < what.rounds; round += 1) {
    const first = (round + warmUps) % started.length;
    for (const { contender, side } of [...started.slice(first), ...started.slice(0, first)]) {
      const own = results.get(side.name);
      if (own === undefined) continue;
      try {
        const result = await side.round();
        if (round >= 0) own.push(result);
      } catch (error) {
        if (contender.promise === raw || contender.needs.packages.length === 0) throw error;
        skip(context, what, contender, reasonOf(error));
        results.delete(side.name);
        side.kill();
      }
    }
  }
  for (const { side } of started) if (results.has(side.name)) await side.end();
  return results;
}

function report(
  context: CaseContext,
  what: Contest,
  ours: string,
  started: readonly Started[],
  results: ReadonlyMap<string, readonly RoundResult[]>,
): void {
  const own = started.find(({ side }) => side.name === ours);
  const ownResults = results.get(ours) ?? [];
  if (own === undefined || ownResults.length === 0) throw new Error('ours was measured');
  const measures = what.kind === 'lone' ? loneMeasures : rateMeasures;
  for (const { suffix, unit, of, isBetterLow } of measures) {
    const subject = subjectOf(what, `${what.name}${suffix}`, unit);
    const pairsWith = (name: string): { ours: number; raw: number }[] =>
      (results.get(name) ?? []).map((theirs, round) => ({
        ours: of(ownResults[round] ?? theirs),
        raw: of(theirs),
      }));
    let best: { readonly name: string; readonly median: number } | undefined;
    for (const { contender, side } of started) {
      if (side === own.side || !results.has(side.name)) continue;
      const comparison = compare(pairsWith(side.name));
      context.report({ ...subject, against: labelOf(contender) }, comparison, {
        promise: contender.promise.means,
        strength: contender.promise.strength,
        oursPeakMiB: mebibytes(own.side.peakBytes),
        theirPeakMiB: mebibytes(side.peakBytes),
        checksum: results.get(side.name)?.[0]?.sum ?? '-',
      });
      const { median } = comparison.raw;
      const isCandidate = side.name !== 'raw' && contender.promise.strength !== 'weaker';
      const isBetter =
        best === undefined || (isBetterLow ? median < best.median : median > best.median);
      if (isCandidate && isBetter) best = { name: side.name, median };
    }
    if (best === undefined || !what.name.startsWith('peers-')) continue;
    const toRaw = results.has('raw') ? { toRaw: compare(pairsWith('raw')).ratio.high } : {};
    context.report(
      { ...subject, case: `${subject.case}-best`, against: best.name },
      compare(pairsWith(best.name)),
      toRaw,
    );
  }
}

interface Measure {
  readonly suffix: string;
  readonly unit: Unit;
  readonly of: (result: RoundResult) => number;
  readonly isBetterLow: boolean;
}

const rateMeasures: readonly Measure[] = [
  { suffix: '', unit: 'records/s', of: ({ rate }) => rate, isBetterLow: false },
];

const loneMeasures: readonly Measure[] = [
  { suffix: '-p50', unit: 'ms', of: ({ times }) => quantile(times, 0.5), isBetterLow: true },
  { suffix: '-p99', unit: 'ms', of: ({ times }) => quantile(times, 0.99), isBetterLow: true },
];

function subjectOf(what: Contest, name: string, unit: Unit): Subject {
  const isReading = what.kind === 'read' || what.kind === 'random';
  return {
    case: name,
    valueBytes: what.valueBytes,
    batch: what.batch,
    callers: what.callers,
    acks: isReading ? '-' : what.acks,
    unit,
  };
}

function labelOf({ name, needs }: Contender): string {
  const [first] = needs.packages;
  const version = first === name ? installedVersion(first) : undefined;
  return version === undefined ? name : `${name} ${version}`;
}

function skip(context: CaseContext, what: Contest, { name }: Contender, reason: string): void {
  context.skip({ case: what.name, against: name, valueBytes: what.valueBytes, skipped: reason });
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function mebibytes(bytes: number): number {
  return Number((bytes / 1024 / 1024).toFixed(1));
}
