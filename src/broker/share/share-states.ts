/**
 * The states of a message in a share group, and how it moves among them.
 *
 * What others see are Kafka's four states (KIP-932). Within them a message that was given out at
 * least once, and is not finished, is in one of six phases:
 *
 *     Available   ready       may be given out again
 *                 waiting     was released with a delay, which has not passed
 *                 exhausted   had all the deliveries or failures it may have: for the dead letters
 *     Acquired    leased      a consumer has it, until its lease ends
 *                 frozen      a transaction is to finish it; the lease does not end meanwhile
 *                 moving      a transaction takes it to the dead letters, or it is dropped
 *
 * A message that was never given out is Available, a finished one Acknowledged or Archived, and
 * neither has a phase. A row that is not in the table is a bug of the caller, but for what comes
 * with a receipt: that is looked up in the table, and told when it may not be.
 */

import { assert } from '../../base/assert.js';

export type DeliveryStateName = 'Available' | 'Acquired' | 'Acknowledged' | 'Archived';

/** Where a state may lead. */
export const stateMoves: Readonly<Record<DeliveryStateName, readonly DeliveryStateName[]>> = {
  // Archived without a delivery: purged, or lost with the start of the log.
  Available: ['Acquired', 'Archived'],
  Acquired: ['Available', 'Acknowledged', 'Archived'],
  Acknowledged: [],
  Archived: [],
};

export const phases = ['ready', 'waiting', 'exhausted', 'leased', 'frozen', 'moving'] as const;
export type Phase = (typeof phases)[number];
export type Finished = Extract<DeliveryStateName, 'Acknowledged' | 'Archived'>;

export const phaseStates: Readonly<Record<Phase, DeliveryStateName>> = {
  ready: 'Available',
  waiting: 'Available',
  exhausted: 'Available',
  leased: 'Acquired',
  frozen: 'Acquired',
  moving: 'Acquired',
};

export const phaseEvents = [
  'acquire',
  'acknowledge',
  'reject',
  'release',
  /** A release with a delay. */
  'delay',
  'extend',
  /** It was acquired and never handed out: as if it had not been. */
  'withdraw',
  /** The lease has ended by time, or with its owner. */
  'expire',
  /** The delay has passed. */
  'due',
  /** It had as many deliveries or failures as it may have. */
  'exhaust',
  /** It may have more now. */
  'revive',
  'freeze',
  'thaw',
  'move',
  /** Whoever looks after the group takes it, before its consumer has seen it. */
  'take',
  /** It is given back, and is the next one. */
  'put-back',
  /** The transaction has committed. */
  'commit-acknowledge',
  'commit-archive',
  /** It lies below a start offset that was set. */
  'drop',
] as const;
export type PhaseEvent = (typeof phaseEvents)[number];

export const phaseMoves: Readonly<
  Record<Phase, Readonly<Partial<Record<PhaseEvent, Phase | Finished>>>>
> = {
  ready: { acquire: 'leased', delay: 'waiting', exhaust: 'exhausted', drop: 'Archived' },
  waiting: { due: 'ready', drop: 'Archived' },
  exhausted: { revive: 'ready', move: 'moving', drop: 'Archived' },
  leased: {
    acknowledge: 'Acknowledged',
    reject: 'Archived',
    release: 'ready',
    delay: 'waiting',
    extend: 'leased',
    withdraw: 'ready',
    expire: 'ready',
    freeze: 'frozen',
    take: 'moving',
    drop: 'Archived',
  },
  frozen: {
    thaw: 'leased',
    'commit-acknowledge': 'Acknowledged',
    'commit-archive': 'Archived',
    drop: 'Archived',
  },
  moving: {
    thaw: 'exhausted',
    'put-back': 'ready',
    'commit-archive': 'Archived',
    drop: 'Archived',
  },
};

/** The same by numbers, for the hot path: an index into `phases`, or one of these. */
export const ACKNOWLEDGED = phases.length;
export const ARCHIVED = phases.length + 1;
const IMPOSSIBLE = 255;

export const READY = phases.indexOf('ready');
export const WAITING = phases.indexOf('waiting');
export const EXHAUSTED = phases.indexOf('exhausted');
export const LEASED = phases.indexOf('leased');
export const FROZEN = phases.indexOf('frozen');
export const MOVING = phases.indexOf('moving');

/** An event by its number. */
export const on = {
  acquire: phaseEvents.indexOf('acquire'),
  acknowledge: phaseEvents.indexOf('acknowledge'),
  reject: phaseEvents.indexOf('reject'),
  release: phaseEvents.indexOf('release'),
  delay: phaseEvents.indexOf('delay'),
  extend: phaseEvents.indexOf('extend'),
  withdraw: phaseEvents.indexOf('withdraw'),
  expire: phaseEvents.indexOf('expire'),
  due: phaseEvents.indexOf('due'),
  exhaust: phaseEvents.indexOf('exhaust'),
  revive: phaseEvents.indexOf('revive'),
  freeze: phaseEvents.indexOf('freeze'),
  thaw: phaseEvents.indexOf('thaw'),
  move: phaseEvents.indexOf('move'),
  take: phaseEvents.indexOf('take'),
  putBack: phaseEvents.indexOf('put-back'),
  commitAcknowledge: phaseEvents.indexOf('commit-acknowledge'),
  commitArchive: phaseEvents.indexOf('commit-archive'),
  drop: phaseEvents.indexOf('drop'),
} as const;
const moves = Uint8Array.from(
  phases.flatMap((phase) => phaseEvents.map((event) => numberOf(phaseMoves[phase][event]))),
);

/** Whether nobody has the message in this phase. */
export function isAvailable(phase: number): boolean {
  return phase === READY || phase === WAITING || phase === EXHAUSTED;
}

/** Whether a transaction is to finish the message. */
export function isHeldByTransaction(phase: number): boolean {
  return phase === FROZEN || phase === MOVING;
}

/** Whether the event may happen in this phase. */
export function mayMove(phase: number, event: number): boolean {
  return moves[phase * phaseEvents.length + event] !== IMPOSSIBLE;
}

/** The phase that follows, or ACKNOWLEDGED or ARCHIVED. */
export function phaseAfter(phase: number, event: number): number {
  const next = moves[phase * phaseEvents.length + event] ?? IMPOSSIBLE;
  assert(next !== IMPOSSIBLE, 'the message may move like this');
  return next;
}

function numberOf(next: Phase | Finished | undefined): number {
  if (next === undefined) return IMPOSSIBLE;
  if (next === 'Acknowledged') return ACKNOWLEDGED;
  if (next === 'Archived') return ARCHIVED;
  return phases.indexOf(next);
}
