/**
 * The records of a partition in process, against a model that is a plain list.
 *
 * Whatever comes in and however it ends: a key's records start one at a time and in order, whatever
 * may start does, what rests or is dead holds back nothing but its key or the commit, and what may
 * be committed is the first offset that is not done.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PartitionWork, type Work, workMoves } from '../../src/broker/process/process-partition.js';
import { testRuns, testSeed } from '../support/seed.js';

interface ModelRecord {
  readonly offset: number;
  readonly key: string | undefined;
  readonly bytes: number;
  state: 'waiting' | 'running' | 'resting' | 'dead' | 'done';
  dueMs: number;
  failures: number;
}

const BYTES_MAX = 100;
const RECORDS_MAX = 12;
const START = 40;

class World {
  readonly work = new PartitionWork<string>(START);
  readonly records: ModelRecord[] = [];
  readonly running: Work<string>[] = [];
  position = START;
  nowMs = 0;

  add(gap: number, key: string | undefined, bytes: number): void {
    const open = this.open();
    const isAlone = open.length === 0;
    const used = open.reduce((sum, record) => sum + record.bytes, 0);
    const hasRoom = isAlone || (open.length < RECORDS_MAX && used + bytes <= BYTES_MAX);
    assert.equal(this.work.hasRoom(bytes, RECORDS_MAX, BYTES_MAX), hasRoom);
    if (!hasRoom) return;
    const offset = this.position + gap;
    this.position = offset + 1;
    this.work.add(offset, key, `record ${offset}`, bytes);
    this.records.push({ offset, key, bytes, state: 'waiting', dueMs: 0, failures: 0 });
  }

  passOver(count: number): void {
    this.position += count;
    this.work.passOver(this.position);
  }

  start(): void {
    const startable = this.records.filter((record) => this.mayStart(record));
    assert.equal(this.work.hasReady, startable.length > 0);
    const work = this.work.start();
    if (work === undefined) {
      assert.equal(startable.length, 0);
      return;
    }
    const record = startable.find(({ offset }) => offset === work.offset);
    assert.ok(record, `${work.offset} may not start`);
    assert.equal(work.record, `record ${work.offset}`);
    assert.equal(work.failures, record.failures);
    record.state = 'running';
    this.running.push(work);
  }

  end(which: number, how: 'done' | 'resting' | 'dead', delayMs: number): void {
    const [work] = this.running.splice(which % Math.max(1, this.running.length), 1);
    if (work === undefined) return;
    const record = this.records.find(({ offset }) => offset === work.offset);
    assert.ok(record);
    record.state = how;
    if (how === 'done') {
      this.work.finish(work);
      return;
    }
    record.failures += 1;
    record.dueMs = this.nowMs + delayMs;
    const error = new Error('planned');
    if (how === 'dead') this.work.die(work, error);
    else this.work.rest(work, error, record.dueMs);
    assert.equal(work.error, error);
  }

  pass(ms: number): void {
    this.nowMs += ms;
    this.work.wake(this.nowMs);
    for (const record of this.records) {
      if (record.state === 'resting' && record.dueMs <= this.nowMs) record.state = 'waiting';
    }
  }

  bury(recordsMax: number): void {
    const run = this.work.deadRun(recordsMax, BYTES_MAX);
    const open = this.open();
    const end = open.findIndex(({ state }) => state !== 'dead');
    const deadCount = end === -1 ? open.length : end;
    assert.equal(run === undefined, deadCount === 0);
    if (run === undefined) return;
    assert.ok(run.works.length <= recordsMax);
    const dead = open.slice(0, run.works.length);
    assert.deepEqual(
      run.works.map(({ offset }) => offset),
      dead.map(({ offset }) => offset),
    );
    if (deadCount > run.works.length && run.works.length < recordsMax) {
      const bytes = open.slice(0, run.works.length + 1).reduce((sum, one) => sum + one.bytes, 0);
      assert.ok(bytes > BYTES_MAX, 'only bytes end a run early');
    }
    this.work.bury(run);
    for (const record of dead) record.state = 'done';
    assert.equal(run.nextOffset, this.finishedOffset());
  }

  check(): void {
    const open = this.open();
    assert.equal(this.work.count, open.length);
    assert.equal(
      this.work.bytes,
      open.reduce((sum, record) => sum + record.bytes, 0),
    );
    assert.equal(this.work.finishedOffset, this.finishedOffset());
    assert.equal(this.work.position, this.position);
    assert.equal(this.work.runningCount, this.running.length);
    assert.equal(
      this.work.hasReady,
      this.records.some((record) => this.mayStart(record)),
    );
    const dues = open.filter(({ state }) => state === 'resting').map(({ dueMs }) => dueMs);
    assert.equal(this.work.nextDueMs, dues.length === 0 ? undefined : Math.min(...dues));
  }

  private open(): ModelRecord[] {
    return this.records.filter(({ state }) => state !== 'done');
  }

  private finishedOffset(): number {
    return this.open()[0]?.offset ?? this.position;
  }

  /** It waits, and those of its key before it have ended. */
  private mayStart({ state, key, offset }: ModelRecord): boolean {
    if (state !== 'waiting') return false;
    if (key === undefined) return true;
    return this.records.every(
      (other) =>
        other.key !== key ||
        other.offset >= offset ||
        other.state === 'done' ||
        other.state === 'dead',
    );
  }
}

const key = fc.constantFrom('a', 'a', 'b', 'c', undefined);
const which = fc.nat(RECORDS_MAX);
const step: fc.Arbitrary<(world: World) => void> = fc.oneof(
  fc.tuple(fc.constantFrom(0, 0, 0, 3), key, fc.constantFrom(1, 10, 40, 300)).map(
    ([gap, of, bytes]) =>
      (world: World) =>
        world.add(gap, of, bytes),
  ),
  fc.nat(4).map((count) => (world: World) => world.passOver(count)),
  fc.constant((world: World) => world.start()),
  fc.constant((world: World) => world.start()),
  which.map((at) => (world: World) => world.end(at, 'done', 0)),
  fc.tuple(which, fc.nat(30)).map(
    ([at, ms]) =>
      (world: World) =>
        world.end(at, 'resting', ms),
  ),
  which.map((at) => (world: World) => world.end(at, 'dead', 0)),
  fc.nat(20).map((ms) => (world: World) => world.pass(ms)),
  fc.integer({ min: 1, max: 4 }).map((count) => (world: World) => world.bury(count)),
);

test('process: a partition does what a plain list of its records does', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120, size: 'max' }), (steps) => {
      const world = new World();
      world.check();
      for (const run of steps) {
        run(world);
        world.check();
      }
      finishAll(world);
    }),
    { seed: testSeed(), numRuns: testRuns(500) },
  );
});

/** In the end everything is done, whatever happened before. */
function finishAll(world: World): void {
  for (let round = 0; world.work.count > 0; round += 1) {
    assert.ok(round < 10 * RECORDS_MAX, 'nothing gets stuck');
    world.pass(1_000);
    world.start();
    world.end(0, 'done', 0);
    world.bury(4);
    world.check();
  }
  assert.equal(world.work.finishedOffset, world.position);
}

test('process: the table of a record has no way back from done, and none past running', () => {
  assert.deepEqual(workMoves.done, []);
  const into = (state: string) =>
    Object.entries(workMoves).flatMap(([from, to]) =>
      to.some((name) => name === state) ? [from] : [],
    );
  assert.deepEqual(into('running'), ['ready']);
  assert.deepEqual(into('dead'), ['running']);
  assert.deepEqual(into('resting'), ['running']);
  assert.deepEqual(into('done'), ['running', 'dead']);
});
