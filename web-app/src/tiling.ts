// How a picture is cut into overlapping tiles, as in driftrec.restoration.tiling.

import type { Facts } from "./facts";

export interface Span {
  start: number;
  weights: Float32Array; // one for each pixel; those of all tiles add up to 1
}

// The tiles along both sides of a picture.  Of all cuts into tiles that are small enough, it is the one with the fewest
// pixels, counting overlaps.
export function cut(
  height: number,
  width: number,
  tiling: Facts["tiling"],
  multiple: number,
): { rows: Span[]; columns: Span[] } {
  let best: [Side, Side] | null = null,
    least = Infinity;
  for (const rows of sides(height, tiling, multiple)) {
    const columns = sides(width, tiling, multiple).find(({ size }) => rows.size * size <= tiling.tile ** 2);
    if (!columns || covered(rows) * covered(columns) >= least) continue;
    [best, least] = [[rows, columns], covered(rows) * covered(columns)];
  }
  const [rows, columns] = best!; // tiles of the least side are small enough
  return { rows: spans(height, rows, tiling), columns: spans(width, columns, tiling) };
}

interface Side {
  size: number; // pixels
  starts: number[];
}

const covered = ({ size, starts }: Side) => size * starts.length;

// The ways to cut a side, from one piece to pieces of the least size, twice the overlap.
function sides(length: number, { blind, feather }: Facts["tiling"], multiple: number): Side[] {
  const up = (pixels: number) => Math.ceil(pixels / multiple) * multiple,
    shared = up(2 * blind + feather),
    found = [{ size: up(length), starts: [0] }];
  for (let count = 2, size = 0; size !== 2 * shared; count++) {
    size = Math.max(up((length + (count - 1) * shared) / count), 2 * shared);
    if (size > length) break;
    const stride = size - shared;
    found.push({ size, starts: Array.from({ length: count }, (_, i) => Math.min(i * stride, length - size)) });
  }
  return found;
}

// The outer `blind` pixels of a tile are discarded; the next `feather` pixels fade into the neighbour.
function spans(length: number, { size, starts }: Side, { blind, feather }: Facts["tiling"]): Span[] {
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
