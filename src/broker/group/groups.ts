/**
 * The groups of a broker as programs see them: list, describe, reset, delete.
 *
 * Lag is told by `describe`, and as an event of `millrace:group:lag` with every commit and from
 * time to time while somebody listens.
 */

import type { GroupAdmin, ResetOffset, ResetOptions } from './group-admin.js';
import type { GroupCoordinator } from './group-coordinator.js';
import type { GroupDescription, GroupListing } from './group-description.js';
import type { TopicPartition } from './group-topics.js';

export class Groups {
  readonly #coordinator: () => Promise<GroupCoordinator>;

  /** @internal */
  constructor(coordinator: () => Promise<GroupCoordinator>) {
    this.#coordinator = coordinator;
  }

  /** All groups, by id. */
  async list(): Promise<GroupListing[]> {
    return (await this.#admin()).list();
  }

  /** Members, what each has, committed offsets and lag. Rejects with GROUP_NOT_FOUND. */
  async describe(groupId: string): Promise<GroupDescription> {
    return (await this.#admin()).describe(groupId);
  }

  /**
   * Sets committed offsets of a group without members; with `isDryRun` only tells what they would
   * be. Resolves when they are durable. Rejects with GROUP_INVALID, GROUP_NOT_EMPTY,
   * UNKNOWN_PARTITION.
   */
  async reset(groupId: string, options: ResetOptions): Promise<ResetOffset[]> {
    return (await this.#admin()).reset(groupId, options);
  }

  /** Removes a group without members and its offsets. GROUP_NOT_FOUND, GROUP_NOT_EMPTY. */
  async delete(groupId: string): Promise<void> {
    await (await this.#admin()).delete(groupId);
  }

  /** Removes single offsets. GROUP_NOT_FOUND, GROUP_SUBSCRIBED while members want the topic. */
  async deleteOffsets(groupId: string, partitions: readonly TopicPartition[]): Promise<void> {
    await (await this.#admin()).deleteOffsets(groupId, partitions);
  }

  async #admin(): Promise<GroupAdmin> {
    return (await this.#coordinator()).admin;
  }
}
