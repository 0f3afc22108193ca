/**
 * Sessions that outlive connections and crashes. Each has a queue, which is a log of its own, and a
 * state: which destinations feed the queue, and how far its messages are acknowledged.
 *
 * The states are records of one more log: the whole state of a session at each change, with its
 * name as the key. `open` reads that log and keeps the last of each; now and then a snapshot of all
 * lets its beginning go. Memory may be ahead of the disk: nobody was told of such a change yet.
 */

import { join } from 'node:path';
import { Log } from 'millrace/storage';
import { checkName, ProtocolError } from './frames.mjs';

export const sessionLimits = Object.freeze({
  sessions: 256,
  destinations: 16,
  /** Messages that one queue holds; a SEND beyond is refused. */
  backlog: 100_000,
  /** Acknowledged messages, after which disk is given back. */
  acknowledgedKept: 500,
  /** Changes of state, after which a snapshot is taken: one batch, with room for all sessions. */
  changesKept: 1000,
});

const logOptions = { segmentBytes: 1024 * 1024, bufferBytes: 1024 * 1024 };

export class Sessions {
  #folder;
  #states;
  #sessions = new Map();
  #opening = new Map();
  #snapshot;
  #snapshotOffset;

  constructor(folder, states) {
    this.#folder = folder;
    this.#states = states;
    this.#snapshotOffset = states.startOffset;
  }

  /** Opens what is in `folder`, or makes it. */
  static async open(folder) {
    const sessions = new Sessions(folder, await Log.open(join(folder, 'states'), logOptions));
    try {
      const states = new Map();
      for await (const batch of sessions.#states.read()) {
        for (const { key, value } of batch) states.set(String(key), JSON.parse(String(value)));
      }
      await Promise.all([...states].map(([name, state]) => sessions.#open(name, state)));
      return sessions;
    } catch (error) {
      await sessions.close();
      throw error;
    }
  }

  /** The session of that name, made when there is none. Its first subscription makes it durable. */
  async session(name) {
    checkName('client-id', name, /^[a-z0-9-]{1,32}$/);
    const found = this.#sessions.get(name) ?? this.#opening.get(name);
    if (found !== undefined) return found;
    if (this.#sessions.size + this.#opening.size >= sessionLimits.sessions) {
      throw new ProtocolError('TOO_MANY_SESSIONS', `${sessionLimits.sessions} at most`);
    }
    return this.#open(name, { destinations: [], acknowledged: 0 });
  }

  #open(name, { destinations, acknowledged }) {
    const opening = Log.open(join(this.#folder, 'queues', name), logOptions)
      .then((queue) => {
        const session = { name, queue, destinations: new Set(destinations), acknowledged };
        this.#sessions.set(name, session);
        return session;
      })
      .finally(() => this.#opening.delete(name));
    this.#opening.set(name, opening);
    return opening;
  }

  /** From now on messages for the destination enter the queue; durable when it resolves. */
  async subscribe(session, destination) {
    checkName('destination', destination, /^[\w./-]{1,64}$/);
    const { destinations } = session;
    if (destinations.size >= sessionLimits.destinations && !destinations.has(destination)) {
      throw new ProtocolError('TOO_MANY_DESTINATIONS', `${sessionLimits.destinations} at most`);
    }
    destinations.add(destination);
    await this.#save(session);
  }

  /** Durable in every queue that is subscribed when it resolves; order is that of the calls. */
  async publish(destination, body) {
    checkName('destination', destination, /^[\w./-]{1,64}$/);
    const all = [...this.#sessions.values()];
    const receivers = all.filter(({ destinations }) => destinations.has(destination));
    if (receivers.some(isFull)) throw new ProtocolError('BACKLOG_FULL', 'a queue is full');
    const record = { key: destination, value: body };
    await Promise.all(receivers.map(({ queue }) => queue.append([record])));
  }

  /** Every message up to this one is done with, durably when it resolves. */
  async acknowledge(session, offset) {
    const next = Math.max(offset + 1, session.acknowledged);
    session.acknowledged = next;
    await this.#save(session);
    // Disk goes behind what is acknowledged durably; memory may be ahead of `next` by now.
    if (next - session.queue.startOffset < sessionLimits.acknowledgedKept) return;
    session.trimming ??= session.queue.deleteRecordsBefore(next).finally(() => {
      session.trimming = undefined;
    });
    await session.trimming;
  }

  /** Batches of what is not acknowledged, and then of what comes, until the signal. */
  read({ queue, acknowledged }, signal) {
    return queue.read({ from: Math.max(acknowledged, queue.startOffset), follow: true, signal });
  }

  async #save(session) {
    await this.#states.append([recordOf(session)]);
    if (this.#states.endOffset - this.#snapshotOffset < sessionLimits.changesKept) return;
    this.#snapshot ??= this.#takeSnapshot().finally(() => {
      this.#snapshot = undefined;
    });
    await this.#snapshot;
  }

  /** One batch, so a crash leaves all of it or nothing; only then does what it replaces go. */
  async #takeSnapshot() {
    const known = [...this.#sessions.values()].filter(({ destinations }) => destinations.size > 0);
    const { baseOffset } = await this.#states.append(known.map(recordOf));
    await this.#states.deleteRecordsBefore(baseOffset);
    this.#snapshotOffset = baseOffset;
  }

  async close() {
    await Promise.allSettled(this.#opening.values());
    const queues = [...this.#sessions.values()].map(({ queue }) => queue);
    await Promise.all([...queues, this.#states].map((log) => log.close()));
  }
}

function recordOf({ name, destinations, acknowledged }) {
  return { key: name, value: JSON.stringify({ destinations: [...destinations], acknowledged }) };
}

function isFull({ queue, acknowledged }) {
  return queue.endOffset - acknowledged >= sessionLimits.backlog;
}
