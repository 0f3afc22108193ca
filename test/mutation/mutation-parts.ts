/**
 * The pure files that are mutated, part by part, and the tests that have to notice.
 *
 * A part is a run of its own. Its tests are those that say what the files do, and are fast: they
 * run once for each mutant that they reach, as they are in `npm test`, with one fixed seed.
 */

export interface MutationPart {
  readonly name: string;
  /** Below `src/`, without the suffix. */
  readonly files: readonly string[];
  /** Below `test/`, without the suffix. */
  readonly tests: readonly string[];
}

export const mutationParts: readonly MutationPart[] = [
  {
    name: 'codec',
    files: [
      'storage/batch-body',
      'storage/batch-control',
      'storage/batch-cursor',
      'storage/batch-decoder',
      'storage/batch-draft',
      'storage/batch-encoder',
      'storage/batch-header',
      'storage/batch-record-check',
      'storage/batch-record-size',
      'storage/varint',
    ],
    tests: [
      'storage/batch-varint',
      'storage/batch-decoder',
      'storage/batch-draft',
      'storage/batch-encoder',
      'storage/batch-golden',
      'storage/batch-record-check',
      'storage/batch',
      'storage/batch.property',
    ],
  },
  {
    name: 'search',
    files: ['index/offset-index', 'index/time-index', 'index/segment-indexer'],
    tests: ['index/offset-index', 'index/time-index', 'index/segment-indexer'],
  },
  {
    name: 'recovery',
    files: ['storage/recovery-verdict'],
    tests: ['storage/recovery-verdict'],
  },
  {
    name: 'retention',
    files: ['storage/retention-decision'],
    tests: ['storage/retention-decision'],
  },
  {
    name: 'compaction',
    files: [
      'storage/compaction-plan',
      'storage/compaction-decision',
      'storage/compaction-keep',
      'index/offset-set',
    ],
    tests: [
      'storage/compaction-plan',
      'storage/compaction-decision',
      'storage/compaction-keep',
      'index/offset-set',
    ],
  },
  {
    name: 'delivery',
    files: [
      'broker/share/share-states',
      'broker/share/share-ledger',
      'broker/share/share-deliveries',
      'broker/share/share-delivery',
    ],
    tests: ['broker/share-states', 'broker/share-delivery', 'broker/share-delivery.property'],
  },
];
