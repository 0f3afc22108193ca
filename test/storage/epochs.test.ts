// The epoch table: which epoch wrote an offset, and Kafka's text of it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Epochs } from '../../src/storage/epochs.js';

const table = new Epochs([
  { epoch: 0, startOffset: 0 },
  { epoch: 2, startOffset: 10 },
  { epoch: 5, startOffset: 30 },
]);
const TEXT = '0\n3\n0 0\n2 10\n5 30\n';

test('at: gives the epoch in which an offset was written', () => {
  assert.deepEqual(
    [0, 9, 10, 29, 30, 99].map((offset) => table.at(offset)),
    [0, 0, 2, 2, 5, 5],
  );
  assert.equal(new Epochs([{ epoch: 3, startOffset: 5 }]).at(4), -1);
  assert.equal(table.current, 5);
  assert.equal(new Epochs().current, -1);
});

test('start: an epoch that wrote nothing is replaced', () => {
  const epochs = new Epochs(table.entries);
  epochs.start(6, 30);
  assert.deepEqual(epochs.entries.at(-1), { epoch: 6, startOffset: 30 });
  assert.equal(epochs.entries.length, 3);
  epochs.start(7, 5);
  assert.deepEqual(epochs.entries, [
    { epoch: 0, startOffset: 0 },
    { epoch: 7, startOffset: 5 },
  ]);
});

test('dropBefore: keeps the epoch that the start lies in', () => {
  const epochs = new Epochs(table.entries);
  epochs.dropBefore(29);
  assert.equal(epochs.at(29), 2);
  assert.equal(epochs.entries.length, 2);
  epochs.dropBefore(30);
  assert.deepEqual(epochs.entries, [{ epoch: 5, startOffset: 30 }]);
});

test('encode: is the text that Kafka writes, and comes back', () => {
  assert.equal(Buffer.from(table.encode()).toString(), TEXT);
  const decoded = Epochs.decode(Buffer.from(TEXT));
  assert.ok(decoded !== 'invalid');
  assert.deepEqual(decoded.entries, table.entries);
});

test('decode: refuses everything that encode does not write', () => {
  for (const text of [
    '',
    '0\n',
    '1\n0\n',
    '0\n2\n0 0\n',
    '0\n1\n0 0',
    '0\n1\n0 0\n\n',
    '0\n1\n-1 0\n',
    '0\n1\n0  0\n',
    '0\n2\n1 0\n0 5\n',
    '0\n2\n0 5\n1 5\n',
    ' 0\n1\n0 0\n',
  ]) {
    assert.equal(Epochs.decode(Buffer.from(text)), 'invalid', JSON.stringify(text));
  }
});

test('epochs: an epoch ends where the next one starts, the newest at the end of the log', () => {
  const epochs = new Epochs([
    { epoch: 0, startOffset: 0 },
    { epoch: 3, startOffset: 10 },
  ]);
  assert.equal(epochs.endOf(0, 25), 10);
  assert.equal(epochs.endOf(3, 25), 25);
  assert.equal(epochs.endOf(1, 25), undefined);
});
