// The quantisation cells of a file, as in driftrec.jpeg.cell: for each coefficient the file gives the interval that the
// encoder's input lay in, and an estimate of the picture is drawn towards the likely part of it, around the middle.

import type { Facts } from "../facts";
import { dct, idct } from "./dct";
import type { Component, JpegFile } from "./file";
import { Free, Repeated, type Padding } from "./padding";

const BAND = 256,
  PASSES = 8;

// An estimate of the picture: red, green and blue planes from 0 to 1, whose lines are `stride` numbers apart.
export interface Estimate {
  data: Float32Array;
  stride: number;
  size: number; // of a plane
}

export class Cells {
  private readonly padding: typeof Repeated | typeof Free;

  constructor(
    private readonly file: JpegFile,
    private readonly facts: Facts["cells"],
  ) {
    this.padding = this.repeats() ? Repeated : Free;
  }

  // Moves an estimate into the likely parts of the cells, in place.
  improve(estimate: Estimate): void {
    const {
      file: { colour },
      facts: { edge_passes, margin, narrow, soft },
    } = this;
    const half = (step: number) => (narrow * step ** 2) / (step + soft);
    for (const [region, edge] of regions(this.file)) {
      const strips = this.strips(region, this.padding),
        passes = PASSES + (edge ? edge_passes : 0);
      for (let pass = 0; pass < passes; pass++) {
        const planes = components(estimate, region, colour);
        const moved = Math.max(...strips.map((strip, i) => strip.draw(planes[i], half)));
        replace(estimate, region, planes, colour);
        if (moved <= margin) break;
      }
    }
  }

  // The share of the coefficients of an estimate that lie in their cells.
  share(estimate: Estimate): number {
    let outside = 0,
      total = 0;
    for (const [region] of regions(this.file)) {
      const planes = components(estimate, region, this.file.colour);
      for (const [i, strip] of this.strips(region, this.padding).entries()) {
        outside += strip.outside(planes[i], step => step / 2);
        total += strip.count;
      }
    }
    return total ? 1 - outside / total : 1;
  }

  // Whether the encoder may have repeated the edge of the picture in the blocks that reach beyond it, as libjpeg does.
  private repeats(): boolean {
    const { rounding, edge_passes, misfits } = this.facts,
      half = (step: number) => step / 2 + rounding;
    let outside = 0,
      total = 0;
    for (const [region, edge] of regions(this.file)) {
      if (!edge) continue;
      for (const strip of this.strips(region, Repeated)) {
        const plane = strip.decoded();
        for (let pass = 0; pass < edge_passes && strip.draw(plane, half); pass++);
        outside += strip.outside(plane, step => half(step) + rounding);
        total += strip.count;
      }
    }
    return outside <= misfits * total;
  }

  private strips(region: Region, padding: typeof Repeated | typeof Free): Strip[] {
    return this.file.components.map(component => new Strip(component, this.file, region, padding));
  }
}

export interface Region {
  top: number;
  bottom: number;
  left: number;
  right: number;
}

// Bands of whole MCUs inside the picture, then those that reach beyond its right and lower edge.
function* regions({ width, height, mcu }: JpegFile): Iterable<[Region, boolean]> {
  const right = width - (width % mcu[1]),
    bottom = height - (height % mcu[0]);
  function* bands(left: number, right: number, end: number): Iterable<Region> {
    for (let top = 0; top < end; top += BAND) yield { top, bottom: Math.min(top + BAND, end), left, right };
  }
  if (right) for (const band of bands(0, right, bottom)) yield [band, false];
  if (right < width) for (const band of bands(right, width, height)) yield [band, true];
  if (bottom < height && right) yield [{ top: bottom, bottom: height, left: 0, right }, true];
}

// One component in one region.
class Strip {
  private readonly places: Int32Array; // of the coefficients of each block; -1: the file does not give them in full
  private readonly across: number; // blocks
  private readonly down: number;
  private readonly padding: Padding;

  constructor(
    private readonly component: Component,
    file: JpegFile,
    region: Region,
    padding: typeof Repeated | typeof Free,
  ) {
    const { mcu, known } = file,
      { vertical, horizontal, stride } = component;
    const factors: [number, number] = [mcu[0] / 8 / vertical, mcu[1] / 8 / horizontal];
    const height = region.bottom - region.top,
      width = region.right - region.left;
    const top = region.top / factors[0] / 8,
      left = region.left / factors[1] / 8,
      perRow = Math.ceil(file.width / mcu[1]);
    this.down = Math.min(Math.ceil(height / mcu[0]) * vertical, component.rows - top); // others only fill an MCU
    this.across = Math.min(Math.ceil(width / mcu[1]) * horizontal, component.columns - left);
    this.places = new Int32Array(this.down * this.across);
    for (let r = 0, i = 0; r < this.down; r++)
      for (let c = 0; c < this.across; c++, i++) {
        const unit = Math.floor((top + r) / vertical) * perRow + Math.floor((left + c) / horizontal);
        this.places[i] = unit < known ? 64 * ((top + r) * stride + left + c) : -1;
      }
    this.padding = new padding({ factors, height, width, down: 8 * this.down, across: 8 * this.across }, () =>
      this.samples(),
    );
  }

  // The number of coefficients that the file gives.
  get count(): number {
    return 64 * this.places.reduce((sum, place) => sum + Number(place >= 0), 0);
  }

  // Draws a plane towards the middles of the cells, to a distance of at most `half` of their steps; returns by how many
  // levels a coefficient moved.
  draw(plane: Float32Array, half: (step: number) => number): number {
    const halves = Float32Array.from(this.component.table!, half),
      samples = this.padding.samples(plane);
    const change = new Float32Array(samples.length);
    let moved = 0;
    this.each(samples, (found, middle, put) => {
      let any = 0;
      for (let k = 0; k < 64; k++) {
        const off = middle(k) - found[k],
          move = off > halves[k] ? off - halves[k] : off < -halves[k] ? off + halves[k] : 0;
        found[k] = move;
        any = Math.max(any, Math.abs(move));
      }
      if (!any) return;
      moved = Math.max(moved, any);
      idct(found);
      put(change);
    });
    if (moved) this.padding.add(change, plane);
    return moved;
  }

  // How many coefficients of a plane are farther than `half` of their steps from the middles.
  outside(plane: Float32Array, half: (step: number) => number): number {
    const halves = Float32Array.from(this.component.table!, half);
    let count = 0;
    this.each(this.padding.samples(plane), (found, middle) => {
      for (let k = 0; k < 64; k++) if (Math.abs(middle(k) - found[k]) > halves[k]) count++;
    });
    return count;
  }

  // The pixels of the region as decoded, each sample repeated.
  decoded(): Float32Array {
    return this.padding.spread(this.samples());
  }

  // The samples of all blocks as the file has them.
  private samples(): Float32Array {
    const out = new Float32Array(64 * this.places.length);
    this.each(out, (block, middle, put) => {
      for (let k = 0; k < 64; k++) block[k] = middle(k);
      idct(block);
      put(out);
    });
    return out;
  }

  // Calls `each` for every block with the coefficients of the samples, those of the file, and what puts numbers in the
  // place of the block's samples.
  private each(
    samples: Float32Array,
    each: (found: Float32Array, middle: (k: number) => number, put: (plane: Float32Array) => void) => void,
  ): void {
    const {
        component: { coefficients, table },
        across,
      } = this,
      line = 8 * across,
      block = new Float32Array(64);
    let place = 0,
      corner = 0;
    const middle = (k: number) => coefficients[place + k] * table![k];
    const put = (plane: Float32Array) => {
      for (let k = 0; k < 64; k++) plane[corner + (k >> 3) * line + (k & 7)] = block[k];
    };
    for (let number = 0; number < this.places.length; number++) {
      place = this.places[number];
      if (place < 0) continue;
      corner = Math.floor(number / across) * 8 * line + (number % across) * 8;
      for (let k = 0; k < 64; k++) block[k] = samples[corner + (k >> 3) * line + (k & 7)];
      dct(block);
      each(block, middle, put);
    }
  }
}

// ------------------------------------------------------------------------------------------------ colours

// The components of a region in levels around 0, at the picture's size (JFIF, ITU-T T.871).
function components({ data, stride, size }: Estimate, region: Region, colour: JpegFile["colour"]): Float32Array[] {
  const { top, bottom, left, right } = region,
    count = (bottom - top) * (right - left);
  const planes = Array.from({ length: colour === "gray" ? 1 : 3 }, () => new Float32Array(count));
  for (let row = top, i = 0; row < bottom; row++)
    for (let at = row * stride + left; at < row * stride + right; at++, i++) {
      const r = 255 * data[at],
        g = 255 * data[size + at],
        b = 255 * data[2 * size + at];
      if (colour === "gray") planes[0][i] = (r + g + b) / 3 - 128;
      else if (colour === "RGB") {
        planes[0][i] = r - 128;
        planes[1][i] = g - 128;
        planes[2][i] = b - 128;
      } else {
        const luma = 0.299 * r + 0.587 * g + 0.114 * b;
        planes[0][i] = luma - 128;
        planes[1][i] = (b - luma) / 1.772;
        planes[2][i] = (r - luma) / 1.402;
      }
    }
  return planes;
}

// Puts a region's components back, limited to 0 to 1.
function replace(
  { data, stride, size }: Estimate,
  region: Region,
  planes: Float32Array[],
  colour: JpegFile["colour"],
): void {
  const { top, bottom, left, right } = region;
  for (let row = top, i = 0; row < bottom; row++)
    for (let at = row * stride + left; at < row * stride + right; at++, i++) {
      const a = planes[0][i] + 128;
      if (colour === "gray") data[at] = data[size + at] = data[2 * size + at] = limited(a);
      else if (colour === "RGB") {
        data[at] = limited(a);
        data[size + at] = limited(planes[1][i] + 128);
        data[2 * size + at] = limited(planes[2][i] + 128);
      } else {
        const r = a + 1.402 * planes[2][i],
          b = a + 1.772 * planes[1][i];
        data[at] = limited(r);
        data[size + at] = limited((a - 0.299 * r - 0.114 * b) / 0.587);
        data[2 * size + at] = limited(b);
      }
    }
}

const limited = (value: number) => (value < 0 ? 0 : value > 255 ? 1 : value / 255);
