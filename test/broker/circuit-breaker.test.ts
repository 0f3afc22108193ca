// A circuit breaker: its table, and what calls make of it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveOptions } from '../../src/base/options.js';
import {
  type BreakerEvent,
  type BreakerState,
  breakerMoves,
  breakerOptionTable,
  CircuitBreaker,
  type CircuitBreakerOptions,
} from '../../src/broker/process/circuit-breaker.js';
import { SimClock } from '../support/sim-clock.js';

interface Fixture {
  readonly clock: SimClock;
  readonly breaker: CircuitBreaker;
  readonly changes: string[];
}

function make(given: CircuitBreakerOptions): Fixture {
  const clock = new SimClock();
  const changes: string[] = [];
  const config = resolveOptions(breakerOptionTable, given, 'test');
  const breaker = new CircuitBreaker(clock, config, (state, before) => {
    changes.push(`${before} > ${state}`);
  });
  return { clock, breaker, changes };
}

function calls(breaker: CircuitBreaker, results: string): void {
  for (const result of results) {
    const permit = breaker.begin();
    if (result === '+') breaker.succeed(permit);
    else breaker.fail(permit);
  }
}

test('breaker: each state is left by what ends it, and by nothing else', () => {
  const states: readonly BreakerState[] = ['closed', 'open', 'half-open'];
  const events: readonly BreakerEvent[] = ['success', 'enough', 'failure', 'too-many', 'rested'];
  const moves = states.flatMap((state) =>
    events
      .filter((event) => breakerMoves[state][event] !== state)
      .map((event) => `${state}, ${event}: ${breakerMoves[state][event]}`),
  );
  assert.deepEqual(moves, [
    'closed, too-many: open',
    'open, rested: half-open',
    'half-open, enough: closed',
    'half-open, failure: open',
    'half-open, too-many: open',
  ]);
});

test('breaker: it opens when enough of the last calls failed, not before there are so many', () => {
  const { breaker } = make({ calls: 4, failureRatio: 0.5 });
  calls(breaker, '--+');
  assert.equal(breaker.state, 'closed');
  calls(breaker, '+');
  // Half of four have failed, but it is a failure that opens it.
  assert.equal(breaker.state, 'closed');
  calls(breaker, '-');
  assert.equal(breaker.state, 'open');
});

test('breaker: only the last calls count', () => {
  const { breaker } = make({ calls: 4, failureRatio: 0.75 });
  calls(breaker, '--++++++-+-');
  assert.equal(breaker.state, 'closed');
  calls(breaker, '-');
  assert.equal(breaker.state, 'open');
});

test('breaker: open, it takes no call until it has rested', () => {
  const { breaker, clock, changes } = make({ calls: 1, openMs: 500 });
  calls(breaker, '-');
  assert.equal(breaker.delayMs, 500);
  clock.advance(499);
  assert.equal(breaker.delayMs, 1);
  clock.advance(1);
  assert.equal(breaker.delayMs, 0);
  assert.equal(breaker.state, 'half-open');
  assert.deepEqual(changes, ['closed > open', 'open > half-open']);
});

test('breaker: half-open, so many probes are made, and all must succeed', () => {
  const { breaker, clock, changes } = make({ calls: 1, openMs: 500, probes: 2 });
  calls(breaker, '-');
  clock.advance(500);
  const [one, other] = [breaker.begin(), breaker.begin()];
  assert.equal(breaker.delayMs, Number.POSITIVE_INFINITY);
  breaker.succeed(one);
  assert.equal(breaker.state, 'half-open');
  breaker.succeed(other);
  assert.equal(breaker.state, 'closed');
  assert.equal(changes.at(-1), 'half-open > closed');
});

test('breaker: a probe that fails opens it again, for the whole time', () => {
  const { breaker, clock } = make({ calls: 1, openMs: 500, probes: 2 });
  calls(breaker, '-');
  clock.advance(700);
  calls(breaker, '+-');
  assert.equal(breaker.state, 'open');
  assert.equal(breaker.delayMs, 500);
});

test('breaker: a probe that was given up makes room for another one', () => {
  const { breaker, clock } = make({ calls: 1, openMs: 500, probes: 1 });
  calls(breaker, '-');
  clock.advance(500);
  const permit = breaker.begin();
  assert.equal(breaker.delayMs, Number.POSITIVE_INFINITY);
  breaker.giveUp(permit);
  calls(breaker, '+');
  assert.equal(breaker.state, 'closed');
});

test('breaker: results of calls that were begun in an earlier state count for nothing', () => {
  const { breaker, clock } = make({ calls: 1, openMs: 500, probes: 1 });
  const late = [breaker.begin(), breaker.begin(), breaker.begin()];
  calls(breaker, '-');
  breaker.succeed(late[0] ?? 0);
  assert.equal(breaker.state, 'open');
  clock.advance(500);
  assert.equal(breaker.state, 'half-open');
  breaker.succeed(late[1] ?? 0);
  breaker.fail(late[2] ?? 0);
  assert.equal(breaker.state, 'half-open');
});
