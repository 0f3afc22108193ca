/**
 * The receipt of a delivery as a text for the outside: it holds also after a restart, so that a
 * late one is told that it is stale.
 *
 *     <generation>.<life>.<topic id>.<partition>.<offset>.<receipt>     numbers in base 36
 *
 * The life rises with each process that gives messages out: what one of them wrote last may be lost
 * in a power cut, and is then given out under the same numbers.
 */

import { createError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import { isReceipt } from './share-receipt.js';

export interface ReceiptToken {
  readonly generation: number;
  readonly life: number;
  readonly topicId: string;
  readonly partition: number;
  readonly offset: number;
  readonly receipt: number;
}

const BASE = 36;
const NUMBER = '([0-9a-z]{1,11})';
const FORM = new RegExp(
  `^${NUMBER}\\.${NUMBER}\\.([0-9a-f]{32})\\.${NUMBER}\\.${NUMBER}\\.${NUMBER}$`,
);
const SHOWN_MAX = 120;

export function encodeToken({ generation, life, topicId, ...place }: ReceiptToken): string {
  const numbers = [place.partition, place.offset, place.receipt].map((each) => each.toString(BASE));
  return [generation.toString(BASE), life.toString(BASE), topicId, ...numbers].join('.');
}

/** Throws RECEIPT_INVALID. */
export function decodeToken(text: unknown): ReceiptToken {
  const found = typeof text === 'string' ? FORM.exec(text) : null;
  const [, generation, life, topicId, partition, offset, receipt] = found ?? [];
  if (topicId === undefined) throw invalid(text);
  const token = {
    generation: numberOf(generation),
    life: numberOf(life),
    topicId,
    partition: numberOf(partition),
    offset: numberOf(offset),
    receipt: numberOf(receipt),
  };
  const isPlace = token.partition < limits.topicPartitionsMax && token.offset <= limits.offsetMax;
  if (!isPlace || !isReceipt(token.receipt)) throw invalid(text);
  if (!Number.isSafeInteger(token.generation)) throw invalid(text);
  return token;
}

function numberOf(text: string | undefined): number {
  return Number.parseInt(text ?? '', BASE);
}

function invalid(text: unknown): Error {
  return createError('RECEIPT_INVALID', { receipt: String(text).slice(0, SHOWN_MAX) });
}
