/**
 * Bytes as JSON can hold them: as text where they are UTF-8, as base64 under another name where
 * they are not.
 */

import { isUtf8 } from 'node:buffer';

export function bytesFields(name: string, bytes: Buffer | null): Record<string, string | null> {
  if (bytes === null) return { [name]: null };
  if (isUtf8(bytes)) return { [name]: bytes.toString('utf8') };
  return { [`${name}Base64`]: bytes.toString('base64') };
}
