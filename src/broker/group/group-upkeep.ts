/**
 * What is done for groups from time to time: old offsets go, empty groups with them, and the lag
 * of groups with members is published while somebody listens.
 *
 * Ages are counted on a clock that does not believe a jump at once, so a wrong date does not make
 * groups forget where they were.
 */

import type { Cancel, Clock } from '../../base/clock.js';
import { limitOf } from '../../base/options.js';
import { TrustedClock } from '../../base/trusted-clock.js';
import type { Group } from './group.js';
import type { GroupCommits } from './group-commits.js';
import { groupDiagnostics } from './group-diagnostics.js';
import type { GroupDirectory } from './group-directory.js';
import type { GroupConfig } from './group-options.js';
import type { GroupRebalancer } from './group-rebalance.js';
import { subscribedBy } from './group-subscriptions.js';
import { expiredOffsets } from './offset-expiry.js';
import type { OffsetStore } from './offset-store.js';

export interface UpkeepContext {
  readonly clock: Clock;
  readonly config: GroupConfig;
  readonly directory: GroupDirectory;
  readonly rebalancer: GroupRebalancer;
  readonly store: OffsetStore;
  readonly commits: GroupCommits;
}

export class GroupUpkeep {
  readonly #context: UpkeepContext;
  readonly #trusted: TrustedClock;
  readonly #cancels = new Map<string, Cancel>();
  #isClosed = false;
  #running: Promise<void> = Promise.resolve();

  constructor(context: UpkeepContext) {
    this.#context = context;
    this.#trusted = new TrustedClock(context.clock, ignore);
    const { offsetsRetentionCheckIntervalMs, lagIntervalMs } = context.config;
    this.#repeat('expiry', offsetsRetentionCheckIntervalMs, () => this.expire());
    this.#repeat('lag', lagIntervalMs, () => this.#publishLags());
  }

  /** One look through all groups; resolves when what is old is removed. */
  async expire(): Promise<void> {
    const retentionMs = limitOf(this.#context.config.offsetsRetentionMs);
    if (retentionMs === Number.POSITIVE_INFINITY) return;
    const nowMs = this.#trusted.nowMs(retentionMs);
    for (const group of this.#context.directory.groups) {
      if (this.#isClosed) return;
      await this.#expireGroup(group, nowMs, retentionMs);
    }
  }

  /** Ends the timers; resolves when what runs has come to its end. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const cancel of this.#cancels.values()) cancel();
    this.#cancels.clear();
    await this.#running;
  }

  async #expireGroup(group: Group, nowMs: number, retentionMs: number): Promise<void> {
    const { directory, rebalancer, store } = this.#context;
    const { groupId, state, protocolType, emptySinceMs } = group;
    const offsets = store.offsets(groupId);
    const subscribed = subscribedBy(group);
    const facts = { state, protocolType, emptySinceMs, subscribed, offsets };
    const old = expiredOffsets(facts, nowMs, retentionMs);
    const expired = old.filter((at) => !store.holds.isHeld(groupId, at));
    try {
      if (expired.length > 0) {
        await store.remove(groupId, expired);
        groupDiagnostics.offsetsExpired.publish({ group: groupId, partitions: expired.length });
      }
      const isUnused = group.state === 'Empty' && group.pendingIds.size === 0;
      if (!isUnused || store.offsets(groupId).length > 0) return;
      if (nowMs - emptySinceMs < retentionMs) return;
      rebalancer.shut(group, 'left');
      directory.remove(group);
      await store.removeGroup(groupId);
    } catch (cause) {
      groupDiagnostics.storeFailed.publish({ group: groupId, cause });
    }
  }

  async #publishLags(): Promise<void> {
    const { directory, store, commits } = this.#context;
    if (!groupDiagnostics.lag.isObserved) return;
    for (const { groupId, size } of directory.groups) {
      if (this.#isClosed) return;
      if (size > 0) await commits.publishLag(groupId, store.offsets(groupId));
    }
  }

  /** Runs again and again, an interval after each end. */
  #repeat(task: 'expiry' | 'lag', intervalMs: number, run: () => Promise<void>): void {
    const turn = async (): Promise<void> => {
      try {
        await run();
      } catch (cause) {
        groupDiagnostics.upkeepFailed.publish({ task, cause });
      }
      if (!this.#isClosed) this.#repeat(task, intervalMs, run);
    };
    const cancel = this.#context.clock.schedule(intervalMs, () => {
      this.#running = Promise.allSettled([this.#running, turn()]).then(ignore);
    });
    this.#cancels.set(task, cancel);
  }
}

function ignore(): void {}
