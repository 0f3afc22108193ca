/**
 * One line of a dump: named values, printed as text or as JSON.
 *
 * Values are JSON's, so a line is the same for people and for machines. Bytes are shown as UTF-8
 * where they are that, and as base64 under another name where they are not.
 */

import { isUtf8 } from 'node:buffer';

export type DumpValue = string | number | boolean | null | readonly DumpValue[] | DumpFields;

export interface DumpFields {
  readonly [name: string]: DumpValue | undefined;
}

export interface DumpLine extends DumpFields {
  /** What the line is about: `file`, `batch`, `record`, `offset-entry`, `problem`, ... */
  readonly type: string;
}

/** `type name: value name: value`; nested values as JSON. */
export function dumpText(line: DumpLine): string {
  const { type, ...fields } = line;
  const parts = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${isPlain(value) ? value : JSON.stringify(value)}`);
  return [type, ...parts].join(' ');
}

/** A text is shown bare when it has nothing in it that would blur where it ends. */
function isPlain(value: DumpValue | undefined): boolean {
  if (typeof value === 'string') return /^[\w./+:,;=@-]+(?: [\w./+:,;=@-]+)*$/.test(value);
  return typeof value !== 'object' || value === null;
}

/** `{ name }` as text, or `{ nameBase64 }` when the bytes are no UTF-8; null stays null. */
export function bytesFields(name: string, bytes: Buffer | null): DumpFields {
  if (bytes === null) return { [name]: null };
  if (isUtf8(bytes)) return { [name]: bytes.toString('utf8') };
  return { [`${name}Base64`]: bytes.toString('base64') };
}

export function problem(file: string, position: number, reason: string, more: DumpFields = {}) {
  return { type: 'problem', file, position, reason, ...more } satisfies DumpLine;
}
