/**
 * What a peer must be able to do to be compared: the one interface of all adapters.
 *
 * Each adapter says, for each kind of append, what its promise means on the disk. A peer is
 * compared only with what promises the same: `exact` is what ours promises, `weaker` and
 * `stronger` are marked in the tables, and what is undefined is not measured.
 */

export type PeerAcks = 'written' | 'durable';

export interface KeptPromise {
  readonly strength: 'exact' | 'weaker' | 'stronger';
  /** What has happened when the promise resolves. */
  readonly means: string;
}

/** Records as they are read: a range of bytes each, valid during the call. */
export type TakeRecord = (bytes: Uint8Array, start: number, end: number) => void;

/** One folder of a peer, open for appends and reads. */
export interface OpenPeer {
  /** Stores the values together, in this order; resolves when the promise of `acks` is kept. */
  append(values: readonly Uint8Array[]): Promise<unknown>;
  /** Hands out every record from the first on. */
  readAll(take: TakeRecord): Promise<void>;
  /** The record of that number, from 0 on; undefined where there is no such way to read. */
  readonly readOne?: (index: number) => Promise<Uint8Array>;
  close(): Promise<void>;
}

export interface LogPeer {
  /** As it stands in the tables. */
  readonly name: string;
  /** Packages that have to be installed; the first one names the version. */
  readonly packages: readonly string[];
  /** A program on the path that has to be there: then it is a server on loopback. */
  readonly program?: string;
  readonly promises: Readonly<Partial<Record<PeerAcks, KeptPromise>>>;
  /**
   * How many records a round has at most, when more would take too long: it is a rate all the
   * same.
   */
  readonly recordsMax?: number;
  /** Batches that are on their way at once, at most; without it as many as ours has. */
  readonly batchesAtOnceMax?: number;
  /** `folder` is empty, or what an earlier open left. */
  open(folder: string, acks: PeerAcks): Promise<OpenPeer>;
}

/** A queue of a peer: values are sent, received once each, and acknowledged. */
export interface OpenQueuePeer {
  /** So many callers send one value each and await it; resolves when all are acknowledged. */
  cycle(values: readonly Uint8Array[], callers: number, take: TakeRecord): Promise<void>;
  close(): Promise<void>;
}

export interface QueuePeer {
  readonly name: string;
  readonly packages: readonly string[];
  readonly program?: string;
  readonly promise: KeptPromise;
  /** How many messages a round has, when fewer than ours: it would take too long. */
  readonly messagesMax?: number;
  open(folder: string): Promise<OpenQueuePeer>;
}
