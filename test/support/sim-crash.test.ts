/** Which crashes of the simulated disk are tried. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { enumerateCrashes, randomCrash } from './sim-crash.js';
import { SimDisk } from './sim-file-system.js';
import { diskWithFile, textOf, write } from './sim-verbs.js';

const page = 4096;

test('few pending effects are tried in every combination', () => {
  const disk = new SimDisk();
  const file = diskWithFile(disk, '/a', 'o'.repeat(10 * page));
  for (let index = 0; index < 10; index += 1) write(disk, file, 'n', index * page);
  const ends = new Set(
    [...enumerateCrashes(disk, 2000)].map((choice) => {
      const content = textOf(disk.crash(choice), '/a');
      return Array.from({ length: 10 }, (_, index) => content[index * page]).join('');
    }),
  );
  assert.equal(ends.size, 1024);
});

test('many pending effects are sampled within the limit, corner cases included', () => {
  const disk = new SimDisk();
  const file = diskWithFile(disk, '/a', 'o'.repeat(40 * page));
  write(disk, file, 'n'.repeat(40 * page), 0);
  const choices = [...enumerateCrashes(disk, 400)];
  assert.equal(choices.length, 400);
  const counts = choices
    .filter((choice) => choice.torn === undefined)
    .map(({ kept }) => kept.length);
  for (const count of [0, 1, 39, 40]) assert.ok(counts.includes(count), `${count} kept`);
  assert.ok(choices.some(({ torn }) => torn?.some(({ bytes }) => bytes !== undefined)));
  assert.ok(choices.some(({ torn }) => torn?.some(({ sectors }) => sectors !== 0)));
});

test('choices depend on disk and seed alone, and differ in what they leave', () => {
  const make = (): SimDisk => {
    const disk = new SimDisk();
    const file = diskWithFile(disk, '/a', 'o'.repeat(page));
    for (let index = 0; index < 20; index += 1) write(disk, file, 'n'.repeat(600), index * 500);
    return disk;
  };
  const one = JSON.stringify([...enumerateCrashes(make(), 300, 7)]);
  assert.equal(one, JSON.stringify([...enumerateCrashes(make(), 300, 7)]));
  assert.notEqual(one, JSON.stringify([...enumerateCrashes(make(), 300, 8)]));
  assert.deepEqual(randomCrash(make(), 3), randomCrash(make(), 3));
  const ends = JSON.parse(one).map((choice: { kept: number[] }) => JSON.stringify(choice));
  assert.equal(new Set(ends).size, ends.length);
});

test('a disk without pending effects has one end', () => {
  const disk = new SimDisk();
  diskWithFile(disk, '/a', 'content');
  assert.equal([...enumerateCrashes(disk, 100)].length, 1);
});

test('whatever the crash, every sector of a file holds a version that was written', () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const disk = new SimDisk();
    const file = diskWithFile(disk, '/a', '0'.repeat(2 * page));
    for (const version of ['1', '2', '3']) {
      write(disk, file, version.repeat(page + 512), Number(version) * 512);
    }
    const { torn = [], kept } = randomCrash(disk, seed);
    const choice = { kept, torn: torn.filter(({ bytes }) => bytes === undefined) };
    const content = textOf(disk.crash(choice), '/a');
    for (let start = 0; start < 2 * page; start += 512) {
      const sector = content.slice(start, start + 512);
      assert.equal(new Set(sector).size, 1, `seed ${seed}, position ${start}`);
    }
  }
});
