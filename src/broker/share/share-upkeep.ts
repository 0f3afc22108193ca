/**
 * What a group does about once a second, beside giving messages out: space comes back as messages
 * are finished, and retention learns what the group is done with.
 *
 * What lies below the start of a partition is finished. It is deleted, if the group is to do so,
 * when it has been finished for as long as it is to be kept.
 */

import type { Cancel, Clock } from '../../base/clock.js';
import { TrustedClock } from '../../base/trusted-clock.js';
import { shareDiagnostics } from './share-diagnostics.js';
import type { ShareGroupParts } from './share-group-config.js';
import type { SharePartition } from './share-partition.js';

export interface UpkeepParts {
  readonly clock: Clock;
  readonly group: string;
  readonly topic: string;
  readonly partitions: () => readonly SharePartition[];
  /** Resolves when records of the partition below `end` may be deleted. */
  readonly deleting: ShareGroupParts['deleting'];
  readonly config: () => {
    readonly deletesFinished: boolean;
    readonly retainAcknowledgedMs: number;
  };
}

const EACH_MS = 1_000;
/** How often is looked for what has been kept for long enough. */
const RETAINED_EACH_MS = 10_000;

export class ShareUpkeep {
  readonly #parts: UpkeepParts;
  readonly #trusted: TrustedClock;
  readonly #deleted = new WeakMap<SharePartition, number>();
  #timer: Cancel | undefined;
  /** Whether the timer is that of a look that comes soon. */
  #isSoon = false;
  #going: Promise<void> | undefined;
  #isClosed = false;

  constructor(parts: UpkeepParts) {
    this.#parts = parts;
    this.#trusted = new TrustedClock(parts.clock, () => undefined);
  }

  /** Messages were finished: the next look comes soon, also when one is due much later. */
  finished(): void {
    if (this.#timer !== undefined && this.#isSoon) return;
    this.#timer?.();
    this.#arm(EACH_MS);
  }

  /** A look is finished, and there are no more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.();
    this.#timer = undefined;
    await this.#going;
  }

  /** Looks now. */
  async run(): Promise<void> {
    await this.#going;
    this.#going = this.#look().finally(() => {
      this.#going = undefined;
    });
    await this.#going;
  }

  #arm(delayMs: number): void {
    if (this.#isClosed) return;
    this.#isSoon = delayMs === EACH_MS;
    this.#timer = this.#parts.clock.schedule(delayMs, () => {
      this.#timer = undefined;
      void this.run();
    });
  }

  async #look(): Promise<void> {
    let isKept = false;
    for (const partition of this.#parts.partitions()) {
      if (this.#isClosed) return;
      try {
        if (!(await this.#giveBack(partition))) isKept = true;
      } catch (cause) {
        isKept = true;
        const { group, topic } = this.#parts;
        shareDiagnostics.upkeepFailed.publish({ group, topic, cause });
      }
    }
    if (isKept && this.#timer === undefined) this.#arm(RETAINED_EACH_MS);
  }

  /** False: there is more that is finished, and is kept for now. */
  async #giveBack(partition: SharePartition): Promise<boolean> {
    const { group, config } = this.#parts;
    const { deletesFinished, retainAcknowledgedMs } = config();
    const { log, place } = partition;
    if (partition.isOver) return true;
    await partition.parked?.look(partition);
    const below = partition.deletableBelow;
    log.reportOffset(group, below);
    if (!deletesFinished) return !this.#mayPark(partition);
    const known = Math.max(this.#deleted.get(partition) ?? 0, log.startOffset);
    if (below <= known) return !this.#mayPark(partition);
    let offset = below;
    if (retainAcknowledgedMs > 0) {
      const nowMs = this.#trusted.nowMs(retainAcknowledgedMs);
      place.marks.add(nowMs, below);
      offset = Math.min(below, place.marks.finishedAt(nowMs - retainAcknowledgedMs));
    }
    offset = Math.min(offset, log.durableOffset);
    if (offset > known) {
      await this.#parts.deleting?.(log, partition.partition, offset);
      await log.deleteRecordsBefore(offset);
      this.#deleted.set(partition, offset);
    }
    return offset >= below && !this.#mayPark(partition);
  }

  /** Whether time alone changes something: a message may have stood in the way for long. */
  #mayPark({ parked, startOffset, log }: SharePartition): boolean {
    return parked !== undefined && (startOffset < log.durableOffset || parked.count > 0);
  }
}
