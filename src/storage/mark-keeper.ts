/**
 * Keeps the watermark file of an open log: which slot is written, and when the other one is used.
 *
 * A commit writes the current slot after its sync, unsynced. In the background, at most
 * `watermarkLagMs` later, the file is synced; only then does writing move to the other slot.
 * Changes that must not be lost (clean flag, log start, epoch, poison) go through `settle`: both
 * slots, each synced before the other is touched.
 */

import { assert } from '../base/assert.js';
import type { Cancel, Clock } from '../base/clock.js';
import { limits } from '../base/limits.js';
import {
  encodeMark,
  judgeWatermark,
  type MarkContent,
  WATERMARK_BYTES,
  WATERMARK_FILE_BYTES,
  WATERMARK_SLOT_DISTANCE,
} from './watermark.js';
import type { CommitMark, Slab, Writer, WriterFile, WriterStep } from './writer.js';

export class MarkKeeper {
  readonly #writer: Writer;
  readonly #clock: Clock;
  readonly #file: WriterFile;
  readonly #slab: Slab;
  readonly #nonce: bigint;
  readonly #onForeign: (error: Error) => void;
  #slot: 0 | 1;
  #sequence: number;
  #cancelSync: Cancel | undefined;

  /** `slot` and `sequence` continue what the file holds; the file is open in the writer. */
  constructor(
    writer: Writer,
    clock: Clock,
    file: WriterFile,
    slab: Slab,
    nonce: bigint,
    continues: { readonly slot: 0 | 1; readonly sequence: number },
    onForeign: (error: Error) => void,
  ) {
    assert(slab.bytes.length >= WATERMARK_BYTES, 'the slab holds a watermark');
    this.#writer = writer;
    this.#clock = clock;
    this.#file = file;
    this.#slab = slab;
    this.#nonce = nonce;
    this.#slot = continues.slot;
    this.#sequence = continues.sequence;
    this.#onForeign = onForeign;
  }

  get file(): WriterFile {
    return this.#file;
  }

  /** Encodes the mark of the next commit; the slab is the writer's until the commit is answered. */
  prepare(content: MarkContent): CommitMark {
    this.#sequence += 1;
    encodeMark(content, this.#sequence, this.#slab.bytes, 0);
    return { file: this.#file, slab: this.#slab, count: WATERMARK_BYTES };
  }

  get position(): number {
    return this.#slot * WATERMARK_SLOT_DISTANCE;
  }

  /** After a commit was answered: sees to the background sync. */
  scheduleSync(): void {
    if (this.#cancelSync !== undefined) return;
    this.#cancelSync = this.#clock.schedule(limits.watermarkLagMs, () => {
      this.#cancelSync = undefined;
      this.#syncInBackground().catch(this.#onForeign);
    });
  }

  /** Writes both slots, each synced before the other is touched. No commit may be in flight. */
  async settle(content: MarkContent): Promise<void> {
    this.#cancelSync?.();
    this.#cancelSync = undefined;
    const steps = [this.#slot, other(this.#slot)].flatMap((slot): WriterStep[] => {
      this.#sequence += 1;
      const bytes = new Uint8Array(WATERMARK_BYTES);
      encodeMark(content, this.#sequence, bytes, 0);
      const position = slot * WATERMARK_SLOT_DISTANCE;
      const file = this.#file;
      return [
        { kind: 'write', file, bytes, position },
        { kind: 'sync', file },
      ];
    });
    // The slot written first is used next: the newer one stays as it is until this one was synced.
    await this.#writer.run(steps);
  }

  /** Ends the background work; the slab goes back. */
  close(): void {
    this.#cancelSync?.();
    this.#cancelSync = undefined;
    this.#writer.releaseSlab(this.#slab);
  }

  /**
   * Syncs what commits wrote, and looks whether another writer wrote there too. The writer works in
   * order, so commits queued from now on find this slot synced and may use the other one.
   */
  async #syncInBackground(): Promise<void> {
    const synced = this.#writer.run([
      { kind: 'read', file: this.#file, position: 0, count: WATERMARK_FILE_BYTES },
      { kind: 'sync', file: this.#file },
    ]);
    this.#slot = other(this.#slot);
    const [bytes] = await synced;
    const verdict = judgeWatermark(bytes);
    if (verdict.kind === 'present' && verdict.watermark.nonce !== this.#nonce) {
      throw new Error('another writer has written the watermark of this log');
    }
  }
}

function other(slot: 0 | 1): 0 | 1 {
  return slot === 0 ? 1 : 0;
}
