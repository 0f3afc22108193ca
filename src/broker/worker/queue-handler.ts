/**
 * What a handler of messages gets: the message, and what there is to know of its call.
 *
 * A handler may end its message itself, at any time; else that follows from how the handler ends.
 */

export interface QueueHandlerContext {
  /** Aborts when the handler is to end: the worker stops, its time is over, the lease is lost. */
  readonly signal: AbortSignal;
  /** How often the message has failed before, and once more: 1 at first. */
  readonly attempt: number;
  /**
   * The lease ends in `leaseMs` milliseconds at the earliest. It is renewed while the handler runs
   * anyway; this is for a handler that will block the process. Rejects with RECEIPT_STALE when the
   * lease is over.
   */
  readonly extend: (leaseMs: number) => Promise<void>;
}

/**
 * The message is acknowledged when this returns, or when its promise resolves, unless the handler
 * has ended it otherwise itself.
 */
export type QueueHandler<Message> = (message: Message, context: QueueHandlerContext) => unknown;
