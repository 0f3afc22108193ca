/**
 * What is asked of the holder of a broker about exchanges, and how it is read from the wire.
 *
 * Headers and filter policies travel as JSON: whoever carries the request out checks them.
 */

import {
  type HolderOptions,
  readArray,
  readFlag,
  readOffset,
  readOptional,
  readOptions,
  readRecord,
  readText,
} from './holder-request-fields.js';
import type { RecordInput } from './record.js';

export type ExchangeRequest =
  /** One page: exchanges whose names come after this one. */
  | { readonly kind: 'listExchanges'; readonly after: string }
  /** One page: bindings from this number of the list on. */
  | { readonly kind: 'describeExchange'; readonly exchange: string; readonly from: number }
  | {
      readonly kind: 'createExchange';
      readonly exchange: string;
      readonly exchangeKind: string;
      readonly alternate: string | null;
    }
  | { readonly kind: 'deleteExchange'; readonly exchange: string }
  | {
      readonly kind: 'bindExchange';
      readonly exchange: string;
      /** The binding goes, instead of coming. */
      readonly isUndone: boolean;
      readonly targetKind: string;
      readonly target: string;
      readonly key: string;
      readonly match: string | null;
      readonly headers: string | null;
      readonly filter: string | null;
    }
  | {
      readonly kind: 'publish';
      readonly exchange: string;
      readonly key: string;
      readonly headers: string | null;
      /** Values, and the keys of the records. */
      readonly records: readonly RecordInput[];
      /** Those of a message, for all of them. */
      readonly options: HolderOptions;
      readonly onUnroutable: string;
    };

/** One reader per kind of request. */
export const exchangeReaders: {
  readonly [K in ExchangeRequest['kind']]: (map: object) => ExchangeRequest;
} = {
  listExchanges: (map) => ({ kind: 'listExchanges', after: readText(map, 'after') }),
  describeExchange: (map) => ({
    kind: 'describeExchange',
    exchange: readText(map, 'exchange'),
    from: readOffset(map, 'from'),
  }),
  createExchange: (map) => ({
    kind: 'createExchange',
    exchange: readText(map, 'exchange'),
    exchangeKind: readText(map, 'exchangeKind'),
    alternate: readOptional(map, 'alternate', readText),
  }),
  deleteExchange: (map) => ({ kind: 'deleteExchange', exchange: readText(map, 'exchange') }),
  bindExchange: (map) => ({
    kind: 'bindExchange',
    exchange: readText(map, 'exchange'),
    isUndone: readFlag(map, 'isUndone'),
    targetKind: readText(map, 'targetKind'),
    target: readText(map, 'target'),
    key: readText(map, 'key'),
    match: readOptional(map, 'match', readText),
    headers: readOptional(map, 'headers', readText),
    filter: readOptional(map, 'filter', readText),
  }),
  publish: (map) => ({
    kind: 'publish',
    exchange: readText(map, 'exchange'),
    key: readText(map, 'key'),
    headers: readOptional(map, 'headers', readText),
    records: readArray(map, 'records').map(readRecord),
    options: readOptions(map),
    onUnroutable: readText(map, 'onUnroutable'),
  }),
};
