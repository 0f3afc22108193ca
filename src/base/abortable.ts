/**
 * Waiting that a signal may end. What is waited for goes on.
 */

/** Settles like `work`, or rejects with the signal's reason when it aborts before. */
export function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise<T>((resolve, reject) => {
    const leave = (): void => reject(signal.reason);
    const stay = (): void => signal.removeEventListener('abort', leave);
    signal.addEventListener('abort', leave, { once: true });
    work.then(resolve, reject).then(stay, stay);
    if (signal.aborted) leave();
  });
}
