/**
 * The header of a request that says where its reply goes.
 *
 *     millrace-reply-to   the run of the broker and the number of the request
 */

import type { RecordHeader } from '../../storage/main.js';

export const REPLY_TO_HEADER = 'millrace-reply-to';

/** Undefined for a message that is no request. */
export function replyToIn(headers: readonly RecordHeader[]): string | undefined {
  if (headers.length === 0) return undefined;
  return headers.find(({ key }) => key === REPLY_TO_HEADER)?.value?.toString();
}
