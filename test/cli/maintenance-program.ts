/**
 * A program that runs one command of maintenance on a log that is not there: what it would do here
 * is answered with fixed values, so the text that comes out can be compared.
 *
 *   maintenance-program <command> <directory> [options]
 */

import { once } from 'node:events';
import { MessageChannel } from 'node:worker_threads';
import { createError } from '../../src/base/errors.js';
import { parseCommand } from '../../src/cli/command.js';
import { makeCompactCommand } from '../../src/cli/compact-command.js';
import type { OpenLog } from '../../src/cli/maintained-log.js';
import { Output } from '../../src/cli/output.js';
import { makeRetainCommand } from '../../src/cli/retain-command.js';
import { makeStatsCommand } from '../../src/cli/stats-command.js';
import { statsOf } from '../support/stats-fixture.js';

const [name, ...rest] = process.argv.slice(2);
const stop = new AbortController();
const alive = new MessageChannel();
alive.port1.on('message', () => undefined);

const open: OpenLog = async (_directory, { readOnly }) => {
  let onClose = (): void => undefined;
  const closed = new Promise<never>((_resolve, reject) => {
    onClose = () => reject(createError('LOG_CLOSED', {}));
  });
  closed.catch(() => undefined);
  return {
    stats: async () => ({ ...statsOf(2), cleanup: readOnly ? 'compact' : 'wrong' }),
    compact: async () => {
      if (rest.includes('--abort')) {
        setImmediate(() => stop.abort('stopped'));
        return await closed;
      }
      const counts = { bytesIn: 90, bytesOut: 40, recordsIn: 9, recordsOut: 4, keylessRecords: 2 };
      return { outcome: 'cleaned', hasMore: false, ...counts };
    },
    retain: async () => ({
      startOffset: 20,
      deleted: [
        { baseOffset: 0, endOffset: 10, bytes: 1_000, why: 'old' },
        { baseOffset: 10, endOffset: 20, bytes: 1_001, why: 'old' },
      ],
      bytes: 2_001,
      rolled: true,
      kept: 'within limits',
    }),
    close: async () => onClose(),
  };
};

const makers = [makeStatsCommand, makeCompactCommand, makeRetainCommand];
const command = makers.map((make) => make(open)).find((each) => each.name === name);
if (command === undefined) throw new Error(`no command ${name}`);
const given = rest.filter((each) => each !== '--abort');
const parsed = parseCommand(command, given);
const output = new Output(given.includes('--json'), process);
try {
  process.exitCode = await command.run({
    ...parsed,
    output,
    streams: process,
    signal: stop.signal,
  });
} catch (error) {
  await output.line(`error ${String(error)}`, {});
}
await output.flush();
if (process.stdout.writableLength > 0) await once(process.stdout, 'drain');
alive.port1.close();
