/**
 * The deduplicators of a broker: each name is one table, loaded once.
 */

import type { Clock } from '../../base/clock.js';
import { createError } from '../../base/errors.js';
import { resolveOptions } from '../../base/options.js';
import type { LogOptions } from '../../storage/main.js';
import { stateLogOptions } from '../state/partition-state-log.js';
import type { StateLog } from '../state/state-log.js';
import { internalFolder } from '../topic/topic-name.js';
import { Deduplicator } from './deduplicator.js';
import {
  type DeduplicatorConfig,
  type DeduplicatorOptions,
  deduplicatorOptionTable,
} from './deduplicator-options.js';
import { ProcessedIds } from './processed-ids.js';

/** The name becomes a part of a folder's name. */
const NAME = /^[a-zA-Z0-9._-]{1,200}$/;

export interface DeduplicatorsHome {
  readonly clock: Clock;
  /** Opens the log of this name, with these options. */
  openState(name: string, options: LogOptions): Promise<StateLog>;
  /** Throws BROKER_CLOSED. */
  checkOpen(): void;
}

export class Deduplicators {
  readonly #home: DeduplicatorsHome;
  readonly #open = new Map<string, Promise<Deduplicator>>();

  constructor(home: DeduplicatorsHome) {
    this.#home = home;
  }

  /** Throws OPTION_INVALID, OPTION_UNKNOWN, and OPTION_CONFLICT: it is in use with other ones. */
  async open(name: string, given: DeduplicatorOptions): Promise<Deduplicator> {
    this.#home.checkOpen();
    if (typeof name !== 'string' || !NAME.test(name)) {
      const expected = '1 to 200 of a-z, A-Z, 0-9, ., _ and -';
      throw createError('OPTION_INVALID', { option: 'name', expected, where: 'deduplicator' });
    }
    const config = resolveOptions(deduplicatorOptionTable, given, 'deduplicator');
    const deduplicator = await this.#loaded(name, config);
    checkSame(deduplicator, config);
    return deduplicator;
  }

  #loaded(name: string, config: DeduplicatorConfig): Promise<Deduplicator> {
    const known = this.#open.get(name);
    if (known !== undefined) return known;
    const opening = this.#load(name, config);
    this.#open.set(name, opening);
    opening.catch(() => this.#open.delete(name));
    return opening;
  }

  async #load(name: string, config: DeduplicatorConfig): Promise<Deduplicator> {
    const { clock, openState, checkOpen } = this.#home;
    const cleanup = 'compact,delete';
    const options = { ...stateLogOptions, cleanup, retentionMs: config.windowMs } as const;
    const state = await openState(internalFolder(`processed.${name}`), options);
    const ids = await ProcessedIds.load(state, clock, config);
    return new Deduplicator(name, config, ids, checkOpen);
  }
}

function checkSame({ name, config }: Deduplicator, asked: DeduplicatorConfig): void {
  for (const option of ['promise', 'windowMs', 'idsMax'] as const) {
    if (config[option] === asked[option]) continue;
    const facts = { option, expected: config[option], actual: asked[option] };
    const message = 'the deduplicator is in use with another value';
    throw createError('OPTION_CONFLICT', { message, deduplicator: name, ...facts });
  }
}
