/**
 * Options of the command line whose value is an object of JSON, or a number.
 */

import { UsageError } from './usage-error.js';

/** The text as it was given, once it is clear that it is an object of JSON; null when absent. */
export function jsonOption(texts: ReadonlyMap<string, string>, name: string): string | null {
  const text = texts.get(name);
  if (text === undefined) return null;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return text;
  } catch {
    // Said below.
  }
  throw new UsageError(`--${name} takes an object of JSON, not ${JSON.stringify(text)}`);
}

/** A whole number from 0 on, given as text; undefined when absent. */
export function wholeOption(texts: ReadonlyMap<string, string>, name: string): number | undefined {
  const text = texts.get(name);
  if (text === undefined) return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new UsageError(`--${name} takes a whole number, not ${JSON.stringify(text)}`);
}
