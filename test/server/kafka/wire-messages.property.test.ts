/** Every message in every version: what is written is read back, and nonsense is refused. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../../../src/base/errors.js';
import type { Prng } from '../../../src/base/prng.js';
import { apis } from '../../../src/server/kafka/apis.js';
import {
  type Api,
  readRequest,
  readRequestStart,
  readResponse,
  writeRequest,
  writeResponse,
} from '../../../src/server/kafka/wire-api.js';
import { WireReader } from '../../../src/server/kafka/wire-reader.js';
import { drawMessage } from '../../support/kafka-messages.js';
import { testRuns, withSeed } from '../../support/seed.js';

type AnyApi = Api<unknown, unknown>;

function* versionsOf({ versionMin, versionMax, flexibleFrom }: AnyApi) {
  for (let version = versionMin; version <= versionMax; version += 1) {
    yield { version, isFlexible: version >= flexibleFrom };
  }
}

/** Without its length. */
function bodyOf(frame: readonly Uint8Array[]): Buffer {
  const bytes = Buffer.concat(frame);
  assert.equal(bytes.readInt32BE(0), bytes.length - 4, 'a frame says how long it is');
  return bytes.subarray(4);
}

function requestFrame(prng: Prng, api: AnyApi, version: number, request: unknown): Buffer {
  const clientId = prng.pick([null, '', 'a client']);
  return bodyOf(writeRequest(api, { version, correlationId: 7, clientId }, request));
}

test('messages: a request is read as it was written, in every version', async () => {
  await withSeed((prng) => {
    for (const api of apis) {
      for (const at of versionsOf(api)) {
        for (let run = 0; run < testRuns(4); run += 1) {
          const request = drawMessage(prng, api.request, at);
          const reader = new WireReader(requestFrame(prng, api, at.version, request));
          const { key, version, correlationId } = readRequestStart(reader);
          assert.deepEqual([key, version, correlationId], [api.key, at.version, 7]);
          assert.deepEqual(readRequest(api, version, reader), request, `${api.name} ${version}`);
        }
      }
    }
  });
});

test('messages: a response is read as it was written, in every version', async () => {
  await withSeed((prng) => {
    for (const api of apis) {
      for (const at of versionsOf(api)) {
        const given = drawMessage(prng, api.response, at);
        const frame = bodyOf(writeResponse(api, at.version, -9, given));
        const { correlationId, response } = readResponse(api, at.version, frame);
        assert.equal(correlationId, -9);
        assert.deepEqual(response, given, `${api.name} ${at.version}`);
      }
    }
  });
});

test('messages: a request that is cut short anywhere is FRAME_INVALID', async () => {
  await withSeed((prng) => {
    for (const api of apis) {
      const at = prng.pick([...versionsOf(api)]);
      const frame = requestFrame(prng, api, at.version, drawMessage(prng, api.request, at));
      for (let length = 0; length < frame.length; length += 1) {
        assert.throws(
          () => {
            const reader = new WireReader(Buffer.from(frame.subarray(0, length)));
            readRequestStart(reader);
            readRequest(api, at.version, reader);
          },
          (error) => hasCode(error, 'FRAME_INVALID'),
          `${api.name} ${at.version}, ${length} of ${frame.length} bytes`,
        );
      }
    }
  });
});

test('messages: bytes that were changed are read, or refused as FRAME_INVALID', async () => {
  await withSeed((prng) => {
    for (let run = 0; run < testRuns(3_000); run += 1) {
      const api = prng.pick(apis);
      const at = prng.pick([...versionsOf(api)]);
      const frame = requestFrame(prng, api, at.version, drawMessage(prng, api.request, at));
      for (let change = prng.integer(4); change >= 0; change -= 1) {
        frame[prng.integer(frame.length)] = prng.pick([0, 0x7f, 0x80, 0xff, prng.integer(256)]);
      }
      try {
        const reader = new WireReader(frame);
        readRequestStart(reader);
        readRequest(api, at.version, reader);
      } catch (error) {
        assert.ok(hasCode(error, 'FRAME_INVALID'), `${error}`);
      }
    }
  });
});
