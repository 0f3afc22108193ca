/**
 * The assignors, by the names that Kafka's clients know them by.
 */

import type { Assignor } from './assignor.js';
import { assignRange } from './assignor-range.js';
import { assignRoundRobin } from './assignor-round-robin.js';
import { assignCooperatively, assignSticky } from './assignor-sticky.js';

export type AssignorName = keyof typeof assignors;

export const assignors = Object.freeze({
  range: { protocol: 'eager', assign: assignRange },
  roundrobin: { protocol: 'eager', assign: assignRoundRobin },
  sticky: { protocol: 'eager', assign: assignSticky },
  'cooperative-sticky': { protocol: 'cooperative', assign: assignCooperatively },
}) satisfies Readonly<Record<string, Assignor>>;
