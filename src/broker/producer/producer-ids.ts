/**
 * Who producers are to the logs: ids that are never given twice, and names that keep theirs.
 *
 * Ids come from a durable counter, a block at a time: what a crash leaves of a block is never used.
 * A name keeps its id and its epoch; a second producer that takes a name while the first one still
 * has it gets the next epoch, and the first is fenced. State:
 *
 *     next           [form, first id of the block that was not given out]
 *     name/<name>    [form, id, epoch]
 */

import { createError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import { Mutex } from '../../base/mutex.js';
import type { StateEntry, StateLog, StateValue } from '../state/state-log.js';

const FORM = 1;
const BLOCK_IDS = 1_000;
const EPOCH_MAX = 2 ** 15 - 1;
const NEXT_KEY = 'next';
const NAME_PREFIX = 'name/';

export interface ProducerIdentity {
  readonly producerId: number;
  readonly producerEpoch: number;
  /** Another producer has taken the name. */
  readonly isFenced: boolean;
  /** The producer is closed: whoever takes its name next goes on where it stopped. */
  giveUp(): void;
}

interface NamedProducer {
  readonly producerId: number;
  readonly producerEpoch: number;
}

export class ProducerIds {
  readonly #open: () => Promise<StateLog>;
  readonly #mutex = new Mutex(limits.namedProducersMax);
  readonly #names = new Map<string, NamedProducer>();
  readonly #holders = new Map<string, LiveIdentity>();
  #state: StateLog | undefined;
  #nextId = 0;
  #blockEnd = 0;

  /** `open` gives the log of this state when it is first needed. */
  constructor(open: () => Promise<StateLog>) {
    this.#open = open;
  }

  /** An id that nobody had before. */
  allot(): Promise<ProducerIdentity> {
    return this.#mutex.run(async () => {
      const state = await this.#load();
      return new LiveIdentity(await this.#takeId(state), 0, () => undefined);
    });
  }

  /**
   * The id of a name, new when the name is. Throws PRODUCERS_FULL when there are too many names.
   */
  claim(name: string): Promise<ProducerIdentity> {
    return this.#mutex.run(async () => {
      const state = await this.#load();
      const known = this.#names.get(name);
      const holder = this.#holders.get(name);
      const named = await this.#named(state, name, known, holder !== undefined);
      holder?.fence();
      const identity: LiveIdentity = new LiveIdentity(named.producerId, named.producerEpoch, () => {
        if (this.#holders.get(name) === identity) this.#holders.delete(name);
      });
      this.#holders.set(name, identity);
      return identity;
    });
  }

  async #named(
    state: StateLog,
    name: string,
    known: NamedProducer | undefined,
    isHeld: boolean,
  ): Promise<NamedProducer> {
    if (known !== undefined && !isHeld) return known;
    if (known === undefined && this.#names.size >= limits.namedProducersMax) {
      const expected = `at most ${limits.namedProducersMax} names`;
      throw createError('PRODUCERS_FULL', { name, expected });
    }
    const next =
      known === undefined || known.producerEpoch === EPOCH_MAX
        ? { producerId: await this.#takeId(state), producerEpoch: 0 }
        : { producerId: known.producerId, producerEpoch: known.producerEpoch + 1 };
    const value = [FORM, next.producerId, next.producerEpoch];
    await state.append([{ key: NAME_PREFIX + name, value }]);
    this.#names.set(name, next);
    return next;
  }

  async #takeId(state: StateLog): Promise<number> {
    if (this.#nextId === this.#blockEnd) {
      const end = this.#blockEnd + BLOCK_IDS;
      await state.append([{ key: NEXT_KEY, value: [FORM, end] }]);
      this.#blockEnd = end;
    }
    this.#nextId += 1;
    return this.#nextId - 1;
  }

  async #load(): Promise<StateLog> {
    if (this.#state !== undefined) return this.#state;
    const state = await this.#open();
    for await (const entry of state.load()) this.#take(entry);
    this.#state = state;
    return state;
  }

  #take({ key, value }: StateEntry): void {
    if (value === null) throw damaged(key);
    const [form] = value;
    if (typeof form === 'number' && form > FORM) {
      throw createError('FORMAT_UNSUPPORTED', { key, expected: FORM, actual: form });
    }
    if (key === NEXT_KEY) {
      this.#nextId = countIn(key, value, 1);
      this.#blockEnd = this.#nextId;
    } else if (key.startsWith(NAME_PREFIX)) {
      const producerId = countIn(key, value, 1);
      const producerEpoch = countIn(key, value, 2);
      this.#names.set(key.slice(NAME_PREFIX.length), { producerId, producerEpoch });
    } else {
      throw damaged(key);
    }
  }
}

class LiveIdentity implements ProducerIdentity {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly giveUp: () => void;
  #isFenced = false;

  constructor(producerId: number, producerEpoch: number, giveUp: () => void) {
    this.producerId = producerId;
    this.producerEpoch = producerEpoch;
    this.giveUp = giveUp;
  }

  get isFenced(): boolean {
    return this.#isFenced;
  }

  fence(): void {
    this.#isFenced = true;
  }
}

function countIn(key: string, value: StateValue, place: number): number {
  const count = value[place];
  if (typeof count === 'number' && Number.isSafeInteger(count) && count >= 0) return count;
  throw damaged(key);
}

function damaged(key: string): Error {
  return createError('LOG_CORRUPT', { key, reason: 'a producer is not as it was written' });
}
