/**
 * The options of a broker, as a table.
 */

import { type GivenOptions, optionTable } from '../base/options.js';
import { groupOptionTable } from './group/group-options.js';

export const brokerOptionTable = optionTable({
  create: {
    default: true,
    doc: 'Whether an absent folder, or an empty one, becomes a new broker.',
  },
  ...groupOptionTable,
});

export type BrokerOptions = GivenOptions<typeof brokerOptionTable>;
