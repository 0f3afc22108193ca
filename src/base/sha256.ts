/**
 * SHA-256, for telling contents apart.
 */

import { createHash } from 'node:crypto';

/** 64 hexadecimal digits; text counts as UTF-8. */
export function sha256Hex(content: Uint8Array | string): string {
  return createHash('sha256').update(content).digest('hex');
}
