/**
 * What the holder of a broker does for other processes that look after the messages of a queue.
 *
 * A filter travels as plain options: `reason`, `code`, `key`, `header` and `headerValue`, `afterMs`
 * and `beforeMs`.
 */

import type { HolderOptions, HolderValue, QueueRequest } from '../../storage/main.js';
import type { PeekedMessage, QueueTriage } from '../triage/queue-triage.js';
import type { TriageFilter } from '../triage/queue-triage-filter.js';
import type { DeadLetterNote } from '../triage/queue-triage-letter.js';

type TriageRequest = Extract<
  QueueRequest,
  { readonly kind: 'peekMessages' | 'redriveMessages' | 'purgeQueue' }
>;
type Values = Readonly<Record<string, HolderValue>>;
type Filter = TriageFilter<PeekedMessage<Buffer>>;

/** A page ends when its messages take about so many bytes. */
const PAGE_BYTES = 1024 * 1024;
/** Messages that are looked at together: a few large ones fit in a reply. */
const LOOK_MESSAGES = 4;

export async function serveTriage(
  queue: Pick<QueueTriage<Buffer>, 'search' | 'redrive' | 'purge'>,
  request: TriageRequest,
): Promise<Values> {
  const filter = filterOf(request.filter);
  switch (request.kind) {
    case 'peekMessages':
      return await page(queue, filter, request.max, request.after ?? undefined);
    case 'redriveMessages': {
      const { max, to } = request;
      const { moved, passedOver } = await queue.redrive({ max, filter, to: to ?? undefined });
      return { moved, passedOver };
    }
    case 'purgeQueue': {
      const isWhole = Object.keys(request.filter).length === 0;
      const olderThanMs = request.olderThanMs ?? undefined;
      const { purged } = await queue.purge(isWhole ? { olderThanMs } : { olderThanMs, filter });
      return { purged };
    }
  }
}

async function page(
  queue: Pick<QueueTriage<Buffer>, 'search'>,
  filter: Filter,
  max: number,
  given: string | undefined,
): Promise<Values> {
  const messages: HolderValue[] = [];
  let after = given;
  for (let bytes = 0; messages.length < max && bytes < PAGE_BYTES; ) {
    const left = Math.min(max - messages.length, LOOK_MESSAGES);
    const found = await queue.search(filter, { max: left, after });
    for (const message of found.messages) {
      messages.push(messageRow(message));
      bytes += (message.value?.length ?? 0) + (message.key?.length ?? 0);
    }
    after = found.next;
    if (after === undefined) break;
  }
  return { messages, next: after ?? null };
}

function messageRow(message: PeekedMessage<Buffer>): HolderValue {
  const { id, timestamp, priority, offset, group = null, key, value, deadLetter } = message;
  const headers = message.headers.map((header) => [header.key, header.value]);
  const letter = deadLetter === undefined ? null : letterValues(deadLetter);
  return [id, timestamp, priority, offset, group, key, value, headers, letter];
}

/** What is not known is null. */
function letterValues(note: DeadLetterNote): Values {
  const entries = Object.entries(note).map(([name, value]) => [name, value ?? null] as const);
  return Object.fromEntries(entries);
}

/** What is no part of a filter is refused by it. */
function filterOf({ header, headerValue, ...others }: HolderOptions): Filter {
  if (header === undefined) return others;
  const value = headerValue === undefined ? undefined : String(headerValue);
  return { ...others, header: { key: String(header), value } };
}
