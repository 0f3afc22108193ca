/**
 * A small broker for durable sessions, on loopback, until SIGINT or SIGTERM.
 *
 *     node broker.mjs [folder] [port]
 *
 * Port 0 takes a free one; the line on standard output names it. One broker at a time owns a
 * folder: a second one ends with LOG_LOCKED.
 */

import { once } from 'node:events';
import { createServer } from 'node:net';
import { Connection } from './connection.mjs';
import { Sessions } from './sessions.mjs';

const connectionsMax = 512;

const [folder = 'data', port = '61613'] = process.argv.slice(2);
const sessions = await Sessions.open(folder);
/** Each connection with the promise of its end. */
const connections = new Map();
/** Each connected session with its connection. */
const owners = new Map();

const server = createServer((socket) => {
  const connection = new Connection(socket, sessions, owners);
  const served = connection.serve().finally(() => connections.delete(connection));
  connections.set(connection, served);
});
server.maxConnections = connectionsMax;
server.listen(Number(port), '127.0.0.1');
await once(server, 'listening');
process.stdout.write(`listening on 127.0.0.1:${server.address().port}\n`);

await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
server.close();
for (const connection of connections.keys()) connection.destroy();
await Promise.all(connections.values());
await sessions.close();
