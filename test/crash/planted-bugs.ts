/**
 * Bugs to plant: the proof that the explorer has teeth. Each is a mistake that a log could have;
 * `explorer-planted.ts` hunts them.
 */

import type { Plant } from '../support/planted-copy.js';

export const plantedBugs: readonly Plant[] = [
  {
    name: 'a commit answers without a sync',
    changes: [
      {
        file: 'storage/writer-core',
        find: 'try {\n            this.#fileSystem.datasync(open.descriptor);',
        replace: 'try {',
      },
    ],
  },
  {
    name: 'the watermark is written before the sync',
    changes: [
      {
        file: 'storage/writer-core',
        find: 'try {\n            this.#fileSystem.datasync(open.descriptor);',
        replace: `try {
            this.#writeAll(markOpen.descriptor, mark, 0, markCount, markPosition);
            this.#fileSystem.datasync(open.descriptor);`,
      },
    ],
  },
  {
    name: 'a roll does not sync the directory',
    changes: [
      {
        file: 'storage/segment-roll',
        find: "{ kind: 'syncDirectory', path: sealed.directory },",
        replace: '',
      },
    ],
  },
  {
    name: 'a roll does not sync the old segment',
    changes: [
      { file: 'storage/segment-roll', find: "{ kind: 'sync', file: sealedFile },", replace: '' },
    ],
  },
  {
    name: 'a recovery does not write the tail again',
    changes: [
      {
        file: 'storage/log-recovery',
        find: "steps.push({ kind: 'rewrite', file, from, to: loaded.activeBytes });",
        replace: '',
      },
    ],
  },
  {
    name: 'a torn tail is not cut',
    changes: [
      {
        file: 'storage/log-recovery',
        find: "steps.push({ kind: 'cut', file, bytes: tornTail.from });",
        replace: '',
      },
    ],
  },
  {
    name: 'a recovery does not sync the directory',
    changes: [
      {
        file: 'storage/log-recovery',
        find: "const steps = [{ kind: 'syncDirectory', path: folder.directory }];",
        replace: 'const steps = [];',
      },
    ],
  },
  {
    name: 'the clean flag is not cleared before the first write',
    changes: [
      {
        file: 'storage/log-writing',
        find: 'await this.#marks.settle(this.#appender.markContent());',
        replace: '',
      },
    ],
  },
  {
    name: 'an old seal stays when its segment grows',
    changes: [
      {
        file: 'storage/log-writing',
        find: "{ kind: 'unlink', path: segmentPath(core.directory, first.baseOffset, 'seal') },",
        replace: '',
      },
    ],
  },
  {
    name: 'the waiters of a failed group are resolved',
    changes: [
      {
        file: 'storage/appender',
        find: "this.#fail('commit',",
        replace:
          "this.#durableWaiters.resolveUpTo(commit.offset);\n            this.#fail('commit',",
      },
    ],
  },
  {
    name: 'a file whose sync failed is used on',
    changes: [
      {
        file: 'storage/append-failure',
        find: "return isConsequence(failure) ? 'await-roll' : 'poison';\n        case 'roll'",
        replace: "return isConsequence(failure) ? 'await-roll' : 'cut';\n        case 'roll'",
      },
    ],
  },
  {
    name: 'a segment whose roll failed takes records',
    changes: [
      {
        file: 'storage/writer-core',
        find: 'if (open !== undefined)\n                open.isRefused = true;',
        replace: '',
      },
    ],
  },
  {
    name: 'both watermark slots are written before a sync',
    changes: [
      {
        file: 'storage/mark-keeper',
        find: "{ kind: 'write', file, bytes, position },\n                { kind: 'sync', file },",
        replace: "{ kind: 'write', file, bytes, position },",
      },
    ],
  },
  {
    name: 'the log start moves after the files went',
    changes: [
      {
        file: 'storage/log-deletion',
        find: 'await marks.settle(writing.appender.markContent());',
        replace: '',
      },
    ],
  },
  {
    name: 'a new log does not sync the way to its folder',
    changes: [
      { file: 'storage/log-opening', find: 'await syncWayTo(writer, directory);', replace: '' },
    ],
  },
  {
    name: 'the epoch is not raised',
    changes: [
      {
        file: 'storage/log-writing',
        find: 'epochs.start(core.epochs.current + 1, core.offsets.written);',
        replace: 'if (core.epochs.current < 0) epochs.start(0, core.offsets.written);',
      },
      {
        file: 'storage/appender',
        find: `this.#buffer.epoch = core.epochs.current + 1;`,
        replace: 'this.#buffer.epoch = Math.max(0, core.epochs.current);',
      },
      {
        file: 'storage/appender',
        find: 'this.#buffer.epoch = this.#core.epochs.current + 1;',
        replace: 'this.#buffer.epoch = Math.max(0, this.#core.epochs.current);',
      },
    ],
  },
  {
    name: 'groups are cleaned newest first',
    changes: [
      {
        file: 'storage/log-compaction',
        find: 'of planGroups(sealed, mappedEnd, config.segmentBytes))',
        replace: 'of [...planGroups(sealed, mappedEnd, config.segmentBytes)].reverse())',
      },
    ],
  },
  {
    name: 'a tombstone is dropped at once',
    changes: [
      {
        file: 'storage/compaction-keep',
        find: "return horizon === 'passed' ? 'expired' : 'keep-tombstone';",
        replace: "return 'expired';",
      },
    ],
  },
  {
    name: 'a horizon counts as passed while it is ahead',
    changes: [
      {
        file: 'storage/compaction-keep',
        find: "return nowMs > horizonMs ? 'passed' : 'ahead';",
        replace: "return 'passed';",
      },
    ],
  },
  {
    name: 'the first dirty offset moves before the swaps',
    changes: [
      {
        file: 'storage/log-compaction',
        find: 'let carry = [];',
        replace: 'let carry = [];\n        await this.#note({ firstDirtyOffset: mappedEnd });',
      },
    ],
  },
  {
    name: 'a swap does not sync the directory',
    changes: [
      {
        file: 'storage/compaction-swap',
        find: 'fileSystem.syncDirectory(directory);',
        replace: '',
      },
    ],
  },
  {
    name: 'cleaned records are not synced before the swap',
    changes: [
      { file: 'storage/compaction-output', find: 'this.#fileSystem.datasync(log);', replace: '' },
    ],
  },
  {
    name: 'a record that is superseded right behind itself is kept',
    changes: [
      {
        file: 'storage/compaction-map',
        find: 'if (map.superseded >= 0)',
        replace: 'if (map.superseded >= 0 && map.superseded < offset - 1)',
      },
    ],
  },
  {
    name: 'the empty last batch of a group is dropped',
    changes: [{ file: 'storage/compaction-keep', find: 'facts.isLast', replace: 'false' }],
  },
  {
    name: 'a recovery leaves segments that a committed swap replaces',
    changes: [
      {
        file: 'storage/swap-recovery',
        find: "kind === 'segment' && isReplaced(parsed.baseOffset, ends)",
        replace: 'false',
      },
    ],
  },
  {
    name: 'an aborted record supersedes',
    changes: [
      { file: 'storage/compaction-map', find: 'this.#aborted.has(bytes, start) || ', replace: '' },
    ],
  },
  {
    name: 'the mark of a transaction goes before its records',
    changes: [
      { file: 'storage/compaction-keep', find: '!isMapped || hasData', replace: '!isMapped' },
    ],
  },
  {
    name: 'a full map claims the record that did not fit',
    changes: [
      { file: 'storage/compaction-map', find: 'mappedEnd = end;', replace: 'mappedEnd = end + 1;' },
    ],
  },
];
