/**
 * Where a client sees something else of Millrace than of Apache Kafka, on purpose. Any difference
 * that is not in this table fails the comparison, and so does a row that is not met any more.
 */

import type { ListedDifference } from './client-transcript.js';

export const listedDifferences: readonly ListedDifference[] = [
  {
    clients: ['kafka-python'],
    section: 'admin',
    kafka: /cleanup\.policy delete DYNAMIC_TOPIC_CONFIG LIST/,
    millrace: /cleanup\.policy delete DEFAULT_CONFIG LIST/,
    reason:
      'a topic holds the values of all its settings, so one that was given the usual value ' +
      'is shown as the default',
  },
  {
    clients: ['java', 'kafka-python', 'kafkajs', 'confluent-kafka', 'platformatic'],
    section: 'admin',
    kafka: /max\.message\.bytes .*1048588.*/,
    millrace: /max\.message\.bytes .*1052672.*/,
    reason: 'a batch is let in up to 1 MiB and 4 KiB, so that any record of 1 MiB fits',
  },
  {
    clients: ['java'],
    section: 'refusals',
    kafka: /a timestamp of tomorrow InvalidTimestampException/,
    millrace: /a timestamp of tomorrow no error/,
    reason:
      'the time of a record is what its producer says; retention by age does not trust times of ' +
      'the future',
  },
  {
    clients: ['kafkajs'],
    section: 'group',
    kafka: /reset \{"partition":0,"offset":"-2","metadata":null\}/,
    millrace: /reset \{"partition":0,"offset":"0","metadata":null\}/,
    reason:
      'a commit of -2 or -1 is the beginning or the end at that moment, which is what its ' +
      'clients mean; Kafka keeps the number',
  },
];
