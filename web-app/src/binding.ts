// How firmly a file's cells bind an estimate, as in driftrec.restoration.binding: less where the faithful estimate
// leaves so many of them that something must have happened before the last compression.

import type { Facts } from "./facts";
import type { Cells, Estimate } from "./jpeg/cells";
import type { JpegFile } from "./jpeg/file";
import { quality } from "./jpeg/quality";

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

// Draws an estimate towards the likely parts of the cells, in place, in proportion to the certainty.
export function bind(estimate: Estimate, certain: number, cells: Cells, { none, full }: Facts["binding"]): void {
  if (certain < none) return;
  const { data } = estimate,
    before = certain > full ? null : data.slice();
  cells.improve(estimate);
  if (before) for (let i = 0; i < data.length; i++) data[i] = before[i] + certain * (data[i] - before[i]);
}

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
  const luma = (at: number) => 255 * (0.299 * data[at] + 0.587 * data[size + at] + 0.114 * data[2 * size + at]);
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
