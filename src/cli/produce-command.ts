/**
 * `millrace produce`: lines become records of a topic, durable when the command says so.
 *
 * A broker that a process holds is asked over its socket; otherwise it is opened here.
 */

import { openBroker } from './broker-access.js';
import { type Command, EXIT_OK, type Invocation } from './command.js';
import { followLinks } from './input-lines.js';
import { feedLines, lineOptions } from './line-feed.js';

export const produceCommand: Command = {
  name: 'produce',
  synopsis: '<dir> <topic> [file]',
  positionals: [2, 3],
  summary: 'Sends the lines of a file, or of stdin, as records to a topic, by their keys.',
  options: lineOptions,
  run,
};

async function run(invocation: Invocation): Promise<number> {
  const [directory = '', topic = '', path] = invocation.positionals;
  let records = 0;
  await feedLines(invocation, path, 'sent', async () => {
    const broker = await openBroker(followLinks(directory), false);
    return {
      async append(sent) {
        await broker.send(topic, sent);
        records += sent.length;
      },
      close: () => broker.close(),
    };
  });
  await invocation.output.line(`sent ${records} records to ${topic}`, { sent: records, topic });
  return EXIT_OK;
}
