/**
 * Millrace to Kafka: every message of the protocol in every version that is spoken here. Kafka's own
 * classes must use it up, write the same bytes again, and know each field by the same name.
 */

import { Prng } from '../src/base/prng.js';
import { apis } from '../src/server/kafka/apis.js';
import type { Api } from '../src/server/kafka/wire-api.js';
import type { WireVersion } from '../src/server/kafka/wire-type.js';
import { WireWriter } from '../src/server/kafka/wire-writer.js';
import { drawMessage } from '../test/support/kafka-messages.js';
import type { Checks } from './checks.js';
import type { KafkaTools, Scale } from './kafka-tools.js';

/** Messages of each kind and version. */
const drawn = { quick: 10, full: 200 } as const;
const SEED = 8;
const LENGTH_BYTES = 4;

/** In Kafka these have names that tell of the versions that have them. */
const otherNames: Readonly<Record<string, string>> = {
  v3AndBelowTransactionalId: 'transactionalId',
  v3AndBelowProducerId: 'producerId',
  v3AndBelowProducerEpoch: 'producerEpoch',
  partitionErrorCode: 'errorCode',
};

interface Sample {
  readonly what: string;
  /** As the Java program takes it, and what it shall answer with. */
  readonly line: string;
  readonly hex: string;
  readonly names: ReadonlySet<string>;
}

export async function checkKafkaParsesMessages(
  checks: Checks,
  tools: KafkaTools,
  scale: Scale,
): Promise<void> {
  const samples = drawSamples(drawn[scale]);
  await checks.check(`Kafka parses ${samples.length} messages of its protocol`, async () =>
    problemsOf(samples, await tools.parseMessages(samples.map(({ line }) => line))),
  );
  const damaged = samples.slice(0, 1).map((sample) => ({ ...sample, line: `${sample.line}00` }));
  await checks.checkComplains('canary: Kafka parses a message that is too long', async () =>
    problemsOf(damaged, await tools.parseMessages(damaged.map(({ line }) => line))),
  );
}

function drawSamples(perVersion: number): Sample[] {
  const prng = new Prng(SEED);
  const samples: Sample[] = [];
  for (const api of apis) {
    for (let version = api.versionMin; version <= api.versionMax; version += 1) {
      const at = { version, isFlexible: version >= api.flexibleFrom };
      for (let index = 0; index < perVersion; index += 1) {
        samples.push(sampleOf(prng, api, 'request', at), sampleOf(prng, api, 'response', at));
      }
    }
  }
  return samples;
}

function sampleOf(
  prng: Prng,
  api: Api<unknown, unknown>,
  side: 'request' | 'response',
  at: WireVersion,
): Sample {
  const message = drawMessage(prng, api[side], at);
  const writer = new WireWriter();
  api[side].coderAt(at).write(writer, message);
  const hex = Buffer.concat(writer.frame()).subarray(LENGTH_BYTES).toString('hex');
  return {
    what: `${api.name} ${side} ${at.version}`,
    line: `${side} ${api.key} ${at.version} ${hex}`,
    hex,
    names: namesIn(message),
  };
}

function problemsOf(samples: readonly Sample[], answers: readonly string[]): string[] {
  return samples.flatMap(({ what, hex, names }, index) => {
    const answer = answers[index] ?? 'no answer';
    if (!answer.startsWith(`${hex} `)) return [`${what}: ${hex} became ${answer.slice(0, 300)}`];
    const others = [...namesIn(JSON.parse(answer.slice(hex.length + 1)))].filter(
      (name) => !names.has(otherNames[name] ?? name),
    );
    return others.length === 0 ? [] : [`${what}: Kafka also says ${others.join(', ')}`];
  });
}

/** The names of fields that hold plain values; records are one, though they come in pieces. */
function namesIn(message: unknown, names = new Set<string>()): Set<string> {
  for (const [name, value] of Object.entries(Object(message))) {
    const isInner = typeof value === 'object' && value !== null && !isBytes(value);
    if (isInner) namesIn(value, names);
    if (!isInner && !Array.isArray(message)) names.add(name);
  }
  return names;
}

function isBytes(value: unknown): boolean {
  return Buffer.isBuffer(value) || (Array.isArray(value) && value.some(Buffer.isBuffer));
}
