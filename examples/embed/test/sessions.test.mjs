import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Log } from 'millrace/storage';
import { Sessions, sessionLimits } from '../sessions.mjs';
import { tempFolder } from './client.mjs';

/** The messages that a session has not acknowledged. */
async function waiting(sessions, session, count) {
  const bodies = [];
  const stop = new AbortController();
  for await (const batch of sessions.read(session, stop.signal)) {
    for (const { value } of batch) bodies.push(String(value));
    if (bodies.length >= count) break;
  }
  return bodies;
}

test('subscriptions, messages and acknowledgements survive a restart', async (t) => {
  const folder = tempFolder(t);
  const before = await Sessions.open(folder);
  const anna = await before.session('anna');
  const ben = await before.session('ben');
  await before.subscribe(anna, 'news');
  await before.subscribe(ben, 'news');
  for (const body of ['one', 'two', 'three']) await before.publish('news', body);
  await before.publish('elsewhere', 'nobody hears this');
  await before.acknowledge(anna, 1);
  await before.close();

  const after = await Sessions.open(folder);
  await after.publish('news', 'four');
  assert.deepEqual(await waiting(after, await after.session('anna'), 2), ['three', 'four']);
  assert.equal((await waiting(after, await after.session('ben'), 4)).length, 4);
  await after.close();
});

test('what is acknowledged gives its disk back, in queues and among the states', async (t) => {
  const folder = tempFolder(t);
  const sessions = await Sessions.open(folder);
  const anna = await sessions.session('anna');
  await sessions.subscribe(anna, 'news');
  // Three segments of the queue, and three times as many changes as there is room for.
  const body = Buffer.alloc(64 * 1024, 'x');
  await Promise.all(Array.from({ length: 48 }, () => sessions.publish('news', body)));
  await Promise.all(Array.from({ length: 600 }, () => sessions.publish('news', 'small')));
  const segments = () =>
    readdirSync(join(folder, 'queues', 'anna')).filter((name) => name.endsWith('.log')).length;
  const segmentsBefore = segments();
  const acknowledgements = Array.from({ length: 3 * sessionLimits.changesKept }, (_, index) =>
    sessions.acknowledge(anna, Math.min(index, 640)),
  );
  await Promise.all(acknowledgements);
  await sessions.close();

  assert.ok(segments() < segmentsBefore, `${segments()} segments of ${segmentsBefore} are left`);
  const again = await Sessions.open(folder);
  assert.equal((await again.session('anna')).acknowledged, 641);
  assert.deepEqual(await waiting(again, await again.session('anna'), 7), Array(7).fill('small'));
  await again.close();
  const states = await Log.open(join(folder, 'states'), { readOnly: true });
  const kept = states.durableOffset - states.startOffset;
  assert.ok(kept <= sessionLimits.changesKept + 1, `${kept} states are left`);
  await states.close();
});

test('names and counts are bounded', async (t) => {
  const sessions = await Sessions.open(tempFolder(t));
  for (const name of [undefined, '', '../up', 'x'.repeat(33)]) {
    await assert.rejects(sessions.session(name), { code: 'NAME_INVALID' });
  }
  const anna = await sessions.session('anna');
  assert.equal(await sessions.session('anna'), anna);
  const names = Array.from({ length: sessionLimits.destinations }, (_, index) => `d${index}`);
  await Promise.all(names.map((name) => sessions.subscribe(anna, name)));
  await assert.rejects(sessions.subscribe(anna, 'more'), { code: 'TOO_MANY_DESTINATIONS' });
  await assert.rejects(sessions.publish('a b', ''), { code: 'NAME_INVALID' });
  await sessions.close();
});
