/**
 * What the storage layer publishes: the log alone, for programs that embed it and for the layers
 * above.
 */

export { type ErrorCode, hasCode, MillraceError } from '../base/errors.js';
export { type AppendLimits, checkOne } from './append-bounds.js';
export type {
  Acks,
  AppendBatchOptions,
  AppendOptions,
  ProducerStamp,
  TransactionMarker,
} from './append-options.js';
export type { AppendResult } from './append-waiters.js';
export { Batch } from './batch.js';
export type { BatchCursor, BorrowedBytes, BorrowedRecord } from './batch-cursor.js';
export { BatchDraft } from './batch-draft.js';
export { batchOf } from './batch-of-records.js';
export type { PassReport } from './cleaning-loop.js';
export type { CodecName } from './compression.js';
export { type DumpOptions, dumpFile, dumpLog } from './dump.js';
export { type DumpLine, dumpText } from './dump-line.js';
export {
  type BrokerRequest,
  isExchangeRequest,
  isQueueRequest,
  type RequestedPlace,
  type RequestedStart,
} from './holder-broker-requests.js';
export { connectHolder, type HolderClient } from './holder-client.js';
export type { ExchangeRequest } from './holder-exchange-requests.js';
export {
  type HolderReply,
  type HolderRequest,
  type HolderValue,
  isBrokerRequest,
} from './holder-protocol.js';
export type { QueueRequest } from './holder-queue-requests.js';
export type { HolderOptions } from './holder-request-fields.js';
export type { HeldMaintenance } from './holder-service.js';
export { requestStats } from './holder-stats.js';
export { Log } from './log.js';
export { type LogOptions, rememberedOptions, resolveLogOptions } from './log-config.js';
export type { LogDamage } from './log-damage.js';
export type { LogDescription } from './log-description.js';
export { type LogEnvironment, systemEnvironment } from './log-environment.js';
export { logOptionTable } from './log-options.js';
export type { RetainedSegment, RetentionReport } from './log-retention.js';
export type { LogStats, SegmentStats } from './log-stats.js';
export { LogsFolder } from './logs-folder.js';
export type { ProducerDescription } from './producer-states.js';
export type { ReadOptions } from './read-options.js';
export type { Durability, Isolation } from './read-source.js';
export { checkFrom, type ReadFrom } from './read-start.js';
export type { RecordHeader, RecordHeaderInput, RecordInput } from './record.js';
export { decodeHeaders, LogRecord, type RecordPlace, viewOf } from './record-view.js';
export { type RepairOptions, type RepairReport, refusedRepair, repairLog } from './repair.js';
export type { RepairLoss } from './repair-plan.js';
export type { AbortedRange } from './transactions.js';
export { type VerifyOptions, verifyLog } from './verify.js';
export type { InspectionProgress } from './verify-inspection.js';
export type { VerifyProblem, VerifyReport, VerifyWarning } from './verify-report.js';
