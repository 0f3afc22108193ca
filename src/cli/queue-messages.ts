/**
 * Messages by the command: sent line by line, received with their receipts, and ended by those.
 */

import type { RecordHeaderInput } from '../main.js';
import { type BrokerAccess, listOf, openBroker } from './broker-access.js';
import { bytesFields } from './byte-fields.js';
import { countOption, EXIT_OK, type Invocation } from './command.js';
import { bytesOf, headerFields } from './holder-values.js';
import { followLinks } from './input-lines.js';
import { jsonOption, wholeOption } from './json-option.js';
import { feedLines } from './line-feed.js';
import { checkIdOfOne, givenMessageOptions } from './message-options.js';
import { UsageError } from './usage-error.js';

/** How long the holder waits when there is nothing: so long Ctrl-C may take. */
const WAIT_MS = 250;
const RECEIVED_AT_ONCE = 1_000;

/** A message as the holder gives it. */
interface ReceivedMessage {
  readonly id: string;
  readonly receipt: string;
  readonly value: Buffer | null;
  /** For machines. */
  readonly facts: object;
}

export async function sendMessages(invocation: Invocation): Promise<number> {
  const { texts, output } = invocation;
  const [, directory = '', queue, path] = invocation.positionals;
  if (queue === undefined) {
    throw new UsageError('expected: millrace queue send <dir> <queue> [file]');
  }
  const options = givenMessageOptions(texts);
  const headers = headersIn(jsonOption(texts, 'headers'));
  let sent = 0;
  await feedLines(invocation, path, 'sent', async () => {
    const broker = await openBroker(followLinks(directory), false);
    return {
      async append(records) {
        checkIdOfOne(options, sent, records);
        const messages = records.map((record) => ({ ...record, headers }));
        await broker.ask({ kind: 'sendMessages', queue, records: messages, options });
        sent += records.length;
      },
      close: () => broker.close(),
    };
  });
  await output.line(`sent ${sent} messages to ${queue}`, { sent, queue });
  return EXIT_OK;
}

/** Texts as they are, everything else as JSON. */
function headersIn(json: string | null): readonly RecordHeaderInput[] {
  const given: unknown = JSON.parse(json ?? '{}');
  return Object.entries(Object(given)).map(([key, value]) => {
    return { key, value: typeof value === 'string' ? value : JSON.stringify(value) };
  });
}

/** Prints up to `--max` messages; waits for the first one up to `--waitMs`. */
export async function receiveMessages(
  broker: BrokerAccess,
  queue: string,
  { texts, flags, output, signal }: Invocation,
): Promise<void> {
  const visibilityTimeoutMs = wholeOption(texts, 'visibilityTimeoutMs') ?? null;
  let left = countOption(texts, 'max') ?? 1;
  let waitMs = wholeOption(texts, 'waitMs') ?? 0;
  while (left > 0 && !signal.aborted) {
    const max = Math.min(left, RECEIVED_AT_ONCE);
    const wait = Math.min(waitMs, WAIT_MS);
    const asked = { queue, max, waitMs: wait, visibilityTimeoutMs };
    const values = await broker.ask({ kind: 'receiveMessages', ...asked });
    const messages = listOf(values['messages']).map(receivedMessage);
    waitMs = messages.length > 0 ? 0 : waitMs - wait;
    if (messages.length === 0 && waitMs <= 0) return;
    for (const message of messages) await print(message, flags.has('acknowledge'), output);
    left -= messages.length;
    if (messages.length === 0 || !flags.has('acknowledge')) continue;
    // Once they are printed: what is lost on the way there comes again.
    await output.flush();
    const receipts = messages.map(({ receipt }) => receipt);
    await broker.ask(ending(queue, 'acknowledge', receipts));
  }
}

export function endMessages(
  verb: 'acknowledge' | 'release' | 'reject' | 'extend',
): (broker: BrokerAccess, queue: string, invocation: Invocation) => Promise<void> {
  return async (broker, queue, { texts, positionals, output }) => {
    const [, , , ...receipts] = positionals;
    if (receipts.length === 0) {
      throw new UsageError(`expected: millrace queue ${verb} <dir> <queue> <receipt> ...`);
    }
    const ms = wholeOption(texts, verb === 'extend' ? 'visibilityTimeoutMs' : 'delayMs');
    if (verb === 'extend' && ms === undefined) {
      throw new UsageError('extend takes --visibilityTimeoutMs');
    }
    const reason = texts.get('reason') ?? null;
    await broker.ask({ ...ending(queue, verb, receipts), ms: ms ?? 0, reason });
    const text = `${verb}: ${receipts.length} of ${queue}`;
    await output.line(text, { ending: verb, queue, messages: receipts.length });
  };
}

function ending(queue: string, verb: string, receipts: readonly string[]) {
  return { kind: 'endMessages', queue, receipts, ending: verb, ms: 0, reason: null } as const;
}

async function print(
  { id, receipt, value, facts }: ReceivedMessage,
  isAcknowledged: boolean,
  output: Invocation['output'],
): Promise<void> {
  const text = value?.toString() ?? 'null';
  const head = isAcknowledged ? '' : `${id} ${receipt}\n  `;
  await output.line(`${head}${text}`, facts);
}

function receivedMessage(row: unknown): ReceivedMessage {
  const [id, receipt, timestamp, priority, offset, deliveries, failures, ...rest] = listOf(row);
  const [key, value, headers, group] = rest;
  const bytes = bytesOf(value);
  return {
    id: String(id),
    receipt: String(receipt),
    value: bytes,
    facts: {
      id,
      receipt,
      timestamp,
      priority,
      offset,
      deliveries,
      failures,
      group,
      ...bytesFields('key', bytesOf(key)),
      ...bytesFields('value', bytes),
      headers: headerFields(headers),
    },
  };
}
