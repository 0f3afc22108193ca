/**
 * What a frame on the holder's socket may look like before it is decoded: the bounds of its shape.
 */

import { type Shape, shapeOf as shapeWithin } from '../base/msgpack-shape.js';

/** Values in one frame, map keys included: about 64 bytes each once decoded. */
export const FRAME_VALUES_MAX = 262_144;
export const FRAME_DEPTH_MAX = 8;

const bounds = { valuesMax: FRAME_VALUES_MAX, depthMax: FRAME_DEPTH_MAX, takesTimes: false };

export function shapeOf(frame: Uint8Array): Shape {
  return shapeWithin(frame, bounds);
}
