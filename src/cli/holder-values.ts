/**
 * Bytes and headers as the holder gives them.
 */

import { listOf } from './broker-access.js';
import { bytesFields } from './byte-fields.js';

export function bytesOf(value: unknown): Buffer | null {
  if (!(value instanceof Uint8Array)) return null;
  return Buffer.from(value.buffer, value.byteOffset, value.length);
}

/** Rows of headers, for machines. */
export function headerFields(rows: unknown): readonly object[] {
  return listOf(rows).map((row) => {
    const [name, content] = listOf(row);
    return { key: String(name), ...bytesFields('value', bytesOf(content)) };
  });
}
