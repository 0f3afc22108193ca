/**
 * Whatever passes a filter or headers has a handle of each of their sets: nothing is lost by
 * looking under handles. And a range lies in few cells, whatever its bounds.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Prng } from '../../src/base/prng.js';
import {
  type Attributes,
  type AttributeValue,
  isList,
} from '../../src/broker/exchange/binding-attributes.js';
import { parseFilterPolicy } from '../../src/broker/exchange/binding-filter.js';
import { compileFilter } from '../../src/broker/exchange/binding-filter-matcher.js';
import {
  type Handle,
  keyIn,
  prefixHandle,
  rangeHandles,
  suffixHandle,
} from '../../src/broker/exchange/binding-handle.js';
import {
  compileHeaders,
  headersMatches,
  resolveHeaders,
} from '../../src/broker/exchange/binding-headers.js';
import type { AttributeMatcher } from '../../src/broker/exchange/binding-matcher.js';
import { isInRange, parseNumericRange } from '../../src/broker/exchange/binding-numeric.js';
import { drawAttributes, drawFilter } from '../support/exchange-draw.js';
import { policyPasses } from '../support/exchange-reference.js';
import { testRuns, withSeed } from '../support/seed.js';

function has(attributes: Attributes, handle: Handle): boolean {
  const value: AttributeValue | undefined = attributes.get(handle.name);
  if (value === undefined) return false;
  if (handle.kind === 'name') return true;
  const values = isList(value) ? value : [value];
  return values.some((one) => keyIn(handle, one) === handle.key);
}

function checkHandles({ handleSets, matches }: AttributeMatcher, attributes: Attributes): void {
  if (!matches(attributes)) return;
  for (const set of handleSets) {
    const shown = JSON.stringify([set, [...attributes]]);
    assert(
      set.some((handle) => has(attributes, handle)),
      shown,
    );
  }
}

test('handles: what matches has one of each set, and matches as the reference says', async () => {
  await withSeed((prng) => {
    for (let run = testRuns(150) * 40; run > 0; run -= 1) {
      const attributes = drawAttributes(prng);
      const given = drawFilter(prng);
      const policy = parseFilterPolicy(given);
      if (policy !== undefined) {
        const matcher = compileFilter(policy);
        const shown = JSON.stringify([given, [...attributes]]);
        assert.equal(matcher.matches(attributes), policyPasses(given, attributes), shown);
        checkHandles(matcher, attributes);
      }
      const asked = [...drawAttributes(prng)].filter(([, value]) => !isList(value));
      const headers = resolveHeaders(Object.fromEntries(asked));
      checkHandles(compileHeaders(prng.pick(headersMatches), headers), attributes);
    }
  });
});

/** Numbers of all sizes, many of them at the edge of a cell. */
function drawBound(prng: Prng): number {
  const sign = prng.boolean() ? 1 : -1;
  if (prng.boolean(0.3)) return sign * 2 ** (prng.integer(50) - 21);
  const digits = prng.integer(2 ** 30) / 10 ** prng.integer(12);
  return sign * Math.min(digits, 1e9);
}

test('handles: a range lies in three cells at most, and its numbers in one of them', async () => {
  await withSeed((prng) => {
    for (let run = testRuns(150) * 40; run > 0; run -= 1) {
      const [lower, upper] = [drawBound(prng), drawBound(prng)].sort((one, other) => one - other);
      assert(lower !== undefined && upper !== undefined);
      if (lower === upper) continue;
      const range = parseNumericRange('a', ['>=', lower, '<=', upper]);
      const handles = rangeHandles('a', range);
      assert(handles.length >= 1 && handles.length <= 3);
      const between = lower + (upper - lower) * (prng.integer(1_000) / 1_000);
      for (const value of [lower, upper, between].filter((number) => isInRange(range, number))) {
        const found = handles.some((handle) => keyIn(handle, value) === handle.key);
        assert(found, `${lower} ${value} ${upper}`);
      }
    }
  });
});

test('handles: long texts lie under their beginning and end', () => {
  const text = `${'a'.repeat(100)}${'b'.repeat(100)}`;
  for (const handle of [prefixHandle('a', text), suffixHandle('a', text)]) {
    assert.equal(handle.size, 64);
    assert.equal(keyIn(handle, text), handle.key);
    assert.equal(keyIn(handle, 'a'.repeat(63)), undefined);
    assert.equal(keyIn(handle, 7), undefined);
  }
  assert.notEqual(prefixHandle('a', text).key, suffixHandle('a', text).key);
  assert.equal(keyIn(suffixHandle('a', ''), 'whatever'), '');
});
