// Restores one JPEG: the network's estimate, tile by tile, and what the file says about it.
//
// This is the plan of driftrec.diffusion.plan for a model of two evaluations: the faithful estimate, then, if the
// file has lost enough, one evaluation of the finisher half-way between the start and the end of sampling.

import { bind, certainty } from "./binding";
import type { Facts } from "./facts";
import { decode, type Planes } from "./jpeg/decode";
import { Cells, type Estimate } from "./jpeg/cells";
import type { JpegFile } from "./jpeg/file";
import { Noise } from "./noise";
import { spans } from "./tiling";

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
  result: (mode: Mode, pixels: Uint8Array, doubtful: boolean) => Promise<void>; // upright or not: as the file has them
  progress: (done: number) => void; // from 0 to 1
}

export async function restore(file: JpegFile, mode: Mode, facts: Facts, network: Network, steps: Steps): Promise<void> {
  const y = decode(file, facts.multiple),
    { cost, plan } = facts;
  const whole = cost.denoiser + (mode === "natural" ? cost.finisher : 0);
  const faithful = await evaluated(network, "denoiser", y, facts, null, done =>
    steps.progress((done * cost.denoiser) / whole),
  );
  const cells = new Cells(file, facts.cells);
  const certain = certainty(faithful, cells, file, facts),
    doubtful = certain < 0.5;

  const finish = async (mode: Mode, estimate: Estimate) => {
    bind(estimate, certain, cells, facts.binding);
    await steps.result(mode, cut(estimate, y, file), doubtful);
  };
  const kept: Estimate = mode === "natural" ? { ...faithful, data: faithful.data.slice() } : faithful;
  await finish("faithful", kept);
  if (mode === "faithful") return;

  const ratio = loss(faithful, y) / plan.level; // (E20)
  const start = Math.min(Math.log(Math.max(ratio, Math.exp(plan.lowest))), plan.highest);
  let natural = faithful;
  if (start > plan.lowest) {
    const state = { faithful, noise: noise(faithful.data.length, facts), ratio: Math.exp((start + plan.lowest) / 2) };
    natural = await evaluated(network, "finisher", y, facts, state, done =>
      steps.progress((cost.denoiser + done * cost.finisher) / whole),
    );
    withLowBand(natural, faithful, facts.low_band);
    weighTexture(natural, faithful, y.height, facts);
  }
  await finish("natural", natural);
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

// A network's estimate of the whole picture, joined from tiles.
async function evaluated(
  network: Network,
  name: "denoiser" | "finisher",
  y: Planes,
  facts: Facts,
  state: State | null,
  progress: (done: number) => void,
): Promise<Estimate> {
  const size = y.width * y.height,
    data = new Float32Array(3 * size);
  const rows = spans(y.height, facts.tiling, facts.multiple),
    columns = spans(y.width, facts.tiling, facts.multiple);
  const height = rows[0].weights.length,
    width = columns[0].weights.length,
    count = rows.length * columns.length;
  let done = 0;
  for (const row of rows)
    for (const column of columns) {
      const tile = {
        width,
        height,
        ratio: state?.ratio ?? facts.regression,
        ...inputs(y, state, row.start, column.start, width, height),
      };
      const estimate = await network(name, tile);
      for (let channel = 0, i = 0; channel < 3; channel++)
        for (let v = 0; v < height; v++) {
          const line = channel * size + (row.start + v) * y.width + column.start;
          for (let h = 0; h < width; h++, i++) data[line + h] += estimate[i] * row.weights[v] * column.weights[h];
        }
      progress(++done / count);
    }
  return { data, stride: y.width, size };
}

function inputs(
  y: Planes,
  state: State | null,
  top: number,
  left: number,
  width: number,
  height: number,
): { y: Float32Array; residual: Float32Array } {
  const part = new Float32Array(3 * width * height),
    residual = new Float32Array(3 * width * height);
  for (let channel = 0, i = 0; channel < 3; channel++)
    for (let v = 0; v < height; v++) {
      const line = (channel * y.height + top + v) * y.width + left;
      for (let h = 0; h < width; h++, i++) {
        part[i] = y.data[line + h] / 255;
        if (state) residual[i] = state.faithful.data[line + h] - part[i] + (state.ratio * state.noise[line + h]) / UNIT;
      }
    }
  return { y: part, residual };
}

// The mean squared difference between an estimate and the file's pixels.
function loss({ data }: Estimate, y: Planes): number {
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += (data[i] - y.data[i] / 255) ** 2;
  return sum / data.length;
}

// Gives the estimate the low band of the faithful one, (E21): the filter [1 2 1]/4 at several distances.
function withLowBand({ data, stride, size }: Estimate, faithful: Estimate, distances: number[]): void {
  const change = new Float32Array(size),
    before = new Float32Array(size);
  for (let channel = 0; channel < 3; channel++) {
    const first = channel * size;
    for (let i = 0; i < size; i++) change[i] = faithful.data[first + i] - data[first + i];
    for (const distance of distances) {
      for (const step of [distance * stride, distance]) {
        before.set(change);
        for (let i = 0; i + step < size; i++) {
          if (step === distance && (i % stride) + distance >= stride) continue; // the next row
          const flow = (before[i + step] - before[i]) / 4;
          change[i] += flow;
          change[i + step] -= flow;
        }
      }
    }
    for (let i = 0; i < size; i++) data[first + i] += change[i];
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
    return sum / size;
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
          const level = 255 * (faithful.data[line + x] - means[channel]);
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
          data[at] = faithful.data[at] + weight * (data[at] - faithful.data[at]);
        }
    }
  }
}

// The pixels in 8 bits, (height, width, 3), without what was added around them.  Of MCUs that the file lacks, they are
// those of the decoder: nothing is invented.
function cut({ data, stride, size }: Estimate, y: Planes, { width, height, mcu, present }: JpegFile): Uint8Array {
  const pixels = new Uint8Array(3 * width * height),
    across = Math.ceil(width / mcu[1]);
  for (let row = 0, i = 0; row < height; row++)
    for (let x = 0; x < width; x++) {
      const absent = Math.floor(row / mcu[0]) * across + Math.floor(x / mcu[1]) >= present;
      for (let channel = 0, at = row * stride + x; channel < 3; channel++, at += size, i++) {
        pixels[i] = absent ? y.data[at] : Math.min(Math.max(Math.round(255 * data[at]), 0), 255);
      }
    }
  return pixels;
}
