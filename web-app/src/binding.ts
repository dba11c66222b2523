// How firmly a file's cells bind an estimate, as in driftrec.restoration.binding: less where the faithful estimate
// leaves so many of them that something must have happened before the last compression.

import { followLuma } from "./chroma";
import { PARTS, type Estimate } from "./estimate";
import type { Facts } from "./facts";
import type { Cells } from "./jpeg/cells";
import type { JpegFile } from "./jpeg/file";
import { quality } from "./jpeg/quality";
import { draw, solidColours } from "./solid";

// How certain it is that the clean picture lies in the cells, from 0 to 1.
export function certainty(faithful: Estimate, cells: Cells, file: JpegFile, facts: Facts): number {
  const { binding } = facts,
    known = quality(file.components[0].table!, facts.luma).quality;
  if (known < binding.coarse || Math.min(file.width, file.height) < binding.small || !file.known) return 1;
  if (variety(file, facts) < binding.varied) return 1;
  let nonzero = 0,
    all = 0;
  for (const { coefficients } of file.components) {
    for (let i = 0; i < coefficients.length; i++) if (coefficients[i]) nonzero++;
    all += coefficients.length;
  }
  const odds =
    binding.constant +
    binding.quality * known +
    binding.outside * Math.log(1 - cells.share(faithful) + binding.least_outside) +
    binding.nonzero * Math.log(nonzero / all + binding.least_nonzero) +
    binding.texture * Math.log(texture(faithful, file) + binding.least_texture);
  return 1 / (1 + Math.exp(-Math.min(Math.max(binding.sharp * odds, -50), 50)));
}

// Moves the chroma of the faithful estimate that natural restorations are made of to where faithful restorations have it.
export function settle(
  faithful: Estimate,
  certain: number,
  cells: Cells,
  file: JpegFile,
  { binding: { full }, chroma }: Facts,
): void {
  if (certain <= full || file.colour !== "YCbCr") return;
  const settled = { ...faithful, data: faithful.data.slice() },
    { data, stride, size } = faithful;
  cells.improve(settled);
  followAgain(settled, cells, file, chroma);
  for (let row = 0; row < file.height; row++)
    for (let at = row * stride, green = at + size, blue = green + size; at < row * stride + file.width; at++) {
      const luma = // whose change is undone
        0.299 * (settled.data[at] - data[at]) +
        0.587 * (settled.data[green] - data[green]) +
        0.114 * (settled.data[blue] - data[blue]);
      data[at] = Math.round(settled.data[at] - luma);
      data[green] = Math.round(settled.data[green] - luma);
      data[blue] = Math.round(settled.data[blue] - luma);
      green++;
      blue++;
    }
}

// The picture in 8 bits, (height, width, 3): an estimate whose chroma follows its luma, drawn towards the likely parts of
// the cells and its solid colours, in proportion to the certainty.
export function bound(
  estimate: Estimate,
  certain: number,
  cells: Cells,
  file: JpegFile,
  { binding: { none, full }, chroma, solid }: Facts,
  follows: boolean,
): Uint8Array<ArrayBuffer> {
  const { width, height } = file,
    { data, stride, size } = estimate,
    share = certain > full ? 1 : certain < none ? 0 : certain,
    moved = share ? { ...estimate, data: data.slice() } : estimate;
  if (share) {
    cells.improve(moved);
    if (follows && file.colour === "YCbCr") followAgain(moved, cells, file, chroma);
    withSolidColours(moved, cells, file, solid);
  }
  const pixels = new Uint8Array(3 * width * height);
  for (let row = 0, i = 0; row < height; row++)
    for (let x = 0; x < width; x++)
      for (let at = row * stride + x; at < 3 * size; at += size, i++)
        pixels[i] = level((data[at] + share * (moved.data[at] - data[at])) / PARTS);
  return pixels;
}

// The first round was that of the estimate.
function followAgain(estimate: Estimate, cells: Cells, file: JpegFile, settings: Facts["chroma"]): void {
  for (let round = 1; round < settings.rounds; round++) {
    followLuma(estimate, file, settings);
    cells.improve(estimate);
  }
}

function withSolidColours(estimate: Estimate, cells: Cells, file: JpegFile, settings: Facts["solid"]): void {
  const table = file.components[0].table!,
    solids = solidColours(estimate, file, table, settings);
  for (let round = 1; solids.length && round <= settings.rounds; round++) {
    draw(estimate, file, solids, table, settings);
    if (round < settings.rounds) cells.improve(estimate);
    else cells.project(estimate);
  }
}

const level = (value: number) => Math.min(Math.max(Math.round(value), 0), 255);

// The number of different blocks of luma over the number of blocks, without those that have no coefficients.
function variety(file: JpegFile, { binding: { frequencies, blocks } }: Facts): number {
  const { coefficients, stride, rows, columns } = file.components[0],
    places = [];
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const at = 64 * (row * stride + column);
      if (frequencies.some(k => coefficients[at + k])) places.push(at);
    }
  const step = Math.max(1, Math.ceil(places.length / blocks)),
    seen = new Set<string>();
  let count = 0;
  for (let i = 0; i < places.length; i += step, count++)
    seen.add(coefficients.subarray(places[i] + 1, places[i] + 64).join());
  return count ? seen.size / count : 0;
}

// The root mean square of the finest diagonal detail of luma, in levels.
function texture({ data, stride, size }: Estimate, { width, height }: JpegFile): number {
  const luma = (at: number) => (0.299 * data[at] + 0.587 * data[size + at] + 0.114 * data[2 * size + at]) / PARTS;
  let total = 0,
    count = 0;
  for (let row = 0; row + 1 < height; row++)
    for (let x = 0; x + 1 < width; x++) {
      const at = row * stride + x;
      total += (luma(at) - luma(at + stride) - luma(at + 1) + luma(at + stride + 1)) ** 2;
      count++;
    }
  return count ? Math.sqrt(total / count) / 2 : 0;
}
