// Chroma that follows luma, as in driftrec.restoration.chroma: around most pixels a chroma component is a linear function
// of luma, (E30), which means over 2×2 pixels give.

import { parts, PARTS, type Estimate } from "./estimate";
import type { Facts } from "./facts";
import type { JpegFile } from "./jpeg/file";
import type { Size } from "./solid";

const BAND = 256; // rows that are worked on at a time

// Moves the chroma of an estimate to what is predicted from its luma.
export function followLuma(estimate: Estimate, file: JpegFile, settings: Facts["chroma"]): void {
  const { width, height } = file,
    reach = 2 * ((Math.max(...settings.sides) >> 1) + 1),
    old = estimate.data.slice(),
    always = known(file, settings);
  for (let top = 0; top < height; top += BAND) {
    const bottom = Math.min(top + BAND, height),
      first = Math.max(top - reach, 0),
      planes = new Means({ ...estimate, data: old }, { width, height }, first, Math.min(bottom + reach, height)),
      lines = [1, 2].map(number => meanLine(planes, number, always, settings));
    for (let row = top; row < bottom; row++)
      for (let x = 0; x < width; x++) {
        const at = row * estimate.stride + x,
          mean = ((row - first) >> 1) * planes.columns + (x >> 1),
          [luma, blue, red] = components(old, at, estimate.size),
          cb = lines[0].slope[mean] * luma + lines[0].intercept[mean] + lines[0].kept[mean] * blue,
          cr = lines[1].slope[mean] * luma + lines[1].intercept[mean] + lines[1].kept[mean] * red,
          r = luma + 1.402 * cr,
          b = luma + 1.772 * cb,
          g = (luma - 0.299 * r - 0.114 * b) / 0.587;
        [r, g, b].forEach((level, channel) => {
          estimate.data[channel * estimate.size + at] = parts(Math.min(Math.max(level + 128, 0), 255));
        });
      }
  }
}

// Luma and chroma of a pixel in levels around 0.
function components(data: Int16Array, at: number, size: number): [number, number, number] {
  const r = data[at] / PARTS,
    b = data[at + 2 * size] / PARTS,
    luma = 0.299 * r + 0.587 * (data[at + size] / PARTS) + 0.114 * b;
  return [luma - 128, (b - luma) / 1.772, (r - luma) / 1.402];
}

// What the odds of each line have in common: by the steps of the file's chroma and its subsampling.
function known({ components: [, chroma], mcu }: JpegFile, { weights }: Facts["chroma"]): number[] {
  const step = [1, 8, 9, 2, 16].reduce((sum, k) => sum + chroma.table![k], 0) / 5,
    shared = (mcu[0] * mcu[1]) / (64 * chroma.vertical * chroma.horizontal);
  return weights.map(([, , byStep, byShared, bias]) => byStep * Math.log(step) + (byShared * Math.log2(shared)) / 2 + bias);
}

// Means of the components over 2×2 pixels of some rows; those beyond the picture repeat its edge.
class Means {
  readonly rows: number;
  readonly columns: number;
  readonly planes: Float32Array[];

  constructor({ data, stride, size }: Estimate, { width }: Size, first: number, last: number) {
    this.rows = (last - first + 1) >> 1;
    this.columns = (width + 1) >> 1;
    this.planes = [0, 1, 2].map(() => new Float32Array(this.rows * this.columns));
    for (let row = 0, i = 0; row < this.rows; row++)
      for (let column = 0; column < this.columns; column++, i++)
        for (let k = 0; k < 4; k++) {
          const y = Math.min(first + 2 * row + (k >> 1), last - 1),
            x = Math.min(2 * column + (k & 1), width - 1);
          components(data, y * stride + x, size).forEach((value, number) => {
            this.planes[number][i] += value / 4;
          });
        }
  }
}

// The mean of the lines of all windows and of no change at all, weighted by a softmax: slope, intercept, and the share
// of what is kept.
function meanLine({ rows, columns, planes }: Means, number: number, always: number[], settings: Facts["chroma"]) {
  const luma = planes[0],
    chroma = planes[number],
    [slope, intercept] = [0, 1].map(() => new Float32Array(luma.length)),
    kept = new Float32Array(luma.length).fill(1);
  settings.sides.forEach((side, k) => {
    const [y, c, squareY, squareC, product] = (
        [i => luma[i], i => chroma[i], i => luma[i] ** 2, i => chroma[i] ** 2, i => luma[i] * chroma[i]] as Value[]
      ).map(value => windowMeans(value, rows, columns, side)),
      [byLeft, byChange] = settings.weights[k];
    for (let i = 0; i < luma.length; i++) {
      const contrast = Math.max(squareY[i] - y[i] ** 2, 0),
        together = product[i] - y[i] * c[i],
        a = together / (contrast + settings.least_contrast),
        b = c[i] - a * y[i],
        left = Math.max(squareC[i] - c[i] ** 2 - a * together, 0),
        change = Math.abs(a * luma[i] + b - chroma[i]),
        odds = always[k] + byLeft * Math.log(left + settings.least_left) + byChange * Math.log1p(change),
        weight = Math.exp(Math.min(Math.max(odds, -30), 30));
      slope[i] += weight * a;
      intercept[i] += weight * b;
      kept[i] += weight;
    }
  });
  for (let i = 0; i < luma.length; i++) {
    slope[i] /= kept[i];
    intercept[i] /= kept[i];
    kept[i] = 1 / kept[i];
  }
  return { slope, intercept, kept };
}

type Value = (i: number) => number;

// Means over the windows around each value; the outermost ones are repeated.
function windowMeans(value: Value, rows: number, columns: number, side: number): Float64Array {
  const reach = side >> 1,
    means = new Float64Array(rows * columns),
    down = new Float64Array(columns); // sums of columns
  const add = (row: number, by: number) => {
    const first = Math.min(Math.max(row, 0), rows - 1) * columns;
    for (let x = 0; x < columns; x++) down[x] += by * value(first + x);
  };
  for (let v = -reach - 1; v < reach; v++) add(v, 1); // those of the row before the first one
  for (let row = 0; row < rows; row++) {
    add(row + reach, 1);
    add(row - reach - 1, -1);
    let sum = 0;
    for (let h = -reach - 1; h < reach; h++) sum += down[Math.min(Math.max(h, 0), columns - 1)];
    for (let x = 0; x < columns; x++) {
      sum += down[Math.min(x + reach, columns - 1)] - down[Math.max(x - reach - 1, 0)];
      means[row * columns + x] = sum / side ** 2;
    }
  }
  return means;
}
