/**
 * Where a seek leads: an end, an offset, or the first record at or after a time.
 */

import type { ReadFrom } from '../../storage/main.js';
import type { PartitionLease } from './consumer-lease.js';

export async function offsetOf(lease: PartitionLease, to: ReadFrom): Promise<number> {
  if (to === 'earliest') return lease.log.startOffset;
  if (to === 'latest') return lease.endOffset;
  if (typeof to === 'number') return to;
  const found = await lease.log.offsetOf(to.timestamp);
  return found ?? lease.endOffset;
}
