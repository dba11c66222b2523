// Solid colours of drawings and text, as in driftrec.restoration.solid: an estimate is drawn to the colours that its flat
// areas share, (E29).

import { PARTS, type Estimate } from "./estimate";
import type { Facts } from "./facts";

type Settings = Facts["solid"];

interface Solid {
  colour: number[]; // levels
  sure: number; // probability that it is solid
}

// The part of an estimate that belongs to the picture; what follows in its lines only fills them.
export interface Size {
  width: number;
  height: number;
}

// The colours that flat squares share, the commonest first.  `table`: the steps of luma.
export function solidColours(estimate: Estimate, size: Size, table: number[], settings: Settings): Solid[] {
  const { means, flat, rows, columns } = squares(estimate, size, settings),
    end = Math.min(settings.end, table[0] / 16 + settings.rounded),
    solids: Solid[] = [];
  let left: number[] = [];
  for (let i = 0; i < flat.length; i++) if (flat[i]) left.push(i);
  const stride = Math.ceil(left.length / settings.looked_at) || 1,
    least = Math.max(settings.least_share * flat.length, settings.least) / stride;
  left = left.filter((_, i) => i % stride === 0);
  const away = (i: number, colour: number[]) =>
    Math.max(...colour.map((level, channel) => Math.abs(means[3 * i + channel] - level)));
  while (left.length >= least && solids.length < settings.most) {
    const commonest = mean(alike(left, means), means),
      same = left.filter(i => away(i, commonest) <= settings.same);
    if (same.length < least) break;
    const colour = [0, 1, 2].map(channel => median(same.map(i => means[3 * i + channel])));
    solids.push({
      sure: certainty((stride * same.length) / flat.length, measured(colour, means, rows, columns, settings), table, settings),
      colour: colour.map(level => (level <= end ? 0 : level >= 255 - end ? 255 : level)),
    });
    left = left.filter(i => away(i, colour) > settings.different);
  }
  return solids.filter(({ sure }) => sure > settings.least_certain);
}

// The means of squares, three numbers each, and which of them are flat.
function squares({ data, stride, size }: Estimate, { width, height }: Size, { tile, flat: most }: Settings) {
  const rows = Math.floor(height / tile),
    columns = Math.floor(width / tile),
    means = new Float32Array(3 * rows * columns),
    flat = new Uint8Array(rows * columns).fill(1);
  for (let row = 0, i = 0; row < rows; row++)
    for (let column = 0; column < columns; column++, i++)
      for (let channel = 0; channel < 3; channel++) {
        let sum = 0,
          low = Infinity,
          high = -Infinity;
        for (let v = 0; v < tile; v++) {
          const at = channel * size + (row * tile + v) * stride + column * tile;
          for (let h = at; h < at + tile; h++) {
            sum += data[h];
            low = Math.min(low, data[h]);
            high = Math.max(high, data[h]);
          }
        }
        means[3 * i + channel] = sum / tile ** 2 / PARTS;
        if (high - low > most * PARTS) flat[i] = 0;
      }
  return { means, flat, rows, columns };
}

// The squares of the commonest colour in whole levels.
function alike(left: number[], means: Float32Array): number[] {
  const groups = new Map<number, number[]>();
  for (const i of left) {
    const [r, g, b] = [0, 1, 2].map(channel => Math.round(means[3 * i + channel])),
      group = groups.get((r << 16) | (g << 8) | b);
    if (group) group.push(i);
    else groups.set((r << 16) | (g << 8) | b, [i]);
  }
  return [...groups].reduce((best, next) =>
    next[1].length > best[1].length || (next[1].length === best[1].length && next[0] < best[0]) ? next : best,
  )[1];
}

const mean = (those: number[], means: Float32Array) =>
  [0, 1, 2].map(channel => those.reduce((sum, i) => sum + means[3 * i + channel], 0) / those.length);

function median(values: number[]): number {
  const sorted = Float64Array.from(values).sort(),
    half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

// What is seen of a colour in the whole picture.
function measured(colour: number[], means: Float32Array, rows: number, columns: number, settings: Settings) {
  const distance = Float32Array.from({ length: rows * columns }, (_, i) =>
    Math.max(...colour.map((level, channel) => Math.abs(means[3 * i + channel] - level))),
  );
  let same = 0,
    around = 0,
    total = 0,
    count = 0;
  for (let i = 0; i < distance.length; i++) {
    if (distance[i] <= settings.same) same++;
    if (distance[i] <= settings.around) around++;
    if (distance[i] > settings.steady) continue;
    for (const [other, there] of [
      [i + 2 * columns, i + 2 * columns < distance.length],
      [i + 2, (i % columns) + 2 < columns],
    ] as [number, boolean][]) {
      if (!there || distance[other] > settings.steady) continue;
      total += Math.max(...[0, 1, 2].map(channel => Math.abs(means[3 * i + channel] - means[3 * other + channel])));
      count++;
    }
  }
  return { peak: same / around, drift: count ? total / count : 0 };
}

const logistic = (odds: number) => 1 / (1 + Math.exp(-Math.min(Math.max(odds, -50), 50)));

const fileStep = (table: number[]) => [1, 8, 9, 2, 16].reduce((sum, k) => sum + table[k], 0) / 5;

// The probability that a colour is solid, from its share of the squares and what is seen of it.
function certainty(share: number, seen: { peak: number; drift: number }, table: number[], settings: Settings): number {
  const inputs = [seen.peak, 1.02 - seen.peak, share, seen.drift + 0.05, fileStep(table), Math.E].map(Math.log);
  return logistic(settings.sharp * inputs.reduce((sum, input, i) => sum + input * settings.colour_weights[i], 0));
}

const CLOSE = 32, // beside the number of a pixel's nearest colour
  NEAR = 16;

// Draws an estimate to its solid colours; `table` as above.
export function draw(estimate: Estimate, size: Size, solids: Solid[], table: number[], settings: Settings): void {
  const { width, height } = size,
    nearest = numbers(estimate, size, solids, settings);
  const [byLuma, byChroma, ...others] = settings.pixel_weights,
    always = others[4] * Math.log(fileStep(table)) + others[5];
  const counted = [...settings.sides.map(side => [side, CLOSE]), [settings.near_side, NEAR]].map(
    ([side, flag]) => new Shares(nearest, size, side, flag),
  );
  for (let row = 0; row < height; row++) {
    const shares = counted.map(each => each.of(row));
    for (let x = 0; x < width; x++) {
      const number = nearest[row * width + x] & (NEAR - 1);
      if (!number) continue;
      const { colour, sure } = solids[number - 1],
        at = row * estimate.stride + x,
        away = colour.map((level, channel) => estimate.data[channel * estimate.size + at] / PARTS - level),
        luma = 0.299 * away[0] + 0.587 * away[1] + 0.114 * away[2],
        chroma = Math.sqrt(((away[0] - luma) ** 2 + (away[1] - luma) ** 2 + (away[2] - luma) ** 2) / 3);
      let odds = always + byLuma * Math.log1p(Math.abs(luma)) + byChroma * Math.log1p(chroma);
      for (let i = 0; i < shares.length; i++) odds += others[i] * shares[i][x];
      const likely = logistic(odds) * sure;
      for (let channel = 0; channel < 3; channel++)
        estimate.data[channel * estimate.size + at] -= Math.round(PARTS * likely * away[channel]);
    }
  }
}

// For each pixel the number of its nearest solid colour from 1 on, 0 if none is near, with the flags CLOSE and NEAR.
function numbers({ data, stride, size }: Estimate, { width, height }: Size, solids: Solid[], settings: Settings) {
  const nearest = new Uint8Array(width * height);
  for (let row = 0, i = 0; row < height; row++)
    for (let x = 0; x < width; x++, i++) {
      const at = row * stride + x,
        levels = [data[at] / PARTS, data[at + size] / PARTS, data[at + 2 * size] / PARTS];
      let least = settings.far,
        number = 0;
      for (let k = 0; k < solids.length; k++) {
        const { colour } = solids[k],
          distance = Math.max(
            Math.abs(levels[0] - colour[0]),
            Math.abs(levels[1] - colour[1]),
            Math.abs(levels[2] - colour[2]),
          );
        if (distance < least) [least, number] = [distance, k + 1];
      }
      nearest[i] = number | (least <= settings.close ? CLOSE : 0) | (least <= settings.near ? NEAR : 0);
    }
  return nearest;
}

// The shares of pixels with a flag in the squares around those of a row; the outermost pixels are repeated.
class Shares {
  private readonly columns: Uint16Array; // counts of the square's lines
  private readonly shares: Float32Array;
  private readonly reach: number;

  constructor(
    private readonly nearest: Uint8Array,
    private readonly size: Size,
    private readonly side: number,
    private readonly flag: number,
  ) {
    this.columns = new Uint16Array(size.width);
    this.shares = new Float32Array(size.width);
    this.reach = side >> 1;
    for (let v = -this.reach - 1; v < this.reach; v++) this.add(v, 1); // those of the row before the first one
  }

  // Of the next row; rows are asked for in order.
  of(row: number): Float32Array {
    const { columns, shares, reach, side } = this,
      last = this.size.width - 1;
    this.add(row + reach, 1);
    this.add(row - reach - 1, -1);
    let sum = 0;
    for (let h = -reach - 1; h < reach; h++) sum += columns[Math.min(Math.max(h, 0), last)];
    for (let x = 0; x <= last; x++) {
      sum += columns[Math.min(x + reach, last)] - columns[Math.max(x - reach - 1, 0)];
      shares[x] = sum / side ** 2;
    }
    return shares;
  }

  private add(row: number, by: number): void {
    const { nearest, columns, flag } = this,
      { width, height } = this.size,
      first = Math.min(Math.max(row, 0), height - 1) * width;
    for (let x = 0; x < width; x++) if (nearest[first + x] & flag) columns[x] += by;
  }
}
