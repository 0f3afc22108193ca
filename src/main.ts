/**
 * The public face of Millrace: re-exports only.
 */

export * from './storage/main.js';
