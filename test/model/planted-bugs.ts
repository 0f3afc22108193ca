/**
 * Bugs to plant: the proof that the model has teeth. Each is a mistake that streams could have;
 * `planted-hunt.ts` hunts them with the campaign that everything else is tried with, too.
 */

import type { PlantedBug } from './planted-hunt.js';

export const plantedBugs: readonly PlantedBug[] = [
  {
    name: 'a sequence is not checked',
    changes: [
      {
        file: 'storage/producer-sequence',
        find: 'if (known === undefined)\n        return NEXT;',
        replace: 'return NEXT;',
      },
    ],
  },
  {
    name: 'a batch that is sent again is stored again',
    changes: [
      {
        file: 'storage/producer-sequence',
        find: "return { kind: 'duplicate', stored };",
        replace: 'return NEXT;',
      },
    ],
  },
  {
    name: 'an old epoch is not fenced',
    changes: [
      {
        file: 'storage/producer-sequence',
        find: 'if (producerEpoch < known.producerEpoch)\n        return FENCED;',
        replace: '',
      },
    ],
  },
  {
    name: 'a commit of a stale generation is accepted',
    changes: [
      {
        file: 'broker/group/group',
        find: "throw groupError('ILLEGAL_GENERATION',",
        replace: "void groupError('ILLEGAL_GENERATION',",
      },
    ],
  },
  {
    name: 'the last stable offset is one too far',
    changes: [
      {
        file: 'storage/transactions',
        find: 'let stable = Math.min(end, this.firstOpenOffset ?? end);',
        replace: 'let stable = Math.min(end, (this.firstOpenOffset ?? end) + 1);',
      },
    ],
  },
  {
    name: 'a deletion removes the definition before the folders',
    changes: [
      {
        file: 'broker/topic/topic-registry',
        find: `await this.#folder.removeLogs(folders);
        await this.#store(name, undefined);`,
        replace:
          'await this.#store(name, undefined);\n        await this.#folder.removeLogs(folders);',
      },
    ],
  },
  {
    name: 'what is read ahead has no bound',
    changes: [
      {
        file: 'broker/consumer/consumer-ring',
        find: 'return this.#count < countMax && this.#bytes + bytes <= bytesMax;',
        replace: 'return true;',
      },
    ],
  },
  {
    name: 'a commit is past a batch that the loop is in',
    changes: [
      {
        file: 'broker/consumer/consumer',
        find: 'const batch = new ConsumerBatch(fetched, this.#home);',
        replace: `const batch = new ConsumerBatch(fetched, this.#home);
            this.#automatic?.note(fetched.lease, fetched.nextOffset);`,
      },
    ],
  },
  {
    name: 'a commit is past a record whose handler runs',
    changes: [
      {
        file: 'broker/process/process-partition',
        find: 'return this.#first?.offset ?? this.#position;',
        replace: 'return this.#position;',
      },
    ],
  },
  {
    name: 'records of one key run beside each other',
    changes: [
      {
        file: 'broker/process/process-partition',
        find: 'const ahead = lane === undefined ? undefined : this.#lanes.get(lane);',
        replace: 'const ahead = undefined;',
      },
    ],
  },
  {
    name: 'a key that fails holds back the others',
    changes: [
      {
        file: 'broker/process/process-partition',
        find: 'const ahead = lane === undefined ? undefined : this.#lanes.get(lane);',
        replace: "lane = 'one';\n        const ahead = this.#lanes.get(lane);",
      },
    ],
  },
  {
    name: 'a dead letter is sent without the commit',
    changes: [
      {
        file: 'broker/broker-workers',
        find: 'transaction.commitOffsets({ topic, partition, nextOffset, member });',
        replace: '',
      },
    ],
  },
  {
    name: 'a commit does not wait for its source',
    changes: [
      {
        file: 'broker/group/group-commits',
        find: 'if (offset > log.durableOffset)\n            await log.flush(offset - 1);',
        replace: '',
      },
      {
        file: 'broker/group/group-commits',
        find: 'assert(at.offset <= log.durableOffset,',
        replace: 'assert(true,',
      },
    ],
  },
  {
    name: 'offsets of a deleted topic stay',
    changes: [
      {
        file: 'broker/broker-groups',
        find: 'await coordinator?.forgetTopic(topic);',
        replace: '',
      },
    ],
  },
  {
    name: 'partitions go to others before they are given up',
    changes: [
      {
        file: 'broker/group/assignors',
        find: "{ protocol: 'cooperative', assign: assignCooperatively }",
        replace: "{ protocol: 'cooperative', assign: assignSticky }",
      },
    ],
  },
  {
    name: 'a transaction is decided before its records are durable',
    changes: [
      {
        file: 'broker/transaction/open-transaction',
        find: 'isAlone ? [] : participants.map((participant) => this.#flush(participant));',
        replace: '[];',
      },
    ],
  },
  {
    name: 'a decision is not written',
    changes: [
      {
        file: 'broker/transaction/transaction-log',
        find: 'await this.#state.append([decisionEntry(decision), ...more]);',
        replace: '',
      },
    ],
  },
  {
    name: 'a decision is not carried out again',
    changes: [
      {
        file: 'broker/transaction/transaction-state',
        find: 'if (!isDecided || !isSameEpoch)',
        replace: 'if (true)',
      },
    ],
  },
  {
    name: 'a decision that is carried out again sets a group back',
    changes: [
      {
        file: 'broker/group/offset-store',
        find: 'return (this.#marks.get(producerId) ?? -1) >= producerEpoch;',
        replace: 'return false;',
      },
    ],
  },
  {
    name: 'what an earlier process left open stays open',
    changes: [
      {
        file: 'broker/transaction/transaction-recovery',
        find: 'if (hosted === undefined || open.length === 0)',
        replace: 'if (true)',
      },
    ],
  },
  {
    name: 'readers see what was aborted',
    changes: [
      {
        file: 'storage/log-reader',
        find: "return this.#options.isolation === 'committed' && aborted.has(bytes, chunk.start);",
        replace: 'return false;',
      },
    ],
  },
  {
    name: 'a name begins anew after a restart',
    changes: [
      {
        file: 'broker/producer/producer-sequence',
        find: 'last?.producerEpoch === producerEpoch ? (last.lastSequence + 1) % SEQUENCES : 0',
        replace: '0',
      },
    ],
  },
  {
    name: 'a transaction commits for a member that was put out',
    changes: [
      {
        file: 'broker/consumer/consumer-member',
        find: 'if (generation < 0)\n            return undefined;',
        replace: '',
      },
    ],
  },
  {
    name: 'a late commit for a deleted topic counts for the next one of its name',
    changes: [
      {
        file: 'broker/group/group-commits',
        find: 'if (isThere && forgotten?.has(topic) !== true)',
        replace: 'if (isThere)',
      },
    ],
  },
];
