/**
 * Short soaks: `npm run soak` runs long ones.
 */

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { testSeed } from '../support/seed.js';
import { tempDir } from '../support/temp-dir.js';
import { runCompactingSoak } from './compacting-soak.js';
import { runQueueSoak } from './queue-soak.js';
import { runSoak } from './soak.js';
import { formatChart } from './soak-chart.js';
import { judgeFlat, type Sample } from './soak-samples.js';

const MIB = 1024 * 1024;

test('a reader that keeps up sees every record while deletion bounds the disk', async (t) => {
  const report = await runSoak({
    directory: join(tempDir(t), 'log'),
    bytes: 100 * MIB,
    seed: testSeed(),
    lag: 1,
    segmentBytes: MIB,
    keptBytes: 6 * MIB,
    sampleMs: 50,
  });
  assert.equal(report.jumps, 0);
  // A leak of one file per segment would lift the least of the second half by tens.
  const open = report.samples.map(({ descriptors }) => descriptors);
  const half = Math.ceil(open.length / 2);
  assert.ok(open.length >= 4, 'the run is long enough to be judged');
  assert.ok(Math.min(...open.slice(half)) <= Math.max(...open.slice(0, half)), open.join(' '));
  assert.ok(report.diskBytesMax < 24 * MIB, `${report.diskBytesMax} bytes on the disk`);
});

test('a slow reader that deletion overtakes goes on at the start', async (t) => {
  const report = await runSoak({
    directory: join(tempDir(t), 'log'),
    bytes: 40 * MIB,
    seed: testSeed(),
    lag: 20,
    segmentBytes: MIB / 2,
    keptBytes: 4 * MIB,
    sampleMs: 50,
  });
  assert.ok(report.jumps > 0);
});

test('compaction and retention bound the disk, and followers miss no key', async (t) => {
  const report = await runCompactingSoak({
    directory: join(tempDir(t), 'log'),
    bytes: 12 * MIB,
    seed: testSeed(),
    keys: 2000,
    segmentBytes: MIB / 2,
    retentionBytes: 2 * MIB,
    sampleMs: 50,
  });
  assert.ok(report.passes >= 2, `${report.passes} passes`);
  assert.ok(report.keysLeft > 0 && report.keysLeft <= 2000);
  assert.ok(report.startOffset > 0, 'retention let segments go');
  assert.ok(report.diskBytesMax < 12 * MIB, `${report.diskBytesMax} bytes on the disk`);
});

test('a queue gives each message out once, and its disk back, swing for swing', async (t) => {
  const messages = 40_000;
  const report = await runQueueSoak({
    directory: join(tempDir(t), 'broker'),
    messages,
    backlog: messages / 10,
    sampleMs: 50,
  });
  assert.equal(report.acknowledged, messages);
  assert.equal(report.swings, 10 + 9);
});

test('a chart shows each series from zero to its most', () => {
  const sample = (rssBytes: number): Sample => {
    const rest = { externalBytes: 0, heapBytes: 0, descriptors: 9, diskBytes: 0 };
    return { seconds: 0, progress: 0, rssBytes, ...rest };
  };
  const lines = formatChart([sample(0), sample(4 * MIB), sample(8 * MIB)]);
  assert.equal(lines[0], 'rss MiB      | ▄█| 0 to 8');
  assert.equal(lines[4], 'descriptors  |███| 9 to 9');
});

test('a soak that rises after its first tenth is not flat', () => {
  const sample = (progress: number, rssBytes: number, descriptors: number): Sample => {
    return {
      seconds: 0,
      progress,
      rssBytes,
      externalBytes: 0,
      heapBytes: 0,
      descriptors,
      diskBytes: 0,
    };
  };
  const flat = [sample(0.05, 10 * MIB, 20), sample(0.1, 50 * MIB, 21), sample(1, 82 * MIB, 21)];
  assert.equal(judgeFlat(flat).isFlat, true);
  assert.equal(judgeFlat([...flat, sample(1, 83 * MIB, 21)]).isFlat, false);
  const leaking = [...flat.slice(0, 2), sample(1, 50 * MIB, 22)];
  assert.equal(judgeFlat(leaking).isFlat, false);
});
