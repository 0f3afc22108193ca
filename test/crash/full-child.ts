/** The process of `full.ts`: one argument, the order; one line of JSON, the report. */

import { runFullLoop } from './full-loop.js';

const order = process.argv[2];
if (order === undefined) throw new RangeError('the order is missing');
process.stdin.on('end', () => process.exit(1)).resume();
const report = await runFullLoop(JSON.parse(order));
process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0));
