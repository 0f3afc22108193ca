/** Our queue, through the same interface as the peers: a worker whose handler does nothing. */

import { Broker } from '../../src/main.js';
import { byCallers } from '../stream-load.js';
import type { QueuePeer } from './peer.js';

const CONCURRENCY = 256;

export const millraceQueue: QueuePeer = {
  name: 'millrace',
  packages: [],
  promise: { strength: 'exact', means: 'sends and acknowledgements behind fdatasync' },
  async open(folder) {
    const broker = await Broker.open(folder);
    const queue = await broker.queue('jobs');
    return {
      async cycle(values, callers, take) {
        let left = values.length;
        let tell: () => void = () => undefined;
        const complete = new Promise<void>((resolve) => {
          tell = resolve;
        });
        const worker = queue.consume(
          ({ value }) => {
            if (value !== null) take(value, 0, value.length);
            left -= 1;
            if (left === 0) tell();
          },
          { concurrency: CONCURRENCY },
        );
        await byCallers(callers, values, (value) => queue.send(value));
        await complete;
        // Resolves when the last acknowledgement is durable.
        await worker.stop();
      },
      close: () => broker.close(),
    };
  },
};
