/**
 * What share groups tell on diagnostics channels.
 */

import { DiagnosticsChannel } from '../../base/diagnostics.js';

export interface ShareUpkeepFailed {
  readonly group: string;
  readonly topic: string;
  /** It is tried again. */
  readonly cause: unknown;
}

export const shareDiagnostics = Object.freeze({
  upkeepFailed: new DiagnosticsChannel<ShareUpkeepFailed>('millrace:share:upkeep-failed'),
});
