import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { testSeed, withSeed } from './seed.js';

function setSeed(t: TestContext, value: string): void {
  const before = process.env['MILLRACE_SEED'];
  process.env['MILLRACE_SEED'] = value;
  t.after(() => {
    if (before === undefined) delete process.env['MILLRACE_SEED'];
    else process.env['MILLRACE_SEED'] = before;
  });
}

test('seed: MILLRACE_SEED decides, and gives the same numbers again', async (t) => {
  setSeed(t, '77');
  assert.equal(testSeed(), 77);
  const drawn: number[] = [];
  for (let round = 0; round < 2; round += 1) {
    await withSeed((prng, seed) => {
      assert.equal(seed, 77);
      drawn.push(prng.integer(1_000_000));
    });
  }
  assert.equal(drawn[0], drawn[1]);
});

test('seed: a failure names the seed and keeps its cause', async (t) => {
  setSeed(t, '78');
  const cause = new Error('below');
  await assert.rejects(
    withSeed(() => {
      throw cause;
    }),
    (error: Error) => error.message.includes('MILLRACE_SEED=78') && error.cause === cause,
  );
});

test('seed: what is no whole number is refused', (t) => {
  for (const value of ['x', '', '1.5', '-1']) {
    setSeed(t, value);
    assert.throws(() => testSeed(), RangeError);
  }
});
