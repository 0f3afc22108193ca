// Crashes of a log with producers and transactions: at every call, whatever the disk kept.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProducerStamp } from '../../src/storage/append-options.js';
import type { Log } from '../../src/storage/log.js';
import { settled } from '../support/fixtures.js';
import { readRecords, SimLog } from '../support/log-fixture.js';
import { TestProducer } from '../support/producer-fixture.js';
import { enumerateCrashes } from '../support/sim-crash.js';
import type { SimDisk } from '../support/sim-file-system.js';

interface Sent {
  readonly stamp: ProducerStamp;
  readonly values: readonly string[];
  /** Where it was answered to lie; undefined while nobody was told. */
  baseOffset: number | undefined;
}

/** What was sent and what was answered, at some moment. */
interface Knowledge {
  readonly disk: SimDisk;
  readonly sent: readonly Sent[];
  /** Transactions by their first value, with how they were ended and whether that was answered. */
  readonly ends: readonly { readonly kind: 'commit' | 'abort'; readonly isAnswered: boolean }[];
}

const OPTIONS = { segmentBytes: 4096, indexIntervalBytes: 0 };

/** Sends everything again, in order: what is stored is a duplicate, what is not is stored now. */
async function sendAgain(log: Log, sent: readonly Sent[]): Promise<void> {
  for (const { stamp, values, baseOffset } of sent) {
    const records = values.map((value) => ({ value: value.padEnd(600, '.') }));
    const answer = await log.append(records, { producer: stamp });
    if (baseOffset === undefined) continue;
    assert.ok(answer.isDuplicate, `what was answered is known: ${values[0]}`);
    if (answer.baseOffset >= 0) assert.equal(answer.baseOffset, baseOffset);
  }
}

function valuesOf(records: readonly { readonly value: string | null }[]): string[] {
  return records.map(({ value }) => (value ?? '').replace(/\.+$/, ''));
}

/** Runs `work` and looks at the disk before each call; each look is a place to crash. */
async function watch(
  work: (log: Log, sent: Sent[], ends: Knowledge['ends'][number][]) => Promise<void>,
): Promise<readonly Knowledge[]> {
  const sim = new SimLog();
  const sent: Sent[] = [];
  const ends: Knowledge['ends'][number][] = [];
  const seen: Knowledge[] = [];
  const log = await sim.open(OPTIONS);
  const look = (): void => {
    const copies = sent.map((one) => ({ ...one }));
    seen.push({ disk: sim.disk.clone(), sent: copies, ends: ends.map((end) => ({ ...end })) });
  };
  sim.disk.onCall = look;
  await work(log, sent, ends);
  await log.close();
  await settled();
  sim.disk.onCall = undefined;
  look();
  return seen;
}

async function send(log: Log, sent: Sent[], producer: TestProducer, values: readonly string[]) {
  const one: Sent = { stamp: producer.next(values.length), values, baseOffset: undefined };
  sent.push(one);
  const records = values.map((value) => ({ value: value.padEnd(600, '.') }));
  one.baseOffset = (await log.append(records, { producer: one.stamp })).baseOffset;
}

test('a crash at any call: what is sent again is in the log once, in order', async () => {
  const seen = await watch(async (log, sent) => {
    const [one, two] = [new TestProducer(1), new TestProducer(2)];
    for (let round = 0; round < 5; round += 1) {
      await Promise.all([
        send(log, sent, one, [`a${round}`]),
        send(log, sent, two, [`b${round}`, `c${round}`]),
      ]);
    }
  });
  let states = 0;
  for (const { disk, sent } of seen) {
    for (const choice of enumerateCrashes(disk, 4, states)) {
      const later = new SimLog(disk.crash(choice));
      const log = await later.open(OPTIONS);
      await sendAgain(log, sent);
      const values = valuesOf(await readRecords(log));
      const wanted = sent.flatMap(({ values: of }) => of);
      assert.deepEqual(values.toSorted(), wanted.toSorted(), JSON.stringify(choice));
      for (const prefix of ['a', 'b', 'c']) {
        const own = (of: readonly string[]) => of.filter((value) => value.startsWith(prefix));
        assert.deepEqual(own(values), own(wanted));
      }
      // The same from a second restart: what recovery made of it is no less.
      const last = await later.kill().open(OPTIONS);
      await sendAgain(last, sent);
      assert.equal(last.endOffset, wanted.length);
      states += 1;
    }
  }
  assert.ok(states > 200, `${states} states`);
});

test('a crash at any call: an ended transaction stays ended, another one stays open', async () => {
  const kinds = ['commit', 'abort', 'abort', 'commit'] as const;
  const seen = await watch(async (log, sent, ends) => {
    const producer = new TestProducer(1);
    for (const [index, kind] of kinds.entries()) {
      for (const part of ['x', 'y', 'z']) {
        const values = [`${index}${part}`];
        const stamp = producer.next(1, true);
        const one: Sent = { stamp, values, baseOffset: undefined };
        sent.push(one);
        const records = values.map((value) => ({ value: value.padEnd(600, '.') }));
        one.baseOffset = (await log.append(records, { producer: stamp })).baseOffset;
      }
      ends.push({ kind, isAnswered: false });
      await producer.end(log, kind);
      ends[index] = { kind, isAnswered: true };
    }
  });
  let states = 0;
  for (const { disk, sent, ends } of seen) {
    for (const choice of enumerateCrashes(disk, 4, states)) {
      const later = new SimLog(disk.crash(choice));
      const log = await later.open(OPTIONS);
      const why = JSON.stringify(choice);
      checkSeen(valuesOf(await readRecords(log)), ends, why);
      const readOnly = await later.open({ readOnly: true });
      checkSeen(valuesOf(await readRecords(readOnly)), ends, why);
      await readOnly.close();
      // Whoever coordinates ends what may be open, again if need be, and all is decided.
      await sendAgain(
        log,
        sent.filter(({ baseOffset }) => baseOffset === undefined),
      );
      const [known] = log.producers();
      if (known?.transactionOffset !== undefined) {
        const kind = ends.length * 3 === sent.length ? (ends.at(-1)?.kind ?? 'abort') : 'abort';
        await new TestProducer(1).end(log, kind);
        assert.equal(log.stableOffset, log.durableOffset);
        const decided = ends.length * 3 === sent.length;
        const all = ends.map(({ kind: end }) => ({ kind: end, isAnswered: true }));
        if (decided) checkSeen(valuesOf(await readRecords(log)), all, why);
      }
      states += 1;
    }
  }
  assert.ok(states > 200, `${states} states`);
});

/** Committed readers see whole transactions: those that were answered, and no aborted one. */
function checkSeen(values: readonly string[], ends: Knowledge['ends'], why: string): void {
  const wanted: string[] = [];
  for (const [index, { kind, isAnswered }] of ends.entries()) {
    if (kind === 'abort') continue;
    const whole = ['x', 'y', 'z'].map((part) => `${index}${part}`);
    const isSeen = values.includes(whole[0] ?? '');
    assert.ok(isSeen || !isAnswered, `transaction ${index} was committed: ${why}`);
    if (isSeen) wanted.push(...whole);
  }
  assert.deepEqual(values, wanted, why);
}
