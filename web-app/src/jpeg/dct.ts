// The orthonormal DCT of blocks of 8×8 numbers (ITU-T T.81, A.3.3), in place.

const COSINES = Float32Array.from({ length: 64 }, (_, i) => {
  const [u, x] = [i >> 3, i & 7];
  return Math.sqrt((u ? 2 : 1) / 8) * Math.cos((Math.PI / 16) * u * (2 * x + 1));
});
const half = new Float32Array(64);

// The transform of each row, written to the columns of `out`; so two passes transform both directions.  `inverse` takes
// the transposed matrix.
function pass(block: Float32Array, out: Float32Array, inverse: boolean): void {
  const k1 = inverse ? 1 : 8,
    i1 = inverse ? 8 : 1;
  for (let row = 0; row < 64; row += 8) {
    const a = block[row],
      b = block[row + 1],
      c = block[row + 2],
      d = block[row + 3];
    const e = block[row + 4],
      f = block[row + 5],
      g = block[row + 6],
      h = block[row + 7];
    for (let k = 0; k < 8; k++) {
      const m = k * k1;
      out[8 * k + (row >> 3)] =
        a * COSINES[m] +
        b * COSINES[m + i1] +
        c * COSINES[m + 2 * i1] +
        d * COSINES[m + 3 * i1] +
        e * COSINES[m + 4 * i1] +
        f * COSINES[m + 5 * i1] +
        g * COSINES[m + 6 * i1] +
        h * COSINES[m + 7 * i1];
    }
  }
}

function transform(block: Float32Array, inverse: boolean): void {
  pass(block, half, inverse);
  pass(half, block, inverse);
}

export const dct = (block: Float32Array) => transform(block, false);
export const idct = (block: Float32Array) => transform(block, true);
