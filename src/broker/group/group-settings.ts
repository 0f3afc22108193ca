/**
 * Settings of single groups, by name, as texts: kept over restarts, and checked by whoever gives a
 * name its meaning. State:
 *
 *     group/<group>    [form, name, value, name, value, ...]
 *
 * A folder in which no group was ever given a setting has no log for them.
 */

import { createError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import { Mutex } from '../../base/mutex.js';
import type { StateEntry, StateLog } from '../state/state-log.js';
import { checkGroupId } from './group-admission.js';
import { groupError } from './group-errors.js';

const FORM = 1;
const KEY_PREFIX = 'group/';
const NOTHING: ReadonlyMap<string, string> = new Map();

export class GroupSettings {
  readonly #open: () => Promise<StateLog>;
  readonly #mutex = new Mutex(limits.groupsMax);
  readonly #groups = new Map<string, ReadonlyMap<string, string>>();
  #state: StateLog | undefined;

  /** `open` gives the log of this state; when it is there, it is read now. */
  static async open(
    open: () => Promise<StateLog>,
    { isThere }: { readonly isThere: boolean },
  ): Promise<GroupSettings> {
    const settings = new GroupSettings(open);
    if (isThere) await settings.#load();
    return settings;
  }

  private constructor(open: () => Promise<StateLog>) {
    this.#open = open;
  }

  /** Those that were set. */
  of(group: string): ReadonlyMap<string, string> {
    return this.#groups.get(group) ?? NOTHING;
  }

  /**
   * Sets some, and takes back those that are null; durable when it resolves. Rejects with
   * GROUP_INVALID, GROUP_FULL when too many groups have settings, and what an append rejects with.
   */
  alter(group: string, changes: ReadonlyMap<string, string | null>): Promise<void> {
    checkGroupId(group);
    return this.#mutex.run(async () => {
      const next = new Map(this.of(group));
      for (const [name, value] of changes) {
        if (value === null) next.delete(name);
        else next.set(name, value);
      }
      if (!this.#groups.has(group) && this.#groups.size >= limits.groupsMax) {
        throw groupError('GROUP_FULL', { group, groupsMax: limits.groupsMax });
      }
      const state = await this.#load();
      const value = next.size === 0 ? null : [FORM, ...[...next].flat()];
      await state.append([{ key: `${KEY_PREFIX}${group}`, value }]);
      this.#take(group, next);
    });
  }

  async #load(): Promise<StateLog> {
    if (this.#state !== undefined) return this.#state;
    const state = await this.#open();
    for await (const entry of state.load()) this.#take(...settingsIn(entry));
    this.#state = state;
    return state;
  }

  #take(group: string, settings: ReadonlyMap<string, string>): void {
    if (settings.size === 0) this.#groups.delete(group);
    else this.#groups.set(group, settings);
  }
}

/** FORMAT_UNSUPPORTED when a newer version wrote it, LOG_CORRUPT when nobody did. */
function settingsIn({ key, value }: StateEntry): [group: string, Map<string, string>] {
  const settings = new Map<string, string>();
  const corrupt = () => createError('LOG_CORRUPT', { key, expected: 'the settings of a group' });
  if (!key.startsWith(KEY_PREFIX)) throw corrupt();
  const group = key.slice(KEY_PREFIX.length);
  if (value === null) return [group, settings];
  const [form, ...rest] = value;
  if (form !== FORM) {
    if (!Number.isSafeInteger(form)) throw corrupt();
    throw createError('FORMAT_UNSUPPORTED', { key, version: Number(form), expected: FORM });
  }
  for (let at = 0; at < rest.length; at += 2) {
    const [name, text] = [rest[at], rest[at + 1]];
    if (typeof name !== 'string' || typeof text !== 'string') throw corrupt();
    settings.set(name, text);
  }
  return [group, settings];
}
