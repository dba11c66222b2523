// How a picture is cut into overlapping tiles, as in driftrec.restoration.tiling.

import type { Facts } from "./facts";

export interface Span {
  start: number;
  weights: Float32Array; // one for each pixel; those of all tiles add up to 1
}

// The tiles along a side of `length` pixels.
export function spans(length: number, { tile, blind, feather }: Facts["tiling"], multiple: number): Span[] {
  const size = Math.min(tile, length),
    stride = tile - 2 * blind - feather,
    starts = [];
  for (let start = 0; start < length - size; start += stride - (stride % multiple)) starts.push(start);
  starts.push(length - size);
  const total = new Float32Array(length);
  const found = starts.map(start => {
    const weights = new Float32Array(size);
    for (let i = 0; i < size; i++) {
      const left = start > 0 ? (i + 0.5 - blind) / feather : 1;
      const right = start + size < length ? (size - blind - i - 0.5) / feather : 1;
      weights[i] = Math.min(Math.max(Math.min(left, right), 0), 1);
      total[start + i] += weights[i];
    }
    return { start, weights };
  });
  for (const { start, weights } of found)
    weights.forEach((weight, i) => {
      weights[i] = weight / total[start + i];
    });
  return found;
}
