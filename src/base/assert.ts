/**
 * Assertions that stay on in production.
 *
 * A failed assertion is a programmer error: the state is not what the code proved it to be, so it
 * is neither caught nor retried. What the outside world can get wrong (a file, an option, a full
 * disk) is an entry of the error table in `errors.ts` instead.
 */

export class InvariantViolation extends Error {
  override readonly name = 'InvariantViolation';
}

/** Throws {@link InvariantViolation} with a constant message when `condition` is false. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantViolation(message);
}

/** Ends an exhaustive switch: the type system proves that no value gets here. */
export function unreachable(value: never): never {
  throw new InvariantViolation(`unreachable: ${String(value)}`);
}
