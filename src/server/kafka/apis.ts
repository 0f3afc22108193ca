/**
 * Every API that is spoken, by its key. What the server advertises is this table, with one
 * exception: Produce is said to begin at version 0, because librdkafka before 2.11.1 asks for that
 * version to know whether it may compress.
 */

import * as cluster from './messages/cluster.js';
import * as data from './messages/data.js';
import * as groups from './messages/groups.js';
import * as shares from './messages/shares.js';
import * as topics from './messages/topics.js';
import * as transactions from './messages/transactions.js';
import type { Api } from './wire-api.js';

export const apis: readonly Api<unknown, unknown>[] = [
  ...Object.values(cluster),
  ...Object.values(data),
  ...Object.values(groups),
  ...Object.values(shares),
  ...Object.values(topics),
  ...Object.values(transactions),
].sort((one, other) => one.key - other.key);
