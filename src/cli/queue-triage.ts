/**
 * Looking after the messages of a queue by the command: what is in it, back with it, away with it.
 */

import { systemClock } from '../base/clock.js';
import type { HolderOptions } from '../main.js';
import { type BrokerAccess, type Fields, fieldsOf, listOf } from './broker-access.js';
import { bytesFields } from './byte-fields.js';
import { type CommandOption, countOption, type Invocation } from './command.js';
import { bytesOf, headerFields } from './holder-values.js';
import { wholeOption } from './json-option.js';
import { placeOption } from './place-option.js';
import { UsageError } from './usage-error.js';

export const triageOptions: readonly CommandOption[] = [
  { name: 'code', value: 'code', summary: 'of dead letters with this code' },
  { name: 'key', value: 'key', summary: 'of messages with this key' },
  { name: 'header', value: 'name[=value]', summary: 'of messages with this header' },
  { name: 'since', value: 'time', summary: 'of messages that were given up, or sent, since then' },
  { name: 'until', value: 'time', summary: 'or before' },
  { name: 'to', value: 'name', summary: 'redrive: to this queue or topic (where they came from)' },
  { name: 'perSecond', value: 'messages', summary: 'redrive: at most so many a second' },
  { name: 'olderThanMs', value: 'ms', summary: 'purge: of messages that are older' },
];

const PEEKED = 10;
/** Messages that are moved at a time: so long Ctrl-C may take. */
const MOVED_AT_ONCE = 1_000;
const SECOND_MS = 1_000;

export async function peekMessages(
  broker: BrokerAccess,
  queue: string,
  { texts, output, signal }: Invocation,
): Promise<void> {
  const asked = { kind: 'peekMessages', queue, filter: filterOf(texts) } as const;
  let left = countOption(texts, 'max') ?? PEEKED;
  for (let after: string | null = null; left > 0 && !signal.aborted; ) {
    const page: Fields = await broker.ask({ ...asked, max: left, after });
    const rows = listOf(page['messages']);
    for (const row of rows) await print(row, output);
    left -= rows.length;
    if (page['next'] === null) return;
    after = String(page['next']);
  }
}

export async function redriveMessages(
  broker: BrokerAccess,
  queue: string,
  { texts, output, signal }: Invocation,
): Promise<void> {
  const [filter, to] = [filterOf(texts), texts.get('to') ?? null];
  const perSecond = countOption(texts, 'perSecond') ?? Number.POSITIVE_INFINITY;
  let left = countOption(texts, 'max') ?? Number.POSITIVE_INFINITY;
  let [moved, passedOver] = [0, 0];
  while (left > 0 && !signal.aborted) {
    const startedMs = systemClock.monotonicMs();
    const max = Math.min(left, MOVED_AT_ONCE, perSecond);
    const values = await broker.ask({ kind: 'redriveMessages', queue, max, to, filter });
    const count = Number(values['moved']);
    moved += count;
    left -= count;
    // They are met again each time.
    passedOver = Number(values['passedOver']);
    if (count < max) break;
    const pauseMs = (count / perSecond) * SECOND_MS - (systemClock.monotonicMs() - startedMs);
    if (pauseMs > 0 && left > 0) await pause(pauseMs, signal);
  }
  const rest = passedOver === 0 ? '' : `, ${passedOver} could not be`;
  await output.line(`redrove ${moved} messages of ${queue}${rest}`, { moved, passedOver, queue });
}

export async function purgeQueue(
  broker: BrokerAccess,
  queue: string,
  { texts, output }: Invocation,
): Promise<void> {
  const olderThanMs = wholeOption(texts, 'olderThanMs') ?? null;
  const values = await broker.ask({
    kind: 'purgeQueue',
    queue,
    olderThanMs,
    filter: filterOf(texts),
  });
  const purged = Number(values['purged']);
  await output.line(`purged ${purged} messages of ${queue}`, { purged, queue });
}

function filterOf(texts: ReadonlyMap<string, string>): HolderOptions {
  const filter: Record<string, string | number> = {};
  for (const name of ['reason', 'code', 'key']) {
    const text = texts.get(name);
    if (text !== undefined) filter[name] = text;
  }
  const header = texts.get('header');
  if (header !== undefined) {
    const at = header.indexOf('=');
    filter['header'] = at === -1 ? header : header.slice(0, at);
    if (at !== -1) filter['headerValue'] = header.slice(at + 1);
  }
  const [since, until] = [texts.get('since'), texts.get('until')];
  if (since !== undefined) filter['afterMs'] = timeOf('since', since);
  if (until !== undefined) filter['beforeMs'] = timeOf('until', until);
  return filter;
}

function timeOf(option: string, text: string): number {
  const place = placeOption(option, text);
  if (typeof place === 'object') return place.timestamp;
  if (typeof place === 'number') return place;
  throw new UsageError(`--${option} takes a time such as 2026-01-31T12:00:00Z`);
}

async function print(row: unknown, output: Invocation['output']): Promise<void> {
  const [id, timestamp, priority, offset, group, key, value, headers, letter] = listOf(row);
  const bytes = bytesOf(value);
  const facts = {
    id,
    timestamp,
    priority,
    offset,
    group,
    ...bytesFields('key', bytesOf(key)),
    ...bytesFields('value', bytes),
    headers: headerFields(headers),
    deadLetter: letter,
  };
  const note = fieldsOf(letter);
  const code = note['code'] === null ? '' : `${String(note['code'])}: `;
  const reason = letter === null ? '' : `, ${code}${String(note['reason'])}`;
  const time = new Date(Number(timestamp)).toISOString();
  await output.line(`${String(id)}, ${time}${reason}\n  ${bytes?.toString() ?? 'null'}`, facts);
}

/** Ends at once when the command is to stop. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const cancel = systemClock.schedule(ms, done, 'keep-alive');
    signal.addEventListener('abort', done, { once: true });

    function done(): void {
      cancel();
      signal.removeEventListener('abort', done);
      resolve();
    }
  });
}
