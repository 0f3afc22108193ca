/**
 * A command line that cannot be understood: exit code 2, with a hint at what is right.
 */

export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly code = 'USAGE';
}
