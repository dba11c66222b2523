// What blocks hold beyond the picture, as in driftrec.jpeg.padding: these classes turn the pixels of a component in a
// region into the samples of its blocks, and changes of the samples into the smallest changes of the pixels.

export interface Size {
  factors: [number, number]; // pixels per sample, vertical and horizontal
  height: number; // of the pixels
  width: number;
  down: number; // of the samples
  across: number;
}

export interface Padding {
  samples(plane: Float32Array): Float32Array; // the next call writes to the same array
  add(change: Float32Array, plane: Float32Array): void;
}

// Blocks as libjpeg fills them: the last column of pixels is repeated before chroma is subsampled, and the last row of
// samples after that.
export class Repeated implements Padding {
  private readonly out: Float32Array;

  constructor(
    private readonly size: Size,
    _: () => Float32Array,
    zeros: (name: string, length: number) => Float32Array,
  ) {
    this.out = zeros("padded", size.down * size.across);
  }

  samples(plane: Float32Array): Float32Array {
    const {
      out,
      size: {
        factors: [vertical, horizontal],
        height,
        width,
        down,
        across,
      },
    } = this;
    const rows = Math.ceil(height / vertical),
      count = vertical * horizontal;
    out.fill(0);
    for (let y = 0; y < down; y++) {
      if (y >= rows) {
        out.copyWithin(y * across, (rows - 1) * across, rows * across);
        continue;
      }
      for (let v = 0; v < vertical; v++) {
        const line = Math.min(y * vertical + v, height - 1) * width;
        for (let x = 0, at = y * across; x < across; x++, at++) {
          for (let h = 0; h < horizontal; h++) out[at] += plane[line + Math.min(x * horizontal + h, width - 1)];
        }
      }
      if (count > 1) for (let at = y * across; at < (y + 1) * across; at++) out[at] /= count;
    }
    return out;
  }

  // The last row and column of pixels take the mean of what is beyond them.
  add(change: Float32Array, plane: Float32Array): void {
    const {
      factors: [vertical, horizontal],
      height,
      width,
      down,
      across,
    } = this.size;
    const rows = Math.ceil(height / vertical),
      extra = across * horizontal - width;
    for (let y = 0; y < height; y++) {
      const source = Math.floor(y / vertical),
        line = source === rows - 1 && rows < down ? this.last(change, rows) : change.subarray(source * across),
        first = y * width;
      for (let x = 0; x < width - 1; x++) plane[first + x] += line[Math.floor(x / horizontal)];
      let sum = 0;
      for (let x = width - 1; x < across * horizontal; x++) sum += line[Math.floor(x / horizontal)];
      plane[first + width - 1] += sum / (extra + 1);
    }
  }

  // The mean of the lines of samples from the last one inside the picture on.
  private last(change: Float32Array, rows: number): Float32Array {
    const { down, across } = this.size,
      mean = new Float32Array(across);
    for (let y = rows - 1; y < down; y++)
      for (let x = 0; x < across; x++) mean[x] += change[y * across + x] / (down - rows + 1);
    return mean;
  }
}

// Blocks with any content beyond the picture: first what the file has there, then what each change makes of it.
// Samples that lie only partly inside the picture are free as well.
export class Free implements Padding {
  private readonly blocks: Float32Array;

  constructor(
    private readonly size: Size,
    samples: () => Float32Array,
  ) {
    this.blocks = samples();
  }

  samples(plane: Float32Array): Float32Array {
    const {
        factors: [vertical, horizontal],
        width,
        across,
      } = this.size,
      count = vertical * horizontal;
    this.inside((y, x) => {
      let sum = 0;
      for (let v = 0; v < vertical; v++)
        for (let h = 0; h < horizontal; h++) {
          sum += plane[(y * vertical + v) * width + x * horizontal + h];
        }
      this.blocks[y * across + x] = sum / count;
    });
    return this.blocks;
  }

  add(change: Float32Array, plane: Float32Array): void {
    const {
      blocks,
      size: {
        factors: [vertical, horizontal],
        width,
        across,
      },
    } = this;
    for (let i = 0; i < blocks.length; i++) blocks[i] += change[i];
    this.inside((y, x) => {
      const moved = change[y * across + x];
      for (let v = 0; v < vertical; v++)
        for (let h = 0; h < horizontal; h++) plane[(y * vertical + v) * width + x * horizontal + h] += moved;
    });
  }

  private inside(each: (y: number, x: number) => void): void {
    const {
      factors: [vertical, horizontal],
      height,
      width,
    } = this.size;
    for (let y = 0; y < Math.floor(height / vertical); y++)
      for (let x = 0; x < Math.floor(width / horizontal); x++) each(y, x);
  }
}
