import { embedPartitionLog } from '../../src/broker/topic/partition-log.js';
import { partitionLogContract } from '../contract/partition-log.contract.js';
import { SimLog } from '../support/log-fixture.js';
import { MemoryPartitionLog } from '../support/memory-partition-log.js';
import { SimClock } from '../support/sim-clock.js';

partitionLogContract('embedded partition log', async () => {
  const sim = new SimLog();
  const log = embedPartitionLog(await sim.open());
  return { log, advance: (ms) => sim.clock.advance(ms), nowMs: () => sim.clock.nowMs() };
});

partitionLogContract('partition log in memory', async () => {
  const clock = new SimClock();
  const nowMs = (): number => clock.nowMs();
  return { log: new MemoryPartitionLog(nowMs), advance: (ms) => clock.advance(ms), nowMs };
});
