/**
 * The certificate of a server and its key, which may be renewed while it runs: connections that
 * come later get the new one.
 */

import type { Socket } from 'node:net';
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls';
import { createError } from '../base/errors.js';

export interface TlsFiles {
  /** Texts in PEM; the certificate may have those behind it that vouch for it. */
  readonly certificate: string;
  readonly key: string;
}

export class TlsIdentity {
  #context: SecureContext;

  /** Throws OPTION_INVALID. */
  constructor(files: TlsFiles) {
    this.#context = contextOf(files);
  }

  /** Throws OPTION_INVALID, and then keeps what it had. */
  replace(files: TlsFiles): void {
    this.#context = contextOf(files);
  }

  /** The server's side; data comes once both sides have agreed on keys. */
  wrap(socket: Socket): TLSSocket {
    return new TLSSocket(socket, { isServer: true, secureContext: this.#context });
  }
}

function contextOf({ certificate, key }: TlsFiles): SecureContext {
  try {
    return createSecureContext({ cert: certificate, key, minVersion: 'TLSv1.2' });
  } catch (cause) {
    const expected = 'a certificate and the key that belongs to it, in PEM';
    throw createError('OPTION_INVALID', { option: 'tls', expected }, cause);
  }
}
