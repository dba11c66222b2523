// The quantisation cells of a file, as in driftrec.jpeg.cell: for each coefficient the file gives the interval that the
// encoder's input lay in, and an estimate of the picture is drawn towards the likely part of it, around the middle.

import { parts, PARTS, type Estimate } from "../estimate";
import type { Facts } from "../facts";
import { dct, idct } from "./dct";
import type { Component, JpegFile } from "./file";
import { Free, Repeated, type Padding } from "./padding";

const BAND = 256,
  PASSES = 8;

export class Cells {
  private readonly padding: typeof Repeated | typeof Free;

  constructor(
    private readonly file: JpegFile,
    private readonly facts: Facts["cells"],
  ) {
    this.padding = this.repeats() ? Repeated : Free;
  }

  // Moves an estimate into the likely parts of the cells.
  improve(estimate: Estimate): void {
    const { narrow, soft } = this.facts;
    this.move(estimate, step => (narrow * step ** 2) / (step + soft));
  }

  // Moves an estimate into the cells.
  project(estimate: Estimate): void {
    const { margin } = this.facts;
    this.move(estimate, step => Math.max(step / 2 - margin, step / 4));
  }

  private move(estimate: Estimate, half: (step: number) => number): void {
    const {
      file: { colour },
      facts: { edge_passes, margin },
    } = this;
    const arrays = new Arrays();
    for (const region of regions(this.file)) {
      const strips = this.strips(region, this.padding, arrays),
        passes = PASSES + (region.edge ? edge_passes : 0),
        pixels = levels(estimate, region, arrays);
      for (let pass = 0; pass < passes; pass++) {
        const planes = components(pixels, colour, arrays);
        const moved = Math.max(...strips.map((strip, i) => strip.draw(planes[i], half)));
        replace(pixels, planes, colour);
        if (moved <= margin) break;
      }
      put(estimate, region, pixels);
    }
  }

  // The share of the coefficients of an estimate that lie in their cells.
  share(estimate: Estimate): number {
    const arrays = new Arrays();
    let outside = 0,
      total = 0;
    for (const region of regions(this.file)) {
      const planes = components(levels(estimate, region, arrays), this.file.colour, arrays);
      for (const [i, strip] of this.strips(region, this.padding, arrays).entries()) {
        outside += strip.outside(planes[i], step => step / 2);
        total += strip.count;
      }
    }
    return total ? 1 - outside / total : 1;
  }

  // Whether the encoder may have repeated the edge of the picture in the blocks that reach beyond it, as libjpeg does.
  private repeats(): boolean {
    const { rounding, edge_passes, misfits } = this.facts,
      half = (step: number) => step / 2 + rounding,
      arrays = new Arrays();
    let outside = 0,
      total = 0;
    for (const region of regions(this.file)) {
      if (!region.edge) continue;
      for (const strip of this.strips(region, Repeated, arrays)) {
        const plane = strip.decoded();
        for (let pass = 0; pass < edge_passes && strip.draw(plane, half); pass++);
        outside += strip.outside(plane, step => half(step) + rounding);
        total += strip.count;
      }
    }
    return outside <= misfits * total;
  }

  private strips(region: Region, padding: typeof Repeated | typeof Free, arrays: Arrays): Strip[] {
    return this.file.components.map((component, i) => {
      const array = (name: string, length: number) => arrays.zeros(`${name} ${i}`, length);
      return new Strip(component, this.file, region, padding, array);
    });
  }
}

// Arrays that the next region uses again: left to the garbage collector, they would take much memory for a while.
class Arrays {
  private readonly kept = new Map<string, Float32Array>();

  // An array of this name, filled with zeros.
  zeros(name: string, length: number): Float32Array {
    const array = this.kept.get(name);
    if (array?.length === length) return array.fill(0);
    const fresh = new Float32Array(length);
    this.kept.set(name, fresh);
    return fresh;
  }
}

interface Region {
  top: number;
  bottom: number;
  left: number;
  right: number;
  edge: boolean; // blocks of it may reach beyond the picture
}

// Bands of whole MCUs inside the picture, then those that reach beyond its right and lower edge.
function* regions({ width, height, mcu }: JpegFile): Iterable<Region> {
  const right = width - (width % mcu[1]),
    bottom = height - (height % mcu[0]);
  function* bands(left: number, right: number, end: number, edge: boolean): Iterable<Region> {
    for (let top = 0; top < end; top += BAND) yield { top, bottom: Math.min(top + BAND, end), left, right, edge };
  }
  if (right) yield* bands(0, right, bottom, false);
  if (right < width) yield* bands(right, width, height, true);
  if (bottom < height && right) yield { top: bottom, bottom: height, left: 0, right, edge: true };
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
    private readonly region: Region,
    padding: typeof Repeated | typeof Free,
    private readonly zeros: Arrays["zeros"],
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
    const down = 8 * this.down,
      across = 8 * this.across;
    this.padding = new padding({ factors, height, width, down, across }, () => this.samples("padded"), zeros);
  }

  // The number of coefficients that the file gives.
  get count(): number {
    return 64 * this.places.reduce((sum, place) => sum + Number(place >= 0), 0);
  }

  // Draws a plane towards the middles of the cells, to a distance of at most `half` of their steps; returns by how many
  // levels a coefficient moved.
  draw(plane: Float32Array, half: (step: number) => number): number {
    const halves = Float32Array.from(this.component.table!, half),
      samples = this.padding.samples(plane),
      change = this.zeros("change", samples.length);
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
    const plane = this.zeros("decoded", area(this.region));
    this.padding.add(this.samples("file"), plane);
    return plane;
  }

  // The samples of all blocks as the file has them.
  private samples(name: string): Float32Array {
    const out = this.zeros(name, 64 * this.places.length);
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

// The red, green and blue of a region, one plane behind the other, in levels.
function levels({ data, stride, size }: Estimate, region: Region, arrays: Arrays): Float32Array {
  const { top, bottom, left, right } = region,
    out = arrays.zeros("levels", 3 * area(region));
  for (let channel = 0, i = 0; channel < 3; channel++)
    for (let row = top; row < bottom; row++) {
      const line = channel * size + row * stride;
      for (let at = line + left; at < line + right; at++, i++) out[i] = data[at] / PARTS;
    }
  return out;
}

// Puts them back.
function put({ data, stride, size }: Estimate, { top, bottom, left, right }: Region, pixels: Float32Array): void {
  for (let channel = 0, i = 0; channel < 3; channel++)
    for (let row = top; row < bottom; row++) {
      const line = channel * size + row * stride;
      for (let at = line + left; at < line + right; at++, i++) data[at] = parts(pixels[i]);
    }
}

const area = ({ top, bottom, left, right }: Region) => (bottom - top) * (right - left);

// The components of such a region in levels around 0, at the picture's size (JFIF, ITU-T T.871).
function components(pixels: Float32Array, colour: JpegFile["colour"], arrays: Arrays): Float32Array[] {
  const count = pixels.length / 3,
    planes = (colour === "gray" ? [0] : [0, 1, 2]).map(i => arrays.zeros(`plane ${i}`, count));
  for (let i = 0; i < count; i++) {
    const r = pixels[i],
      g = pixels[count + i],
      b = pixels[2 * count + i];
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

// Puts a region's components back, limited to what pixels hold.
function replace(pixels: Float32Array, planes: Float32Array[], colour: JpegFile["colour"]): void {
  const count = pixels.length / 3;
  for (let i = 0; i < count; i++) {
    const a = planes[0][i] + 128;
    if (colour === "gray") pixels[i] = pixels[count + i] = pixels[2 * count + i] = limited(a);
    else if (colour === "RGB") {
      pixels[i] = limited(a);
      pixels[count + i] = limited(planes[1][i] + 128);
      pixels[2 * count + i] = limited(planes[2][i] + 128);
    } else {
      const r = a + 1.402 * planes[2][i],
        b = a + 1.772 * planes[1][i];
      pixels[i] = limited(r);
      pixels[count + i] = limited((a - 0.299 * r - 0.114 * b) / 0.587);
      pixels[2 * count + i] = limited(b);
    }
  }
}

const limited = (level: number) => (level < 0 ? 0 : level > 255 ? 255 : level);
