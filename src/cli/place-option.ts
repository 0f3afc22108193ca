/**
 * A place in a log on the command line: an end, an offset, or a time.
 */

import type { ReadFrom } from '../storage/main.js';
import { UsageError } from './usage-error.js';

/** Digits are an offset; anything else that is no name is a time, as ISO 8601 writes it. */
export function placeOption(option: string, text: string): ReadFrom {
  if (text === 'earliest' || text === 'latest') return text;
  if (/^\d{1,16}$/.test(text)) return Number(text);
  const timestamp = /\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (timestamp >= 0) return { timestamp };
  const forms = 'earliest, latest, an offset, or a time such as 2026-01-31T12:00:00Z';
  throw new UsageError(`--${option} takes ${forms}, not ${JSON.stringify(text)}`);
}
