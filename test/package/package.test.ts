// The package as its users get it. One file, so that it is packed and installed once.

import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { after, before, describe } from 'node:test';
import { makePackedProject, type PackedProject } from '../support/packed-project.js';
import { embedTests } from './embed-tests.js';
import { installTests } from './install-tests.js';
import { readmeTests } from './readme-tests.js';
import { tarballTests } from './tarball-tests.js';

let made: PackedProject | undefined;

before(async () => {
  made = await makePackedProject();
});

after(() => {
  if (made !== undefined) rmSync(made.folder, { recursive: true, force: true });
});

function packed(): PackedProject {
  assert.ok(made !== undefined, 'the package was packed before the tests');
  return made;
}

// Most of the time is that of child processes: two at a time keep two processors busy.
describe('package', { concurrency: 2 }, () => {
  embedTests(packed);
  readmeTests(packed);
  tarballTests(packed);
  installTests(packed);
});
