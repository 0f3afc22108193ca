/** The process of one side of the comparison with peers. */

import type { SideAnswer, SideMessage } from './peer-side.js';
import { makeWork, type Work } from './peer-work.js';

// A parent that is gone wants nothing more; servers that were started end with this process.
process.on('disconnect', () => process.exit(0));
process.on('SIGTERM', () => process.exit(143));

await answered(async () => {
  const work = await makeWork(JSON.parse(process.argv[2] ?? ''));
  process.on('message', (message: SideMessage) => void answered(() => carryOut(work, message)));
  return { kind: 'ready' };
});

async function carryOut(work: Work, message: SideMessage): Promise<SideAnswer> {
  if (message === 'end') {
    await work.end();
    return { kind: 'ended' };
  }
  globalThis.gc?.();
  const result = await work.round();
  return { kind: 'round', result, peakBytes: process.resourceUsage().maxRSS * 1024 };
}

async function answered(work: () => Promise<SideAnswer>): Promise<void> {
  try {
    process.send?.(await work());
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    process.send?.({ kind: 'failed', reason } satisfies SideAnswer);
  }
}
