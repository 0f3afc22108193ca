/**
 * The streams of a command: those of its process, or what stands in for them.
 */

import type { Readable, Writable } from 'node:stream';

export interface Streams {
  readonly stdin: Readable;
  readonly stdout: Writable;
  /** Progress is shown only where `isTTY` says that a person looks. */
  readonly stderr: Writable & { readonly isTTY?: boolean };
}
