/**
 * Bytes as text and back, for tests that compare or spell out what lies on disk.
 */

import assert from 'node:assert/strict';

const ROW_BYTES = 16;

/** Bytes from hexadecimal digits; spaces, and `#` to the end of a line, are ignored. */
export function fromHex(text: string): Uint8Array {
  const digits = text.replace(/#.*$/gm, '').replace(/\s+/g, '');
  assert.match(digits, /^(?:[0-9a-fA-F]{2})*$/, 'hexadecimal digits come in pairs');
  return Uint8Array.from(Buffer.from(digits, 'hex'));
}

export function toHex(bytes: Uint8Array): string {
  return view(bytes).toString('hex');
}

/** Rows of 16 bytes: position, digits, and the characters that can be shown. */
export function hexDump(bytes: Uint8Array, firstPosition = 0): string {
  const rows: string[] = [];
  for (let start = 0; start < bytes.length; start += ROW_BYTES) {
    const row = view(bytes).subarray(start, start + ROW_BYTES);
    const position = (firstPosition + start).toString(16).padStart(8, '0');
    const digits = row.toString('hex').replace(/..(?=.)/g, '$& ');
    const characters = row.toString('latin1').replace(/[^ -~]/g, '.');
    rows.push(`${position}  ${digits.padEnd(ROW_BYTES * 3 - 1)}  ${characters}`);
  }
  return rows.join('\n');
}

/** Fails with the position of the first difference and the bytes around it. */
export function assertBytes(actual: Uint8Array, expected: Uint8Array): void {
  const shorter = Math.min(actual.length, expected.length);
  let position = 0;
  while (position < shorter && actual[position] === expected[position]) position += 1;
  if (position === actual.length && position === expected.length) return;
  const start = Math.max(0, (position & ~(ROW_BYTES - 1)) - ROW_BYTES);
  const end = start + 4 * ROW_BYTES;
  assert.fail(
    `bytes differ at position ${position} (${actual.length} bytes, expected ${expected.length})\n` +
      `actual:\n${hexDump(actual.subarray(start, end), start)}\n` +
      `expected:\n${hexDump(expected.subarray(start, end), start)}`,
  );
}

function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
