/**
 * The settings of groups that are of use here, by Kafka's names: what each takes, and its default.
 */

import { createError } from '../../base/errors.js';
import { type GroupSettings, groupConfigOf, resolveShareOptions } from '../../broker/main.js';
import type { configTypes } from './topic-configs.js';

export interface GroupSetting {
  readonly type: keyof typeof configTypes;
  readonly usual: string;
  /** Whether the text is a value. */
  readonly takes: (text: string) => boolean;
}

function whole(usual: number, min: number, max: number): GroupSetting {
  return {
    type: 'int',
    usual: String(usual),
    takes: (text) => /^\d{1,10}$/.test(text) && Number(text) >= min && Number(text) <= max,
  };
}

function oneOf(usual: string, ...values: readonly string[]): GroupSetting {
  return { type: 'string', usual, takes: (text) => values.includes(text) };
}

export const groupSettings: Readonly<Record<string, GroupSetting>> = {
  'share.auto.offset.reset': oneOf('latest', 'latest', 'earliest'),
  'share.delivery.count.limit': whole(5, 2, 1_000_000),
  'share.heartbeat.interval.ms': whole(5_000, 1, 3_600_000),
  'share.isolation.level': oneOf('read_committed', 'read_committed'),
  'share.record.lock.duration.ms': whole(30_000, 1, 3_600_000),
  'share.session.timeout.ms': whole(45_000, 1, 3_600_000),
};

/** Throws OPTION_INVALID for a name that is none, or a value that it does not take. */
export function checkGroupSetting(name: string, value: string | null): void {
  const setting = groupSettings[name];
  const isFine = setting !== undefined && (value === null || setting.takes(value));
  if (isFine) return;
  const expected = setting === undefined ? 'a setting of groups' : 'a value of the setting';
  throw createError('OPTION_INVALID', { option: name, expected, actual: value });
}

/** What a share group goes by. */
export class ShareGroupSettings {
  readonly #values: ReadonlyMap<string, string>;

  constructor(settings: GroupSettings, group: string) {
    this.#values = settings.of(group);
  }

  get leaseMs(): number {
    return this.#number('share.record.lock.duration.ms');
  }

  get sessionTimeoutMs(): number {
    return this.#number('share.session.timeout.ms');
  }

  get heartbeatIntervalMs(): number {
    return this.#number('share.heartbeat.interval.ms');
  }

  get deliveriesMax(): number {
    return this.#number('share.delivery.count.limit');
  }

  /** As the broker takes it. */
  configFor(group: string, topic: string): ReturnType<typeof groupConfigOf> {
    const isEarliest = this.#text('share.auto.offset.reset') === 'earliest';
    const options = {
      group,
      from: isEarliest ? 'earliest' : 'latest',
      visibilityTimeoutMs: this.leaseMs,
      maxDeliveries: this.deliveriesMax,
    } as const;
    return groupConfigOf(resolveShareOptions(options, topic));
  }

  #number(name: string): number {
    return Number(this.#text(name));
  }

  #text(name: string): string {
    return this.#values.get(name) ?? groupSettings[name]?.usual ?? '';
  }
}
