import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import * as index from '../src/index/index-format.js';
import { BatchBuilder } from '../src/storage/batch-encoder.js';
import * as batch from '../src/storage/batch-format.js';
import { CRC_POSITION } from '../src/storage/batch-format.js';
import { swapProtocol } from '../src/storage/compaction-swap.js';
import { firstRememberedOptions, rememberedOptions } from '../src/storage/log-config.js';
import {
  SNAPSHOT_ENTRY_BYTES,
  snapshotEntryLayout,
  snapshotLayout,
} from '../src/storage/producer-snapshot.js';
import { recoveryTable } from '../src/storage/recovery-verdict.js';
import { SEAL_FIXED_BYTES, sealLayout } from '../src/storage/seal.js';
import { sideFileTable } from '../src/storage/swap-recovery.js';
import { TXN_ENTRY_BYTES, txnIndexLayout } from '../src/storage/transactions.js';
import { WATERMARK_BYTES, watermarkLayout } from '../src/storage/watermark.js';

const root = findRoot(dirname(fileURLToPath(import.meta.url)));
const format = readFileSync(join(root, 'docs/FORMAT.md'), 'utf8');

const layouts: Readonly<Record<string, readonly number[]>> = {
  batch: [
    batch.BASE_OFFSET_POSITION,
    batch.LENGTH_POSITION,
    batch.EPOCH_POSITION,
    batch.MAGIC_POSITION,
    batch.CRC_POSITION,
    batch.ATTRIBUTES_POSITION,
    batch.LAST_OFFSET_DELTA_POSITION,
    batch.BASE_TIMESTAMP_POSITION,
    batch.MAX_TIMESTAMP_POSITION,
    batch.PRODUCER_ID_POSITION,
    batch.PRODUCER_EPOCH_POSITION,
    batch.BASE_SEQUENCE_POSITION,
    batch.COUNT_POSITION,
    batch.HEADER_BYTES,
  ],
  index: [index.OFFSET_ENTRY_RELATIVE, index.OFFSET_ENTRY_POSITION],
  timeindex: [index.TIME_ENTRY_TIMESTAMP, index.TIME_ENTRY_RELATIVE],
  txnindex: txnIndexLayout,
  snapshot: snapshotLayout,
  'snapshot entry': snapshotEntryLayout,
  seal: sealLayout,
  watermark: watermarkLayout,
};

/** Where the layout ends; undefined when its last row has no fixed size. */
const ends: Readonly<Record<string, number | undefined>> = {
  index: index.OFFSET_ENTRY_BYTES,
  timeindex: index.TIME_ENTRY_BYTES,
  txnindex: TXN_ENTRY_BYTES,
  'snapshot entry': SNAPSHOT_ENTRY_BYTES,
  watermark: WATERMARK_BYTES,
};

for (const [name, positions] of Object.entries(layouts)) {
  test(`docs: the layout of ${name} in FORMAT.md is that of the code`, () => {
    const rows = tableOf(name);
    assert.deepEqual(
      rows.map((row) => row.position),
      positions,
    );
    for (const [at, row] of rows.entries()) {
      const next = rows[at + 1]?.position ?? ends[name];
      if (next !== undefined) assert.equal(row.position + row.bytes, next, `row ${row.position}`);
    }
  });
}

test('docs: the seal starts its epochs where FORMAT.md says', () => {
  assert.equal(tableOf('seal').at(-1)?.position, SEAL_FIXED_BYTES);
});

test('docs: the recovery table of FORMAT.md has a row per verdict', () => {
  const table = format.slice(format.indexOf('## Torn or corrupt'), format.indexOf('A torn tail'));
  const verdicts = [...table.matchAll(/\| (corrupt|torn) \|$/gm)].map((match) => match[1]);
  const kinds = recoveryTable.map(({ verdict }) => (verdict === 'torn' ? 'torn' : 'corrupt'));
  assert.deepEqual(verdicts, kinds);
});

test('docs: log.json holds the options that FORMAT.md lists, in that order', () => {
  const listed = (version: number): string[] => {
    const row = format
      .split('\n')
      .find((line) => line.startsWith(`| ${version} | `) && /`/.test(line));
    return [...(row ?? '').matchAll(/`(\w+)`/g)].map((match) => match[1] ?? '');
  };
  assert.deepEqual(listed(1), firstRememberedOptions);
  assert.deepEqual([...listed(1), ...listed(2)], rememberedOptions);
});

test('docs: the example batch of FORMAT.md is what the encoder writes', () => {
  const memory = Buffer.alloc(128);
  const builder = new BatchBuilder();
  builder.begin(memory, 0, memory.length, 0, 0);
  builder.add(null, 'hi', undefined, 0);
  const bytes = memory.subarray(0, builder.finish());
  const lines = /One record with a null key[^\n]*\n\n((?: {4}[^\n]*\n)+)/.exec(format)?.[1] ?? '';
  const crc = bytes.subarray(CRC_POSITION, CRC_POSITION + 4).toString('hex');
  assert.equal(lines.replace('<crc 4>', crc).replace(/\s/g, ''), bytes.toString('hex'));
});

test('docs: replacing segments goes by the phases and the table of FORMAT.md', () => {
  const rows = rowsOf('| phase | what holds once it is synced |');
  assert.deepEqual(
    rows,
    swapProtocol.map(({ name, holds }) => [name, holds]),
  );
  const word = (fact: boolean | undefined): string => (fact === undefined ? 'any' : yesNo(fact));
  assert.deepEqual(
    rowsOf('| `X.log.swap` | `X.log` |'),
    sideFileTable.map(({ when, current }) => [
      word(when.isCommitted),
      word(when.hasOldLog),
      word(when.hasSwap),
      word(when.hasCleaned),
      current,
    ]),
  );
});

function yesNo(fact: boolean): string {
  return fact ? 'yes' : 'no';
}

/** The cells below the header that begins like this. */
function rowsOf(header: string): string[][] {
  const start = format.indexOf(header);
  assert.notEqual(start, -1, `FORMAT.md has the table ${header}`);
  const lines = format.slice(start).split('\n').slice(2);
  const end = lines.findIndex((line) => !line.startsWith('|'));
  return lines.slice(0, end).map((line) => {
    const cells = line.split('|').map((cell) => cell.trim());
    return cells.slice(1, -1);
  });
}

interface Row {
  readonly position: number;
  readonly bytes: number;
}

function tableOf(name: string): Row[] {
  const start = format.indexOf(`<!-- layout: ${name} -->`);
  assert.notEqual(start, -1, `FORMAT.md has the layout of ${name}`);
  const lines = format.slice(start).split('\n').slice(3);
  const end = lines.findIndex((line) => !line.startsWith('|'));
  return lines.slice(0, end).map((line) => {
    const [, position, bytes] = line.split('|').map((cell) => cell.trim());
    return { position: Number(position), bytes: Number(bytes) };
  });
}

function findRoot(folder: string): string {
  try {
    readFileSync(join(folder, 'docs/FORMAT.md'));
    return folder;
  } catch {
    return findRoot(dirname(folder));
  }
}

test('docs: the maps of ARCHITECTURE.md name every file of share, queue and exchange', () => {
  const text = readFileSync(join(root, 'docs/ARCHITECTURE.md'), 'utf8');
  const named = new Set<string>();
  for (const line of text.split('\n').filter((each) => each.startsWith('    '))) {
    const [, first = ''] = /^ {4}([a-z0-9-]+)/.exec(line) ?? [];
    for (const [, name = ''] of line.matchAll(/(?:^|[ ,(])([a-z0-9]+(?:-[a-z0-9]+)*)/g)) {
      named.add(name);
    }
    // `-entry` behind `delayed-index` is `delayed-entry`.
    for (const [, suffix] of line.matchAll(/, -([a-z0-9-]+)/g)) {
      const heads = [first, ...line.matchAll(/([a-z0-9]+)-[a-z0-9-]+,/g)].map((each) =>
        typeof each === 'string' ? each.split('-')[0] : each[1],
      );
      for (const head of heads) named.add(`${head}-${suffix}`);
    }
  }
  const missing = ['share', 'queue', 'exchange'].flatMap((folder) =>
    readdirSync(join(root, 'src/broker', folder))
      .map((file) => file.replace(/\.ts$/, ''))
      .filter((name) => !named.has(name))
      .map((name) => `${folder}/${name}`),
  );
  assert.deepEqual(missing, []);
});
