/**
 * The public face of Millrace: re-exports only.
 */

export * from './broker/main.js';
export * from './storage/main.js';
