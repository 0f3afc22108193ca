/**
 * `npm run interop [-- --quick] [-- --keep]`: Millrace and a real Apache Kafka read each other's
 * files, and clients of both see the same. `--clients` compares what clients see, and nothing else;
 * `--kills 100` kills a server so often under clients, and does nothing else. Ends with exit code 1 if anything differs, and with 0 after a line that says why it was
 * skipped if the machine has no Java or no Maven.
 *
 * Kafka comes through Maven; its broker listens on loopback alone; everything is written into one
 * temporary folder, which --keep leaves behind. No program that was started outlives the run.
 */

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Checks } from './checks.js';
import { ChildProcesses } from './child-processes.js';
import { ClientInstaller } from './client-install.js';
import { checkClientsCompareServers } from './clients-compare-servers.js';
import { prepareToolchain, type Toolchain } from './java-toolchain.js';
import { checkKafkaCopiesTransactionally } from './kafka-copies-transactionally.js';
import { checkCorpus, writeCorpus } from './kafka-corpus.js';
import { checkKafkaJoinsEpochGroups } from './kafka-joins-epoch-groups.js';
import { checkKafkaLogsIn } from './kafka-logs-in.js';
import { checkKafkaParsesMessages } from './kafka-parses-messages.js';
import { checkKafkaReadsCompacted } from './kafka-reads-compacted.js';
import { checkKafkaReadsMillrace } from './kafka-reads-millrace.js';
import { checkKafkaReadsProducers } from './kafka-reads-producers.js';
import { checkKafkaServesMillrace } from './kafka-serves-millrace.js';
import { checkKafkaTakesShares } from './kafka-takes-shares.js';
import { checkKafkaTalksToMillrace } from './kafka-talks-to-millrace.js';
import { KafkaTools, type Scale } from './kafka-tools.js';
import { checkMillraceReadsKafka } from './millrace-reads-kafka.js';
import { checkSamples } from './samples-work.js';
import { checkCanaries } from './tool-canaries.js';

/** Over this long the run fails, whatever it waits for. */
const runMsMax = { quick: 10 * 60_000, full: 90 * 60_000 } as const;

/** How often a full run kills a server under clients. */
const KILLS = 10;

/** The compiled file lies two folders below the package. */
const packageFolder = fileURLToPath(new URL('../../', import.meta.url));
const sourceFolder = join(packageFolder, 'interop');
const cacheFolder = join(packageFolder, 'node_modules', '.cache', 'millrace-interop');

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    clients: { type: 'boolean', default: false },
    kills: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
});
const scale: Scale = options.quick ? 'quick' : 'full';
const folder = mkdtempSync(join(tmpdir(), 'millrace-interop-'));
const outputFolder = join(folder, 'output');
mkdirSync(outputFolder);
const children = new ChildProcesses(outputFolder);

function cleanUp(): void {
  children.killAll();
  if (options.keep) console.log(`kept: ${folder}`);
  else rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}

process.once('exit', cleanUp);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    console.log(`stopped by ${signal}`);
    process.exit(1);
  });
}
const watchdog = setTimeout(() => {
  console.log(`FAIL  the run took longer than ${runMsMax[scale]} ms`);
  process.exit(1);
}, runMsMax[scale]);

try {
  process.exitCode = await run();
} catch (error) {
  console.log(`FAIL  ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
} finally {
  clearTimeout(watchdog);
  children.killAll();
}

async function run(): Promise<number> {
  const startMs = Date.now();
  const prepared = await prepareToolchain(children, sourceFolder, cacheFolder);
  if (prepared.outcome === 'missing') {
    console.log(`skipped: ${prepared.reason}`);
    return 0;
  }
  const { toolchain } = prepared;
  console.log(`Kafka ${toolchain.kafkaVersion}, Node ${process.version}, ${scale}`);
  const checks = new Checks();
  const tools = new KafkaTools(children, toolchain, subfolder('tools'));
  const tryClients = async () => {
    const folders = { source: join(sourceFolder, 'clients'), cache: cacheFolder };
    const installer = new ClientInstaller(children, toolchain, folders);
    const compared = { installer, data: join(folder, 'compared') };
    await checkClientsCompareServers(checks, children, toolchain, compared, scale);
    const samples = { source: join(sourceFolder, 'samples'), data: join(folder, 'samples') };
    await checkSamples(checks, children, toolchain, installer, samples);
  };
  const kill = (kills: number) => {
    const data = join(folder, 'copied');
    return checkKafkaCopiesTransactionally(checks, children, toolchain, data, kills);
  };
  if (options.clients) await tryClients();
  else if (options.kills !== undefined) await kill(countOf(options.kills));
  else {
    await compareFiles(checks, toolchain, tools, startMs);
    await checkKafkaParsesMessages(checks, tools, scale);
    await checkKafkaTalksToMillrace(checks, children, toolchain, join(folder, 'clients'));
    await checkKafkaLogsIn(checks, children, toolchain, join(folder, 'users'));
    await checkKafkaTakesShares(checks, children, toolchain, join(folder, 'shares'));
    await checkKafkaJoinsEpochGroups(checks, children, toolchain, join(folder, 'epochs'));
    await tryClients();
    if (scale === 'full') await kill(KILLS);
  }
  const totalSeconds = ((Date.now() - startMs) / 1000).toFixed(0);
  console.log(`${checks.count} checks, ${checks.failedCount} failed, ${totalSeconds} s`);
  return checks.failedCount === 0 ? 0 : 1;
}

/** What Kafka has written and we read, and the other way round. */
async function compareFiles(
  checks: Checks,
  toolchain: Toolchain,
  tools: KafkaTools,
  startMs: number,
): Promise<void> {
  const topics = await writeCorpus(children, toolchain, tools, join(folder, 'broker'), scale);
  const seconds = ((Date.now() - startMs) / 1000).toFixed(0);
  console.log(`Kafka wrote and consumed ${topics.length} topics and stopped, ${seconds} s`);
  await checkCorpus(checks, tools, topics);
  const indexed = topics.find(({ topic }) => topic === 'segments');
  if (indexed === undefined) throw new Error('the topic for the canaries was not written');
  await checkCanaries(checks, tools, indexed, subfolder('canaries'));
  await checkMillraceReadsKafka(checks, tools, topics, subfolder('copies'));
  await checkKafkaReadsMillrace(checks, tools, subfolder('millrace'), scale);
  const compacted = await checkKafkaReadsCompacted(
    checks,
    tools,
    topics,
    subfolder('compacted'),
    scale,
  );
  const served = join(folder, 'served');
  await checkKafkaServesMillrace(checks, children, toolchain, tools, compacted, served);
  await checkKafkaReadsProducers(checks, tools, subfolder('producers'));
}

function countOf(text: string): number {
  const count = Number(text);
  if (Number.isSafeInteger(count) && count > 0) return count;
  throw new Error(`--kills takes a whole number from 1 on, not ${JSON.stringify(text)}`);
}

function subfolder(name: string): string {
  const path = join(folder, name);
  mkdirSync(path);
  return path;
}
