/**
 * Which declaration files a user's compiler can come to: those of the doors in `exports`, and what
 * they import. The others are of no use to anybody, and a third of what would be installed.
 */

import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

const IMPORT = /(?:from|import)\s*\(?\s*['"](\.[^'"]+)\.js['"]/g;

/**
 * Paths without suffix of all that the entries reach, themselves included, and whether each of
 * their declaration files is there.
 */
export function publicTypes(entries) {
  const reached = new Set();
  const waiting = entries.map((entry) => resolve(entry));
  let isWhole = true;
  for (let base = waiting.pop(); base !== undefined; base = waiting.pop()) {
    if (reached.has(base)) continue;
    reached.add(base);
    const text = readIfThere(`${base}.d.ts`);
    isWhole &&= text !== undefined;
    for (const [, path] of (text ?? '').matchAll(IMPORT)) {
      waiting.push(resolve(dirname(base), path));
    }
  }
  return { reached, isWhole };
}

function readIfThere(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}
