/**
 * Routes agree with a straightforward reference, over random exchanges, bindings and messages.
 *
 * `npm run model -- --routes 1000000` is a campaign of a million messages.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drawExchangeName } from '../support/exchange-draw.js';
import { noRoutes, RouteWorld, runRoutes } from '../support/exchange-world.js';
import { testRuns, withSeed } from '../support/seed.js';

test('routing: random bindings route as the reference says, also after a restart', async (t) => {
  const covered = noRoutes();
  await withSeed((prng) => {
    for (let run = testRuns(150); run > 0; run -= 1) runRoutes(prng, covered);
  });
  const { messages, routed, targets } = covered;
  t.diagnostic(`${messages} messages, ${routed} reached somebody, ${targets} targets`);
  assert(routed > messages / 4, 'most of what is drawn does not meet');
});

test('routing: once everything is deleted nothing is left of it', async () => {
  await withSeed((prng) => {
    const world = new RouteWorld(prng, noRoutes());
    for (let change = 0; change < 300; change += 1) world.change();
    for (const { name } of world.registry.list()) {
      world.registry.apply(world.registry.planDelete(name));
    }
    assert.equal(world.registry.bindingCount, 0);
    const name = drawExchangeName(prng);
    world.registry.apply(world.registry.planDeclare({ name, kind: 'fanout' }));
    assert.deepEqual(world.registry.route(name, { routingKey: '' }), []);
  });
});
