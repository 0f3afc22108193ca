/** What the judge of clients lets pass, and what it does not. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  compareTranscripts,
  coverageProblems,
  type ListedDifference,
  sectionsOf,
} from '../../interop/client-transcript.js';

const transcript = '== admin\ncreated\nlimit 1\n== times\nt+0 3\n== end\n';
const listed: ListedDifference = {
  clients: ['a'],
  section: 'admin',
  kafka: /limit 1/,
  millrace: /limit 2/,
  reason: 'on purpose',
};

function compare(client: string, kafka: string, millrace: string, differences = [listed]) {
  return compareTranscripts(client, sectionsOf(kafka), sectionsOf(millrace), differences);
}

test('transcripts: a script that was not at its end, or skipped a part, is known', () => {
  assert.deepEqual(coverageProblems(sectionsOf(transcript), ['admin', 'times']), []);
  const cut = transcript.slice(0, transcript.indexOf('== end'));
  for (const [given, sections] of [
    [cut, ['admin', 'times']],
    [transcript, ['admin']],
    [transcript, ['admin', 'group', 'times']],
    [`noise\n${transcript}`, ['admin', 'times']],
    [transcript.replace('t+0 3\n', ''), ['admin', 'times']],
    [`${transcript}more\n`, ['admin', 'times']],
    ['', ['admin', 'times']],
  ] as const) {
    assert.equal(coverageProblems(sectionsOf(given), sections).length, 1, given);
  }
});

test('transcripts: what is the same is no problem, what is listed is met', () => {
  assert.deepEqual(compare('a', transcript, transcript), { problems: [], met: new Set() });
  const other = transcript.replace('limit 1', 'limit 2');
  assert.deepEqual(compare('a', transcript, other), { problems: [], met: new Set([listed]) });
});

test('transcripts: a difference is listed for a client, a section and both whole lines', () => {
  const differs = (client: string, kafka: string, millrace: string): void => {
    assert.equal(compare(client, kafka, millrace).problems.length, 1, millrace);
  };
  differs('b', transcript, transcript.replace('limit 1', 'limit 2'));
  differs('a', transcript, transcript.replace('limit 1', 'limit 3'));
  differs('a', transcript, transcript.replace('limit 1', 'limit 22'));
  differs(
    'a',
    transcript.replace('limit 1', 'no limit 1'),
    transcript.replace('limit 1', 'limit 2'),
  );
  differs('a', '== times\nlimit 1\n', '== times\nlimit 2\n');
});

test('transcripts: a line too few or too many is a difference', () => {
  assert.equal(compare('a', transcript, transcript.replace('created\n', '')).problems.length, 2);
  const longer = transcript.replace('t+0 3\n', 't+0 3\nt+1 4\n');
  assert.equal(compare('a', transcript, longer).problems.length, 1);
});
