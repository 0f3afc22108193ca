/** The table of phases: every phase with every event, and Kafka's states behind them. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InvariantViolation } from '../../src/base/assert.js';
import {
  ACKNOWLEDGED,
  ARCHIVED,
  type DeliveryStateName,
  type Finished,
  isAvailable,
  mayMove,
  on,
  type Phase,
  type PhaseEvent,
  phaseAfter,
  phaseEvents,
  phaseMoves,
  phaseStates,
  phases,
  stateMoves,
} from '../../src/broker/share/share-states.js';

function stateOf(next: Phase | Finished): DeliveryStateName {
  return next === 'Acknowledged' || next === 'Archived' ? next : phaseStates[next];
}

test('share states: every phase answers every event as the table says, or not at all', () => {
  for (const [phase, name] of phases.entries()) {
    for (const [event, eventName] of phaseEvents.entries()) {
      const next = phaseMoves[name][eventName];
      assert.equal(mayMove(phase, event), next !== undefined);
      if (next === undefined) {
        assert.throws(() => phaseAfter(phase, event), InvariantViolation);
        continue;
      }
      const expected =
        next === 'Acknowledged'
          ? ACKNOWLEDGED
          : next === 'Archived'
            ? ARCHIVED
            : phases.indexOf(next);
      assert.equal(phaseAfter(phase, event), expected, `${name} ${eventName}`);
    }
  }
});

test('share states: no move leads where Kafka has none', () => {
  for (const phase of phases) {
    for (const event of phaseEvents) {
      const next = phaseMoves[phase][event];
      if (next === undefined) continue;
      const [before, after] = [phaseStates[phase], stateOf(next)];
      if (before === after) continue;
      assert.ok(stateMoves[before].includes(after), `${phase} ${event}: ${before} to ${after}`);
    }
  }
});

test('share states: only what is leased ends by its consumer, only what is held by commit', () => {
  const byConsumer: PhaseEvent[] = ['acknowledge', 'reject', 'release', 'extend', 'take'];
  for (const phase of phases) {
    for (const event of byConsumer) {
      assert.equal(phaseMoves[phase][event] !== undefined, phase === 'leased');
    }
    assert.equal(phaseMoves[phase].withdraw !== undefined, phase === 'leased');
    assert.equal(phaseMoves[phase]['put-back'] !== undefined, phase === 'moving');
    assert.equal(phaseMoves[phase]['commit-acknowledge'] !== undefined, phase === 'frozen');
    assert.equal(phaseMoves[phase].expire !== undefined, phase === 'leased');
    assert.equal(phaseMoves[phase].drop, 'Archived');
    assert.equal(isAvailable(phases.indexOf(phase)), phaseStates[phase] === 'Available');
  }
});

test('share states: each event has its number', () => {
  assert.deepEqual(Object.values(on), [...phaseEvents.keys()]);
});
