/**
 * The clients that talk to both servers: how each is installed and started, and the sections that
 * its transcript must have, which leave out what the client cannot do.
 */

export type ClientLanguage = 'Java' | 'JavaScript' | 'Python' | 'C';

export interface ClientScript {
  readonly name: string;
  readonly language: ClientLanguage;
  /** Below `clients`, or a class of Java. */
  readonly script: string;
  /** What is installed for it, by the names of `package.json` or `requirements.txt`. */
  readonly packages: readonly string[];
  readonly sections: readonly string[];
  /** Whether it is the one of its language that short runs have. */
  readonly isQuick: boolean;
}

function codecs(...names: readonly string[]): string[] {
  return names.map((name) => `codec ${name}`);
}

const everyCodec = codecs('none', 'gzip', 'snappy', 'lz4', 'zstd');
const more = ['idempotent', 'refusals', 'times', 'group', 'transactions'];

export const clientScripts: readonly ClientScript[] = [
  {
    name: 'java',
    language: 'Java',
    script: 'CompareClient',
    packages: [],
    sections: ['admin', ...everyCodec, ...more],
    isQuick: true,
  },
  {
    name: 'kafkajs',
    language: 'JavaScript',
    script: 'kafkajs-client.mjs',
    packages: ['kafkajs', 'kafkajs-snappy'],
    sections: ['admin', ...codecs('none', 'gzip', 'snappy'), ...more],
    isQuick: true,
  },
  {
    name: 'platformatic',
    language: 'JavaScript',
    script: 'platformatic-client.mjs',
    packages: ['@platformatic/kafka'],
    sections: ['admin', ...everyCodec, ...more],
    isQuick: false,
  },
  {
    name: 'node-rdkafka',
    language: 'JavaScript',
    script: 'rdkafka-client.mjs',
    packages: ['node-rdkafka'],
    sections: ['admin', ...everyCodec, ...more],
    isQuick: false,
  },
  {
    name: 'confluent-javascript',
    language: 'JavaScript',
    script: 'rdkafka-client.mjs',
    packages: ['@confluentinc/kafka-javascript'],
    sections: ['admin', ...everyCodec, ...more],
    isQuick: false,
  },
  {
    name: 'kafka-python',
    language: 'Python',
    script: 'kafka_python_client.py',
    packages: ['kafka-python', 'lz4', 'python-snappy', 'zstandard'],
    sections: ['admin', ...everyCodec, ...more],
    isQuick: true,
  },
  {
    name: 'aiokafka',
    language: 'Python',
    script: 'aiokafka_client.py',
    packages: ['aiokafka', 'cramjam'],
    sections: ['admin', ...everyCodec, ...more],
    isQuick: false,
  },
  {
    name: 'confluent-kafka',
    language: 'Python',
    script: 'confluent_client.py',
    packages: ['confluent-kafka'],
    sections: ['admin', ...everyCodec, ...more],
    isQuick: false,
  },
  {
    name: 'kcat',
    language: 'C',
    script: 'kcat_client.sh',
    packages: ['kcat'],
    sections: ['admin', ...everyCodec, 'idempotent', 'times', 'group'],
    isQuick: false,
  },
];
