/**
 * What the command shows of queues: what they hold, how fast they move, and their options.
 */

import { type BrokerAccess, type Fields, fieldsOf, listOf } from './broker-access.js';
import type { Invocation } from './command.js';

export async function listQueues(
  broker: BrokerAccess,
  _name: string,
  { output }: Invocation,
): Promise<void> {
  for (let after = ''; ; ) {
    const values = await broker.ask({ kind: 'listQueues', after });
    const page = listOf(values['queues']).map(fieldsOf);
    for (const queue of page) {
      await output.line(holdingText(queue), { type: 'queue', ...queue });
      after = String(queue['name']);
    }
    if (values['hasMore'] !== true || page.length === 0) return;
  }
}

export async function describeQueue(
  broker: BrokerAccess,
  name: string,
  { output }: Invocation,
): Promise<void> {
  const queue = await broker.ask({ kind: 'describeQueue', queue: name });
  const [stats, options] = [fieldsOf(queue['stats']), fieldsOf(queue['options'])];
  const rows = Object.entries(options).map(([option, value]) => `  ${option} ${String(value)}`);
  const text = [holdingText(queue), `  ${rateText(stats)}`, `  ${totalText(stats)}`, ...rows];
  await output.line(text.join('\n'), { type: 'queue', ...queue });
}

function holdingText(queue: Fields): string {
  const stats = fieldsOf(queue['stats']);
  const said = (name: string, word: string): string => `${String(stats[name])} ${word}`;
  const counts = [
    said('depth', 'ready'),
    said('inFlight', 'in flight'),
    said('waiting', 'to try again'),
    said('delayed', 'delayed'),
    said('dead', 'dead'),
  ];
  const seconds = (Number(stats['oldestAgeMs']) / 1000).toFixed(1);
  const oldest = Number(stats['length']) > 0 ? `, oldest ${seconds} s` : '';
  return `${String(queue['name'])}: ${counts.join(', ')}${oldest}`;
}

function rateText(stats: Fields): string {
  const rates = ['sent', 'delivered', 'acknowledged'].map((name) => {
    return `${name} ${Number(stats[`${name}PerSecond`]).toFixed(1)}/s`;
  });
  return rates.join(', ');
}

function totalText(stats: Fields): string {
  const names = ['sent', 'delivered', 'redelivered', 'acknowledged', 'archived', 'expired'];
  return `since it was opened: ${names.map((name) => `${name} ${String(stats[name])}`).join(', ')}`;
}
