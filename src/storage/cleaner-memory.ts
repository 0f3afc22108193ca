/**
 * The large buffers of cleaning, kept between tasks: one thread runs one task at a time, and most
 * of what it allocated anew for each would wait long for a garbage collection, since little else
 * is allocated there.
 *
 * A buffer belongs to whoever took it until it is given back; what is in it then means nothing.
 */

const BUFFERS_MAX = 4;
/** Of one size, whatever is asked for: any that is free will do. */
const BUFFER_BYTES = 1024 * 1024;
const BUFFER_BYTES_MAX = 4 * 1024 * 1024;

const free: Buffer[] = [];

/** A buffer of at least `bytes` bytes, with any content. */
export function takeBuffer(bytes: number): Buffer {
  const index = free.findIndex((buffer) => buffer.length >= bytes);
  const [buffer] = index < 0 ? [] : free.splice(index, 1);
  return buffer ?? Buffer.allocUnsafeSlow(Math.max(bytes, BUFFER_BYTES));
}

export function giveBuffer(buffer: Buffer): void {
  if (buffer.length === 0 || buffer.length > BUFFER_BYTES_MAX) return;
  free.push(buffer);
  if (free.length > BUFFERS_MAX) free.shift();
}
