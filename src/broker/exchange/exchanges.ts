/**
 * The exchanges of a broker: their registry over a state log, and changes of it, one at a time.
 *
 * A change is planned, stored in one append, and then applied, so routes follow what is durable. A
 * folder in which there never was an exchange has no log of them; the first change makes it.
 *
 * Bindings to a queue or a topic that is deleted go with it, before its name can be used again. A
 * crash in between leaves bindings to nobody: they go at open or, when the disk is full then, right
 * before a topic is made, which might have their name.
 */

import { createError } from '../../base/errors.js';
import { Mutex } from '../../base/mutex.js';
import type { OpenStates } from '../state/open-states.js';
import { stateLogOptions } from '../state/partition-state-log.js';
import type { StateEntry, StateLog } from '../state/state-log.js';
import { internalFolder } from '../topic/topic-name.js';
import type { TopicWatcher } from '../topic/topic-registry.js';
import type { Binding, BindingInput, BindingTarget, RouteTarget } from './binding-definition.js';
import { ExchangeCounts } from './exchange-counts.js';
import {
  DEFAULT_EXCHANGE,
  type ExchangeDefinition,
  type ExchangeInput,
} from './exchange-definition.js';
import { exchangeExists, unknownExchange } from './exchange-errors.js';
import { type ExchangePlan, ExchangeRegistry } from './exchange-registry.js';
import type { RoutedMessage } from './exchange-table.js';
import type { ExchangeTargets } from './exchange-targets.js';

const FOLDER = internalFolder('exchanges');
/** An exchange goes with all its bindings in one append, however many there are. */
const logOptions = { ...stateLogOptions, batchBytesMax: 8 * 1024 * 1024 };
/** Changes that may wait for their turn. */
const CHANGES_MAX = 10_000;

export interface ExchangesParts {
  /** For errors. */
  readonly directory: string;
  readonly states: OpenStates;
  readonly targets: ExchangeTargets;
}

export class Exchanges implements TopicWatcher {
  readonly #parts: ExchangesParts;
  readonly #changes = new Mutex(CHANGES_MAX + 1);
  readonly #counts = new Map<string, ExchangeCounts>();
  #registry: ExchangeRegistry;
  #log: StateLog | undefined;
  #changesPending = 0;
  /** Bindings to targets that are gone could not be removed yet. */
  #hasMissing = false;
  #isClosed = false;

  /**
   * `names`: what lies in the broker's folder; its queues and topics are known already. Throws
   * LOG_CORRUPT, FORMAT_UNSUPPORTED, and what opening a log throws.
   */
  static async open(parts: ExchangesParts, names: readonly string[]): Promise<Exchanges> {
    const exchanges = new Exchanges(parts);
    if (names.includes(FOLDER)) await exchanges.#load();
    return exchanges;
  }

  private constructor(parts: ExchangesParts) {
    this.#parts = parts;
    this.#registry = new ExchangeRegistry((name) => parts.targets.findQueue(name) !== undefined);
  }

  /** By name; the default exchange is not among them. */
  list(): readonly ExchangeDefinition[] {
    return this.#registry.list();
  }

  /** Throws UNKNOWN_EXCHANGE; the default exchange is a direct one. */
  get(name: string): ExchangeDefinition {
    if (name === DEFAULT_EXCHANGE) return { name, kind: 'direct', alternate: undefined };
    const found = this.#registry.find(name);
    if (found === undefined) throw unknownExchange(name);
    return found;
  }

  /** Throws UNKNOWN_EXCHANGE. */
  bindings(exchange: string): readonly Binding[] {
    this.get(exchange);
    return this.#registry.bindings({ exchange });
  }

  /** What was published through it since the broker was opened. */
  countsOf(exchange: string): ExchangeCounts {
    let counts = this.#counts.get(exchange);
    if (counts === undefined) {
      counts = new ExchangeCounts();
      this.#counts.set(exchange, counts);
    }
    return counts;
  }

  /** Throws as `ExchangeRegistry.route`. */
  route(exchange: string, message: RoutedMessage): readonly RouteTarget[] {
    return this.#registry.route(exchange, message);
  }

  /** Resolves when it is durable; rejects as `ExchangeRegistry.planDeclare`. */
  declare(given: ExchangeInput): Promise<void> {
    return this.#change(() => this.#registry.planDeclare(given));
  }

  /** Rejects with EXCHANGE_EXISTS, and as `declare`. */
  create(given: ExchangeInput): Promise<void> {
    return this.#change(() => {
      if (this.#registry.find(given.name) !== undefined) throw exchangeExists(given.name);
      return this.#registry.planDeclare(given);
    });
  }

  /** `isThere` throws when the target is gone. Rejects as `ExchangeRegistry.planBind`. */
  bind(given: BindingInput, isThere: () => void): Promise<void> {
    return this.#change(() => {
      const plan = this.#registry.planBind(given);
      isThere();
      return plan;
    });
  }

  unbind(given: BindingInput): Promise<void> {
    return this.#change(() => this.#registry.planUnbind(given));
  }

  /** Rejects with UNKNOWN_EXCHANGE. */
  async delete(name: string): Promise<void> {
    await this.#change(() => this.#registry.planDelete(name));
    this.#counts.delete(name);
  }

  /** What a crash left bound to a topic of this name would be bound to the new one. */
  async creating(): Promise<void> {
    if (!this.#hasMissing) return;
    await this.#change(() => this.#planForgetMissing());
    this.#hasMissing = false;
  }

  async deleted(name: string): Promise<void> {
    if (this.#registry.bindingCount === 0 && this.#changes.isIdle) return;
    await this.#change(() => [
      ...this.#registry.planForget({ kind: 'queue', name }),
      ...this.#registry.planForget({ kind: 'topic', name }),
    ]);
  }

  /** Changes that were asked for are carried out; later ones are refused. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#changes.run(() => undefined);
  }

  async #load(): Promise<void> {
    const { states, targets } = this.#parts;
    const entries: StateEntry[] = [];
    this.#log = await states.open(FOLDER, logOptions);
    for await (const entry of this.#log.load()) entries.push(entry);
    this.#registry = ExchangeRegistry.restore(
      entries,
      (name) => targets.findQueue(name) !== undefined,
    );
    try {
      await this.#change(() => this.#planForgetMissing());
    } catch {
      // A full disk is no reason not to open: it is done before a topic is made.
      this.#hasMissing = true;
    }
  }

  #planForgetMissing(): ExchangePlan {
    const gone = new Map<string, BindingTarget>();
    for (const { target } of this.#registry.bindings()) {
      if (!this.#isThere(target)) gone.set(`${target.kind}/${target.name}`, target);
    }
    return [...gone.values()].flatMap((target) => this.#registry.planForget(target));
  }

  #isThere({ kind, name }: BindingTarget): boolean {
    const { targets } = this.#parts;
    if (kind === 'queue') return targets.findQueue(name) !== undefined;
    return kind === 'exchange' || targets.findTopic(name) !== undefined;
  }

  async #change(planOf: () => ExchangePlan): Promise<void> {
    if (this.#isClosed) throw createError('BROKER_CLOSED', { path: this.#parts.directory });
    if (this.#changesPending === CHANGES_MAX) {
      throw createError('BUFFER_FULL', { changes: CHANGES_MAX });
    }
    this.#changesPending += 1;
    try {
      await this.#changes.run(async () => {
        const plan = planOf();
        if (plan.length === 0) return;
        this.#log ??= await this.#parts.states.open(FOLDER, logOptions);
        await this.#log.append(plan);
        this.#registry.apply(plan);
      });
    } finally {
      this.#changesPending -= 1;
    }
  }
}
