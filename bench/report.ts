/**
 * `npm run bench:report [-- results.jsonl]`: writes `bench/RESULTS.md` and its charts from the
 * JSON of a run (`npm run -s bench -- --json > bench/results.jsonl`).
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chartsOf } from './report-charts.js';
import { tablesOf } from './report-tables.js';
import { parseResults, type Results } from './results.js';

const folder = fileURLToPath(new URL('../../bench/', import.meta.url));
const source = process.argv[2] ?? join(folder, 'results.jsonl');
const charts = join(folder, 'charts');

try {
  const results = parseResults(readFileSync(source, 'utf8'));
  const images = chartsOf(results.rows);
  mkdirSync(charts, { recursive: true });
  for (const [name, content] of images) writeFileSync(join(charts, `${name}.svg`), content);
  const target = join(folder, 'RESULTS.md');
  writeFileSync(target, documentOf(results, [...images.keys()]));
  console.log(`${relative(process.cwd(), target)}: ${results.rows.length} rows`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

function documentOf(results: Results, images: readonly string[]): string {
  const shown = images.map((name) => `![${name}](charts/${name}.svg)\n`).join('\n');
  return `# Results

Made by \`npm run bench:report\`; [README.md](README.md) says how each number is taken. Ratios are
medians of paired, interleaved rounds with their interval of about 95 % in brackets (the whole range
below six rounds): that is the spread within which another run should lie. Absolute numbers hold for
this machine alone:

${results.machine}

Once more, in a clone, after \`npm ci\` and \`npm run bench:peers\`:

\`\`\`sh
npm run -s bench -- --json > bench/results.jsonl
npm run bench:report
\`\`\`

${shown}
${tablesOf(results)}`;
}
