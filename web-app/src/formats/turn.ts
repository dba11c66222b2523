// Pixels of a whole picture, as they are saved: upright, in 8 bits.

export interface Pixels {
  width: number;
  height: number;
  data: Uint8Array<ArrayBuffer>; // (height, width, 3)
}

// Turns and mirrors a picture as its EXIF orientation, 1 to 8, asks for.
export function turned({ width, height, data }: Pixels, orientation: number): Pixels {
  if (orientation === 1) return { width, height, data };
  const swapped = orientation >= 5,
    out = new Uint8Array(data.length);
  const [wide, high] = swapped ? [height, width] : [width, height];
  const right = [2, 3, 7, 8].includes(orientation),
    down = [3, 4, 6, 7].includes(orientation);
  for (let row = 0, i = 0; row < high; row++)
    for (let x = 0; x < wide; x++, i += 3) {
      let [v, h] = swapped ? [x, row] : [row, x];
      if (down) v = height - 1 - v;
      if (right) h = width - 1 - h;
      const at = 3 * (v * width + h);
      out[i] = data[at];
      out[i + 1] = data[at + 1];
      out[i + 2] = data[at + 2];
    }
  return { width: wide, height: high, data: out };
}
