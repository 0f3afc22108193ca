/**
 * Bugs to plant: the proof that the model of queues has teeth. Each is a mistake that queues could
 * have; `planted-hunt.ts` hunts them with the campaign that everything else is tried with, too.
 */

import type { PlantedBug } from './planted-hunt.js';

function bug(name: string, file: string, find: string, replace: string): PlantedBug {
  return { name, area: 'queues', changes: [{ file, find, replace }] };
}

export const plantedQueueBugs: readonly PlantedBug[] = [
  bug(
    'an acknowledgement is answered before it is durable',
    'broker/share/share-journal',
    'await this.#log.append(inputs, { acks });',
    "await this.#log.append(inputs, { acks: 'written' });",
  ),
  bug(
    'a lease is not fenced',
    'broker/share/share-deliveries',
    'if (slots.deliveriesOf(slot) !== deliveryOf(receipt))\n            return NONE;',
    '',
  ),
  bug(
    'a group is unlocked early',
    'broker/share/share-delivery',
    "deliveries.delay(slot, nowMs, delayMs);\n            return 'done';",
    `this.#toCome.finish(deliveries.slots.groupOf(slot));
            deliveries.delay(slot, nowMs, delayMs);
            return 'done';`,
  ),
  bug(
    'a delay is lost at a restart',
    'broker/share/share-stored',
    'notBeforeMs === 0 ? Number.NEGATIVE_INFINITY',
    'notBeforeMs >= 0 ? Number.NEGATIVE_INFINITY',
  ),
  bug(
    'the delay of a send is lost',
    'broker/delayed/delayed-header',
    'const dueMs = value.readUIntBE(1, DUE_BYTES);',
    'const dueMs = value.readUIntBE(1, DUE_BYTES) - 2_000;',
  ),
  bug(
    'a message is archived before its dead letter is durable',
    'broker/share/dead-letter-mover',
    `const letters = archiveIn(transaction, dying);
            handed();`,
    `archiveIn(transaction, dying);
            handed();
        });
        await this.#parts.transactions.run(async (transaction) => {
            const letters = dying.flatMap(({ letter }) => letter ?? []);`,
  ),
  bug(
    'two members have messages of one key',
    'broker/share/share-intake',
    'else if (!this.#state.offerKeyed(record.offset, key))',
    'else if (!this.#state.offerKeyed(record.offset, key + record.offset))',
  ),
  bug(
    'counts are not written before messages are handed out',
    'broker/share/share-partition',
    'const stored = this.place.storeDelivered();',
    'const stored = Promise.resolve();',
  ),
  bug(
    'a frozen lease ends by time',
    'broker/share/share-delivery',
    'return this.#moveBy(offset, receipt, on.freeze, ignore);',
    'return this.#moveBy(offset, receipt, on.extend, ignore);',
  ),
  bug(
    'an expired message is given out',
    'broker/queue/queue-messages',
    'const { filter } = this.expiry;\n        const endMs',
    'const filter = undefined;\n        const endMs',
  ),
  bug(
    'a release loses its delay',
    'broker/share/share-delivery',
    'if (delayMs > 0 && !deliveries.isExhausted(slot)) {',
    'if (false) {',
  ),
  bug(
    'the least urgent come first',
    'broker/queue/priority-picker',
    'for (let level = ready.length - 1; level >= 0; level -= 1) {',
    'for (let level = 0; level < ready.length; level += 1) {',
  ),
  bug(
    'what is uncommitted is given out',
    'broker/share/share-feed',
    '            isolation,\n',
    "            isolation: 'uncommitted',\n",
  ),
  bug(
    'one delivery too many',
    'broker/share/share-deliveries',
    'this.#deliveriesMax = deliveriesMax;\n        this.#failuresMax = failuresMax;',
    'this.#deliveriesMax = deliveriesMax + 1;\n        this.#failuresMax = failuresMax;',
  ),
  bug(
    'an aborted transaction gives what it had to anybody',
    'broker/share/share-delivery',
    'if (deliveries.slots.phaseOf(slot) === states.LEASED)',
    'if (false)',
  ),
  bug(
    'what was not read yet is overtaken by lower priorities',
    'broker/share/share-hand-out',
    'if (!this.#isOwnPicker && partition.feed.isBehind) {',
    'if (false) {',
  ),
  bug(
    'who closes has had what it never got',
    'broker/share/share-hand-out',
    'if (who !== member)\n                continue;',
    'continue;',
  ),
];
