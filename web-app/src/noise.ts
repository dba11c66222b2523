// Standard normal numbers, the same as NumPy's `default_rng(0).standard_normal(dtype=float32)`, so that the page and
// the command add the same noise.
//
// The generator is PCG64 (O'Neill 2014, XSL-RR 128/64); the numbers are made by the ziggurat of Marsaglia and Tsang
// (2000) with 256 layers.

import type { Facts } from "./facts";

const MULTIPLIER = "2360ed051fc65da44385df649fccf645";
const R = 3.6541528853610088,
  V = 0.00492867323399; // the last layer's edge, and the area of each layer
const BITS = 2 ** 23;

const words = (digits: string) => [24, 16, 8, 0].map(i => parseInt(digits.slice(i, i + 8), 16)); // the lowest one first

class Pcg64 {
  private readonly state: Uint32Array; // from the lowest word to the highest
  private readonly inc: Uint32Array;
  private high = 0;
  private waiting = false;

  constructor({ state, inc }: Facts["noise"]) {
    this.state = Uint32Array.from(words(state));
    this.inc = Uint32Array.from(words(inc));
  }

  // 32 random bits: the lower half of a number of 64 bits, then its upper half.
  next(): number {
    if (this.waiting) {
      this.waiting = false;
      return this.high;
    }
    this.step();
    const [a, b, c, d] = this.state;
    const low = (a ^ c) >>> 0,
      high = (b ^ d) >>> 0,
      turn = d >>> 26;
    const [p, q] = turn & 32 ? [high, low] : [low, high],
      by = turn & 31;
    this.waiting = true;
    this.high = by ? ((q >>> by) | (p << (32 - by))) >>> 0 : q;
    return by ? ((p >>> by) | (q << (32 - by))) >>> 0 : p;
  }

  // state ← state · multiplier + inc, modulo 2^128, in digits of 16 bits.
  private step(): void {
    const { state, inc } = this;
    for (let i = 0; i < 8; i++) {
      a16[i] = i & 1 ? state[i >> 1] >>> 16 : state[i >> 1] & 0xffff;
      sums[i] = i & 1 ? inc[i >> 1] >>> 16 : inc[i >> 1] & 0xffff;
    }
    for (let i = 0; i < 8; i++) {
      const digit = a16[i];
      for (let j = 0; i + j < 8; j++) sums[i + j] += digit * m16[j];
    }
    let carry = 0;
    for (let i = 0; i < 8; i++) {
      const sum = sums[i] + carry;
      carry = Math.floor(sum / 65536);
      a16[i] = sum - carry * 65536;
    }
    for (let i = 0; i < 4; i++) state[i] = a16[2 * i] | (a16[2 * i + 1] << 16);
  }
}

const a16 = new Float64Array(8),
  sums = new Float64Array(8);
const m16 = Float64Array.from({ length: 8 }, (_, i) => parseInt(MULTIPLIER.slice(28 - 4 * i, 32 - 4 * i), 16));

const [limits, widths, heights] = layers();

function layers(): [Uint32Array, Float32Array, Float32Array] {
  const limits = new Uint32Array(256),
    widths = new Float32Array(256),
    heights = new Float32Array(256);
  const density = (x: number) => Math.exp((-x * x) / 2),
    base = V / density(R);
  limits[0] = (R / base) * BITS;
  widths[0] = base / BITS;
  widths[255] = R / BITS;
  heights[0] = 1;
  heights[255] = density(R);
  for (let i = 254, x = R; i >= 1; i--) {
    const outer = x;
    x = Math.sqrt(-2 * Math.log(V / outer + density(outer)));
    limits[i + 1] = (x / outer) * BITS;
    widths[i] = x / BITS;
    heights[i] = density(x);
  }
  return [limits, widths, heights];
}

export class Noise {
  private readonly bits: Pcg64;

  constructor(facts: Facts["noise"]) {
    this.bits = new Pcg64(facts);
  }

  next(): number {
    for (;;) {
      const bits = this.bits.next(),
        layer = bits & 0xff,
        sign = bits & 0x100 ? -1 : 1,
        size = bits >>> 9;
      const x = size * widths[layer];
      if (size < limits[layer]) return sign * x;
      if (layer === 0) return (size & 0x100 ? -1 : 1) * this.tail();
      if ((heights[layer - 1] - heights[layer]) * this.uniform() + heights[layer] < Math.exp((-x * x) / 2))
        return sign * x;
    }
  }

  private tail(): number {
    for (;;) {
      const x = -Math.log1p(-this.uniform()) / R,
        y = -Math.log1p(-this.uniform());
      if (y + y > x * x) return R + x;
    }
  }

  private uniform(): number {
    return (this.bits.next() >>> 8) / 2 ** 24;
  }
}
