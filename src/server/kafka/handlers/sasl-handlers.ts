/**
 * Logging in: the two requests that may come before it is known who asks, beside ApiVersions.
 */

import type { Handlers } from '../handler-table.js';
import { saslAuthenticate, saslHandshake } from '../messages/cluster.js';

/** From here on what the mechanism says comes in requests. */
const REQUESTS_FROM = 1;

export function addSaslHandlers(handlers: Handlers): void {
  handlers.add(saslHandshake, ({ mechanism }, { sasl, version }) =>
    sasl.choose(mechanism, version < REQUESTS_FROM),
  );
  handlers.add(saslAuthenticate, ({ authBytes }, { sasl }) => sasl.authenticate(authBytes));
}
