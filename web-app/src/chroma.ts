// Chroma that follows luma, as in driftrec.restoration.chroma: around most pixels a chroma component is a linear function
// of luma, (E30), which means over 2×2 pixels give.

import { parts, PARTS, type Estimate } from "./estimate";
import type { Facts } from "./facts";
import type { JpegFile } from "./jpeg/file";

const BAND = 256; // rows that are worked on at a time

// Moves the chroma of an estimate to what is predicted from its luma.
export function followLuma(estimate: Estimate, file: JpegFile, settings: Facts["chroma"]): void {
  const { width, height } = file,
    reach = 2 * ((Math.max(...settings.sides) >> 1) + 1),
    old = { ...estimate, data: estimate.data.slice() },
    always = known(file, settings);
  for (let top = 0; top < height; top += BAND) {
    const bottom = Math.min(top + BAND, height),
      first = Math.max(top - reach, 0),
      planes = components(old, width, first, Math.min(bottom + reach, height)),
      halved = planes.map(plane => halves(plane, width)),
      lines = meanLines(halved[0], halved.slice(1), always, settings);
    for (let row = top; row < bottom; row++)
      for (let x = 0; x < width; x++) {
        const i = (row - first) * width + x,
          mean = ((row - first) >> 1) * halved[0].columns + (x >> 1),
          luma = planes[0][i],
          cb = lines[0].slope[mean] * luma + lines[0].intercept[mean] + lines[0].kept[mean] * planes[1][i],
          cr = lines[1].slope[mean] * luma + lines[1].intercept[mean] + lines[1].kept[mean] * planes[2][i];
        put(estimate, row * estimate.stride + x, luma, cb, cr);
      }
  }
}

// Luma and chroma of some rows in levels around 0, one array each.
function components({ data, stride, size }: Estimate, width: number, first: number, last: number): Float32Array[] {
  const planes = [0, 1, 2].map(() => new Float32Array((last - first) * width));
  for (let row = first, i = 0; row < last; row++)
    for (let at = row * stride; at < row * stride + width; at++, i++) {
      const r = data[at] / PARTS,
        b = data[at + 2 * size] / PARTS,
        luma = 0.299 * r + 0.587 * (data[at + size] / PARTS) + 0.114 * b;
      planes[0][i] = luma - 128;
      planes[1][i] = (b - luma) / 1.772;
      planes[2][i] = (r - luma) / 1.402;
    }
  return planes;
}

// Puts a pixel back, limited to what pixels hold.
function put({ data, size }: Estimate, at: number, luma: number, cb: number, cr: number): void {
  const r = luma + 1.402 * cr,
    b = luma + 1.772 * cb;
  data[at] = limited(r);
  data[at + size] = limited((luma - 0.299 * r - 0.114 * b) / 0.587);
  data[at + 2 * size] = limited(b);
}

const limited = (level: number) => parts(Math.min(Math.max(level + 128, 0), 255));

// What the odds of each line have in common: by the steps of the file's chroma and its subsampling.
function known({ components: [, chroma], mcu }: JpegFile, { weights }: Facts["chroma"]): number[] {
  const step = [1, 8, 9, 2, 16].reduce((sum, k) => sum + chroma.table![k], 0) / 5,
    shared = (mcu[0] * mcu[1]) / (64 * chroma.vertical * chroma.horizontal);
  return weights.map(([, , byStep, byShared, bias]) => byStep * Math.log(step) + (byShared * Math.log2(shared)) / 2 + bias);
}

interface Means {
  rows: number;
  columns: number;
  values: Float32Array;
}

// Means of a plane over 2×2 pixels; those beyond the picture repeat its edge.
function halves(plane: Float32Array, width: number): Means {
  const height = plane.length / width,
    rows = (height + 1) >> 1,
    columns = (width + 1) >> 1,
    values = new Float32Array(rows * columns);
  for (let row = 0, i = 0; row < rows; row++) {
    const above = 2 * row * width,
      below = Math.min(2 * row + 1, height - 1) * width;
    for (let column = 0; column < columns; column++, i++) {
      const left = 2 * column,
        right = Math.min(left + 1, width - 1);
      values[i] = (plane[above + left] + plane[above + right] + plane[below + left] + plane[below + right]) / 4;
    }
  }
  return { rows, columns, values };
}

interface Line {
  slope: Float32Array;
  intercept: Float32Array;
  kept: Float32Array; // the share of what is not changed
}

// For each chroma component the mean of the lines of all windows and of no change at all, weighted by a softmax.
function meanLines(luma: Means, chroma: Means[], always: number[], settings: Facts["chroma"]): Line[] {
  const { rows, columns, values: y } = luma,
    means = (plane: Float32Array, side: number) => windowMeans(plane, rows, columns, side),
    squares = product(y, y);
  const lines = chroma.map(() => ({
    slope: new Float32Array(y.length),
    intercept: new Float32Array(y.length),
    kept: new Float32Array(y.length).fill(1),
  }));
  settings.sides.forEach((side, k) => {
    const meanY = means(y, side),
      squareY = means(squares, side),
      [byLeft, byChange] = settings.weights[k];
    chroma.forEach(({ values: c }, number) => {
      const { slope, intercept, kept } = lines[number],
        meanC = means(c, side),
        squareC = means(product(c, c), side),
        both = means(product(y, c), side);
      for (let i = 0; i < y.length; i++) {
        const contrast = Math.max(squareY[i] - meanY[i] * meanY[i], 0),
          together = both[i] - meanY[i] * meanC[i],
          a = together / (contrast + settings.least_contrast),
          b = meanC[i] - a * meanY[i],
          left = Math.max(squareC[i] - meanC[i] * meanC[i] - a * together, 0),
          change = Math.abs(a * y[i] + b - c[i]),
          odds = always[k] + byLeft * Math.log(left + settings.least_left) + byChange * Math.log1p(change),
          weight = Math.exp(Math.min(Math.max(odds, -30), 30));
        slope[i] += weight * a;
        intercept[i] += weight * b;
        kept[i] += weight;
      }
    });
  });
  for (const { slope, intercept, kept } of lines)
    for (let i = 0; i < y.length; i++) {
      kept[i] = 1 / kept[i];
      slope[i] *= kept[i];
      intercept[i] *= kept[i];
    }
  return lines;
}

function product(a: Float32Array, b: Float32Array): Float32Array {
  const out = new Float32Array(a.length);
  for (let i = 0; i < a.length; i++) out[i] = a[i] * b[i];
  return out;
}

// Means over the windows around each value; the outermost ones are repeated.
function windowMeans(plane: Float32Array, rows: number, columns: number, side: number): Float64Array {
  const reach = side >> 1,
    means = new Float64Array(rows * columns),
    down = new Float64Array(columns); // sums of columns
  const add = (row: number, by: number) => {
    const first = Math.min(Math.max(row, 0), rows - 1) * columns;
    for (let x = 0; x < columns; x++) down[x] += by * plane[first + x];
  };
  for (let v = -reach - 1; v < reach; v++) add(v, 1); // those of the row before the first one
  for (let row = 0; row < rows; row++) {
    add(row + reach, 1);
    add(row - reach - 1, -1);
    let sum = 0;
    for (let h = -reach - 1; h < reach; h++) sum += down[Math.min(Math.max(h, 0), columns - 1)];
    for (let x = 0; x < columns; x++) {
      sum += down[Math.min(x + reach, columns - 1)] - down[Math.max(x - reach - 1, 0)];
      means[row * columns + x] = sum / (side * side);
    }
  }
  return means;
}
