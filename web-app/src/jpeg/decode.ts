// Decodes coefficients to pixels with the roundings of libjpeg, whose pixels the network was trained on.
//
// Browsers could decode the file, too, but each in its own way: some convert the colours, some change the pixels that a
// page reads, and none gives the coefficients.

import { idct } from "./dct";
import type { Component, JpegFile } from "./file";

// A picture as three planes of 8 bits, red, green and blue.
export interface Planes {
  width: number;
  height: number;
  data: Uint8Array; // 3 · height · width
}

// The pixels, with the last column and row repeated until the sides are multiples of `multiple`.
export function decode(file: JpegFile, multiple: number): Planes {
  const { width, height, colour, components, mcu } = file;
  const wide = Math.ceil(width / multiple) * multiple,
    high = Math.ceil(height / multiple) * multiple;
  const data = new Uint8Array(3 * wide * high),
    size = wide * high;
  const planes = components.map(component => new Upsampler(samples(component), component, file, mcu));
  for (let row = 0; row < height; row++) {
    const lines = planes.map(plane => plane.line(row)),
      at = row * wide;
    for (let x = 0; x < width; x++) {
      const a = lines[0][x];
      if (colour === "gray") data[at + x] = data[size + at + x] = data[2 * size + at + x] = a;
      else if (colour === "RGB") {
        data[at + x] = a;
        data[size + at + x] = lines[1][x];
        data[2 * size + at + x] = lines[2][x];
      } else {
        const cb = lines[1][x] - 128,
          cr = lines[2][x] - 128;
        data[at + x] = level(a + Math.round(1.402 * cr));
        data[size + at + x] = level(Math.floor(a - 0.344136286 * cb - 0.714136286 * cr + 0.5));
        data[2 * size + at + x] = level(a + Math.round(1.772 * cb));
      }
    }
    for (let channel = 0; channel < 3; channel++) {
      const line = channel * size + at;
      data.fill(data[line + width - 1], line + width, line + wide);
    }
  }
  for (let channel = 0; channel < 3; channel++)
    for (let row = height; row < high; row++) {
      data.copyWithin(
        channel * size + row * wide,
        channel * size + (height - 1) * wide,
        channel * size + height * wide,
      );
    }
  return { width: wide, height: high, data };
}

const TINY = 1e-4; // halves are rounded up, whatever the error of the transform

const level = (value: number) => (value < 0 ? 0 : value > 255 ? 255 : value);

// The samples of all blocks of a component.
function samples({ coefficients, table, stride }: Component): Uint8ClampedArray {
  const out = new Uint8ClampedArray(coefficients.length),
    block = new Float32Array(64),
    line = 8 * stride;
  for (let at = 0, number = 0; at < coefficients.length; at += 64, number++) {
    for (let k = 0; k < 64; k++) block[k] = coefficients[at + k] * table![k];
    idct(block);
    const corner = Math.floor(number / stride) * 8 * line + (number % stride) * 8;
    for (let k = 0; k < 64; k++) out[corner + (k >> 3) * line + (k & 7)] = Math.floor(block[k] + 128.5 + TINY);
  }
  return out;
}

// Gives the lines of a component at the picture's size.  Halved chroma is interpolated linearly between the centres of
// samples, and sampled otherwise repeated, as libjpeg does.
class Upsampler {
  private readonly line8: Uint8Array;
  private readonly sums: Int32Array;
  private readonly stride: number;
  private readonly rows: number;
  private readonly columns: number;
  private readonly vertical: number;
  private readonly horizontal: number;
  private readonly smooth: boolean;

  constructor(
    private readonly plane: Uint8ClampedArray,
    component: Component,
    file: JpegFile,
    mcu: [number, number],
  ) {
    this.vertical = mcu[0] / 8 / component.vertical;
    this.horizontal = mcu[1] / 8 / component.horizontal;
    this.stride = 8 * component.stride;
    this.rows = Math.ceil(file.height / this.vertical);
    this.columns = Math.ceil(file.width / this.horizontal);
    this.smooth = this.horizontal <= 2 && this.vertical <= 2 && (this.horizontal === 1 || this.columns > 2);
    this.line8 = new Uint8Array(this.columns * this.horizontal);
    this.sums = new Int32Array(this.columns);
  }

  line(row: number): Uint8Array | Uint8ClampedArray {
    const { plane, stride, vertical, horizontal, columns, line8, sums } = this,
      source = Math.floor(row / vertical);
    const near = source * stride;
    if (vertical === 1 && horizontal === 1) return plane.subarray(near, near + columns);
    if (!this.smooth) {
      for (let x = 0; x < line8.length; x++) line8[x] = plane[near + Math.floor(x / horizontal)];
      return line8;
    }
    let scale = 1;
    if (vertical === 2) {
      const other = row & 1 ? Math.min(source + 1, this.rows - 1) : Math.max(source - 1, 0);
      for (let x = 0; x < columns; x++) sums[x] = 3 * plane[near + x] + plane[other * stride + x];
      scale = 4;
    } else for (let x = 0; x < columns; x++) sums[x] = plane[near + x];
    if (horizontal === 1) {
      const bias = row & 1 ? 2 : 1;
      for (let x = 0; x < columns; x++) line8[x] = (sums[x] + bias) >> 2;
      return line8;
    }
    const [first, second] = scale === 4 ? [8, 7] : [1, 2],
      shift = scale === 4 ? 4 : 2;
    for (let x = 0; x < columns; x++) {
      const here = 3 * sums[x];
      line8[2 * x] = (here + sums[x ? x - 1 : 0] + first) >> shift;
      line8[2 * x + 1] = (here + sums[x + 1 < columns ? x + 1 : x] + second) >> shift;
    }
    return line8;
  }
}
