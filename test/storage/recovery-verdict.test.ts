// Torn or corrupt: every input has one answer, and what was acknowledged is never torn.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  judgeInvalidBytes,
  type RecoveryFacts,
  recoveryTable,
} from '../../src/storage/recovery-verdict.js';

const flags = [false, true];

/** Every combination of facts. */
function* everyInput(): Generator<RecoveryFacts> {
  for (const isClean of flags)
    for (const isActive of flags)
      for (const watermark of ['present', 'absent', 'unreadable'] as const)
        for (const isBelowWatermark of flags)
          for (const isBeyondFlight of flags)
            yield { isClean, isActive, watermark, isBelowWatermark, isBeyondFlight };
}

test('verdict: the first row that holds decides, for each of the 48 inputs', () => {
  const inputs = [...everyInput()];
  assert.equal(inputs.length, 48);
  for (const facts of inputs) {
    const row = recoveryTable.find(({ holds }) => holds(facts));
    assert.equal(judgeInvalidBytes(facts), row?.verdict);
  }
});

test('verdict: torn only after an unclean stop, at the end, above a readable watermark', () => {
  for (const facts of everyInput()) {
    const mayBeTorn =
      !facts.isClean &&
      facts.isActive &&
      facts.watermark === 'present' &&
      !facts.isBelowWatermark &&
      !facts.isBeyondFlight;
    assert.equal(judgeInvalidBytes(facts) === 'torn', mayBeTorn, JSON.stringify(facts));
  }
});

test('verdict: every row is the answer to some input', () => {
  const answers = new Set([...everyInput()].map(judgeInvalidBytes));
  assert.deepEqual(answers, new Set(recoveryTable.map(({ verdict }) => verdict)));
});

test('verdict: each reason has its name', () => {
  const torn: RecoveryFacts = {
    isClean: false,
    isActive: true,
    watermark: 'present',
    isBelowWatermark: false,
    isBeyondFlight: false,
  };
  const cases: readonly [Partial<RecoveryFacts>, string][] = [
    [{}, 'torn'],
    [{ isBeyondFlight: true }, 'corrupt-beyond-flight'],
    [{ isBelowWatermark: true, isBeyondFlight: true }, 'corrupt-below-watermark'],
    [{ isActive: false, isBelowWatermark: true }, 'corrupt-sealed-segment'],
    [{ isClean: true, isActive: false }, 'corrupt-after-clean-stop'],
    [{ watermark: 'unreadable', isClean: true }, 'corrupt-watermark-unreadable'],
    [{ watermark: 'absent', isClean: true }, 'corrupt-no-watermark'],
  ];
  for (const [facts, verdict] of cases) {
    assert.equal(judgeInvalidBytes({ ...torn, ...facts }), verdict);
  }
});
