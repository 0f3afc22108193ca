/**
 * What a record is, on its way in.
 *
 * Strings are stored as UTF-8. A null (or absent) key means no key; a null (or absent) value is a
 * tombstone. Bytes are copied into the append buffer before the call returns, so the caller may
 * reuse its memory at once.
 */

export interface RecordHeaderInput {
  readonly key: string;
  readonly value?: Uint8Array | string | null | undefined;
}

export interface RecordInput {
  readonly key?: Uint8Array | string | null | undefined;
  readonly value?: Uint8Array | string | null | undefined;
  readonly headers?: readonly RecordHeaderInput[] | undefined;
  /** Milliseconds since 1970, 0 or more; the time of the append when absent. */
  readonly timestamp?: number | undefined;
}

export interface RecordHeader {
  readonly key: string;
  readonly value: Buffer | null;
}
