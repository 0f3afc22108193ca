/**
 * Whether segments were replaced while a log was looked at.
 *
 * Who reads a seal, then its indexes and its log, beside a writer that swaps them meanwhile, sees
 * parts that do not fit. Names, and sizes and times of the seals, tell that: a swap places a new
 * seal under the old name, and its other files under names of their own until it is over.
 */

import { join } from 'node:path';
import type { FileSystem } from '../base/file-system.js';
import { parseFileName } from './segment-files.js';

/** Equal before and after a look: no segment was replaced in between, or is being replaced. */
export async function segmentsSeen(fileSystem: FileSystem, directory: string): Promise<string> {
  const facts = await fileSystem.facts(directory);
  if (facts?.kind !== 'directory') return '';
  const seen: string[] = [];
  for (const name of [...(await fileSystem.list(directory))].sort()) {
    const parsed = parseFileName(name);
    if (!('suffix' in parsed)) continue;
    const isSeal = parsed.kind === 'segment' && parsed.suffix === 'seal';
    const seal = isSeal ? await fileSystem.facts(join(directory, name)) : undefined;
    seen.push(`${name} ${seal?.bytes ?? ''} ${seal?.modifiedMs ?? ''}`);
  }
  return seen.join('\n');
}
