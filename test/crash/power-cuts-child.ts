/** The process of `power-cuts.ts`: one argument, the order; one line of JSON, the report. */

import { runCutLoop } from './power-cuts-loop.js';

const order = process.argv[2];
if (order === undefined) throw new RangeError('the order is missing');
process.stdin.on('end', () => process.exit(1)).resume();
const report = await runCutLoop(JSON.parse(order));
process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0));
