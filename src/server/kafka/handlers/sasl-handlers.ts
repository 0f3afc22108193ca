/**
 * Logging in: the two requests that may come before it is known who asks, beside ApiVersions.
 */

import type { Handlers } from '../handler-table.js';
import { saslAuthenticate, saslHandshake } from '../messages/cluster.js';

export function addSaslHandlers(handlers: Handlers): void {
  handlers.add(saslHandshake, ({ mechanism }, { sasl }) => sasl.choose(mechanism));
  handlers.add(saslAuthenticate, ({ authBytes }, { sasl }) => sasl.authenticate(authBytes));
}
