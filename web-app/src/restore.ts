// Restores one JPEG: the network's estimate, tile by tile, and what the file says about it.
//
// This is the plan of driftrec.diffusion.plan for a model of two evaluations: the faithful estimate, then, if the
// file has lost enough, one evaluation of the finisher half-way between the start and the end of sampling.

import { bound, certainty, settle } from "./binding";
import { followLuma } from "./chroma";
import { parts, PARTS, type Estimate } from "./estimate";
import type { Facts } from "./facts";
import { decode, type Planes } from "./jpeg/decode";
import { Cells } from "./jpeg/cells";
import type { JpegFile } from "./jpeg/file";
import { Noise } from "./noise";
import { cut, type Span } from "./tiling";

export type Mode = "faithful" | "natural";

export interface Tile {
  residual: Float32Array;
  ratio: number;
  y: Float32Array;
  width: number;
  height: number;
}

// Evaluates one of the networks; gives an array as large as the tile's.
export type Network = (name: "denoiser" | "finisher", tile: Tile) => Promise<Float32Array>;

export interface Steps {
  // The pixels are upright or not, as the file has them.
  result: (mode: Mode, pixels: Uint8Array<ArrayBuffer>, doubtful: boolean) => Promise<void>;
  progress: (done: number) => void; // from 0 to 1
}

export async function restore(file: JpegFile, mode: Mode, facts: Facts, network: Network, steps: Steps): Promise<void> {
  const y = decode(file, facts.multiple),
    { cost, plan } = facts;
  const whole = cost.denoiser + (mode === "natural" ? cost.finisher : 0);
  const faithful = await evaluated(network, "denoiser", y, facts, null, done =>
    steps.progress((done * cost.denoiser) / whole),
  );
  const gray = showsNoColour(file);
  if (gray) takeMeans(faithful);
  const cells = new Cells(file, facts.cells);
  const certain = certainty(faithful, cells, file, facts),
    doubtful = certain < 0.5,
    ratio = loss(faithful, y) / plan.level; // (E20)
  if (file.colour === "YCbCr") followLuma(faithful, file, facts.chroma);

  const finish = (mode: Mode, estimate: Estimate) => {
    const pixels = bound(estimate, certain, cells, file, facts, mode === "faithful");
    // All channels are the same but for the rounding of conversions between colour spaces.
    if (gray) for (let i = 0; i < pixels.length; i += 3) pixels[i + 1] = pixels[i + 2] = pixels[i];
    leaveAbsent(pixels, y, file);
    return steps.result(mode, pixels, doubtful);
  };
  await finish("faithful", faithful);
  if (mode === "faithful") return;

  settle(faithful, certain, cells, file, facts);
  const start = Math.min(Math.log(Math.max(ratio, Math.exp(plan.lowest))), plan.highest);
  let natural = faithful;
  if (start > plan.lowest) {
    const state = { faithful, noise: noise(faithful.data.length, facts), ratio: Math.exp((start + plan.lowest) / 2) };
    natural = await evaluated(network, "finisher", y, facts, state, done =>
      steps.progress((cost.denoiser + done * cost.finisher) / whole),
    );
    withLowBand(natural, faithful, y.height, facts.low_band);
    weighTexture(natural, faithful, y.height, facts);
    if (gray) takeMeans(natural);
  }
  await finish("natural", natural);
}

// Whether the channels are the same everywhere; then so are those of the clean picture.
function showsNoColour({ colour, components }: JpegFile): boolean {
  return colour !== "RGB" && !components.slice(1).some(({ coefficients }) => coefficients.some(Boolean));
}

// Gives all channels the means of the three.
function takeMeans({ data, size }: Estimate): void {
  for (let red = 0, green = size, blue = 2 * size; red < size; red++, green++, blue++)
    data[red] = data[green] = data[blue] = Math.round((data[red] + data[green] + data[blue]) / 3);
}

// A state of sampling, (E8): the faithful estimate with noise of the given ratio.
interface State {
  faithful: Estimate;
  noise: Int16Array;
  ratio: number;
}

const UNIT = 2048; // of the stored noise: it takes half the memory, and its rounding changes no pixel

function noise(length: number, facts: Facts): Int16Array {
  const source = new Noise(facts.noise),
    stored = new Int16Array(length);
  for (let i = 0; i < length; i++) stored[i] = Math.round(UNIT * source.next());
  return stored;
}

// A network's estimate of the whole picture, joined from tiles.  The lines of the picture that a row of tiles completes
// take the place of their noise, which no further tile needs; so there is memory for one of them only.
async function evaluated(
  network: Network,
  name: "denoiser" | "finisher",
  y: Planes,
  facts: Facts,
  state: State | null,
  progress: (done: number) => void,
): Promise<Estimate> {
  const size = y.width * y.height,
    estimate = { data: state?.noise ?? new Int16Array(3 * size), stride: y.width, size };
  const { rows, columns } = cut(y.height, y.width, facts.tiling, facts.multiple);
  const height = rows[0].weights.length,
    width = columns[0].weights.length,
    count = rows.length * columns.length;
  const joined = new Float32Array(3 * height * y.width); // the lines of one row of tiles, from 0 to 1
  const tile: Tile = {
    width,
    height,
    ratio: state?.ratio ?? facts.regression,
    residual: new Float32Array(3 * height * width),
    y: new Float32Array(3 * height * width),
  };
  let done = 0;
  for (const [i, row] of rows.entries()) {
    for (const column of columns) {
      fill(tile, y, state, row.start, column.start);
      add(joined, await network(name, tile), row, column, y.width);
      progress(++done / count);
    }
    const complete = (rows[i + 1]?.start ?? y.height) - row.start;
    keep(estimate, joined, row.start, complete, height);
  }
  return estimate;
}

// Adds a tile to the lines of its row of tiles.
function add(joined: Float32Array, tile: Float32Array, row: Span, column: Span, stride: number): void {
  const height = row.weights.length,
    width = column.weights.length;
  for (let line = 0, i = 0; line < 3 * height; line++) {
    const weight = row.weights[line % height],
      first = line * stride + column.start;
    for (let h = 0; h < width; h++, i++) joined[first + h] += tile[i] * weight * column.weights[h];
  }
}

// Stores the first `complete` of `height` joined lines, and moves the others up.
function keep(
  { data, stride, size }: Estimate,
  joined: Float32Array,
  top: number,
  complete: number,
  height: number,
): void {
  for (let channel = 0; channel < 3; channel++) {
    const lines = joined.subarray(channel * height * stride, (channel + 1) * height * stride),
      first = channel * size + top * stride,
      count = complete * stride;
    for (let i = 0; i < count; i++) data[first + i] = parts(255 * lines[i]);
    lines.copyWithin(0, count);
    lines.fill(0, lines.length - count);
  }
}

// Sets the inputs of a network for a tile.
function fill(tile: Tile, y: Planes, state: State | null, top: number, left: number): void {
  for (let channel = 0, i = 0; channel < 3; channel++)
    for (let v = 0; v < tile.height; v++) {
      const line = (channel * y.height + top + v) * y.width + left;
      for (let h = 0; h < tile.width; h++, i++) {
        tile.y[i] = y.data[line + h] / 255;
        if (!state) continue;
        const difference = state.faithful.data[line + h] / PARTS - y.data[line + h];
        tile.residual[i] = difference / 255 + (state.ratio * state.noise[line + h]) / UNIT;
      }
    }
}

// The mean squared difference between an estimate and the file's pixels, both from 0 to 1.
function loss({ data }: Estimate, y: Planes): number {
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += (data[i] / PARTS - y.data[i]) ** 2;
  return sum / data.length / 255 ** 2;
}

const BAND = 256; // lines that are filtered at once

// Gives the estimate the low band of the faithful one, (E21).
function withLowBand({ data, stride, size }: Estimate, faithful: Estimate, height: number, distances: number[]): void {
  const reach = distances.reduce((sum, distance) => sum + distance, 0),
    most = Math.min(BAND + 2 * reach, height) * stride,
    changes = new Float32Array(most),
    before = new Float32Array(most),
    own = new Int16Array(size); // what the estimate was
  for (let first = 0; first < 3 * size; first += size) {
    own.set(data.subarray(first, first + size));
    for (let top = 0; top < height; top += BAND) {
      const start = Math.max(top - reach, 0) * stride,
        change = changes.subarray(0, Math.min(top + BAND + reach, height) * stride - start);
      for (let i = 0; i < change.length; i++) change[i] = faithful.data[first + start + i] - own[start + i];
      smooth(change, before, stride, distances);
      for (let i = top * stride; i < Math.min(top + BAND, height) * stride; i++)
        data[first + i] = own[i] + Math.round(change[i - start]);
    }
  }
}

// Applies the filter [1 2 1]/4 at several distances, down and across.
function smooth(plane: Float32Array, before: Float32Array, stride: number, distances: number[]): void {
  for (const distance of distances)
    for (const step of [distance * stride, distance]) {
      before.set(plane);
      for (let i = 0; i + step < plane.length; i++) {
        if (step === distance && (i % stride) + distance >= stride) continue; // the next line
        const flow = (before[i + step] - before[i]) / 4;
        plane[i] += flow;
        plane[i + step] -= flow;
      }
    }
}

// Keeps a share of the texture, and none in flat areas, as driftrec.restoration.texture does, (E28).
function weighTexture(estimate: Estimate, faithful: Estimate, height: number, { flat, plan }: Facts): void {
  const { data, stride, size } = estimate,
    reach = flat.side >> 1,
    count = flat.side ** 2;
  const mirrored = (i: number, length: number) =>
    length === 1 ? 0 : i < 0 ? -i : i >= length ? 2 * (length - 1) - i : i;
  const means = [0, 1, 2].map(channel => {
    let sum = 0;
    for (let i = channel * size; i < (channel + 1) * size; i++) sum += faithful.data[i];
    return sum / size / PARTS;
  });
  const sums = new Float64Array(stride),
    squares = new Float64Array(stride);
  const deviation = new Float32Array(stride);
  for (let row = 0; row < height; row++) {
    deviation.fill(0);
    for (let channel = 0; channel < 3; channel++) {
      sums.fill(0);
      squares.fill(0);
      for (let v = -reach; v <= reach; v++) {
        const line = channel * size + mirrored(row + v, height) * stride;
        for (let x = 0; x < stride; x++) {
          const level = faithful.data[line + x] / PARTS - means[channel];
          sums[x] += level;
          squares[x] += level * level;
        }
      }
      for (let x = 0; x < stride; x++) {
        let sum = 0,
          square = 0;
        for (let h = x - reach; h <= x + reach; h++) {
          const at = h < 0 || h >= stride ? mirrored(h, stride) : h;
          sum += sums[at];
          square += squares[at];
        }
        deviation[x] = Math.max(deviation[x], square / count - (sum / count) ** 2);
      }
    }
    for (let x = 0; x < stride; x++) {
      const textured = Math.min(Math.max((Math.sqrt(deviation[x]) - flat.flat) / (flat.textured - flat.flat), 0), 1),
        weight = plan.texture * textured;
      if (weight < 1)
        for (let at = row * stride + x; at < 3 * size; at += size) {
          data[at] = faithful.data[at] + Math.round(weight * (data[at] - faithful.data[at]));
        }
    }
  }
}

// Pixels of MCUs that the file lacks are those of the decoder: nothing is invented.
function leaveAbsent(pixels: Uint8Array, y: Planes, { width, height, mcu, present }: JpegFile): void {
  const across = Math.ceil(width / mcu[1]),
    size = y.width * y.height,
    top = Math.floor(present / across) * mcu[0];
  for (let row = top; row < height; row++)
    for (let x = 0; x < width; x++) {
      if (Math.floor(row / mcu[0]) * across + Math.floor(x / mcu[1]) < present) continue;
      for (let channel = 0; channel < 3; channel++)
        pixels[3 * (row * width + x) + channel] = y.data[channel * size + row * y.width + x];
    }
}
