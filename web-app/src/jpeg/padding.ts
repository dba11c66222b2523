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
  samples(plane: Float32Array): Float32Array;
  add(change: Float32Array, plane: Float32Array): void;
  spread(samples: Float32Array): Float32Array; // the pixels that have these samples
}

function addTo(sums: Float32Array, numbers: Float32Array): void {
  for (let i = 0; i < sums.length; i++) sums[i] += numbers[i];
}

// Blocks as libjpeg fills them: the last column of pixels is repeated before chroma is subsampled, and the last row of
// samples after that.
export class Repeated implements Padding {
  constructor(
    private readonly size: Size,
    _: () => Float32Array,
  ) {}

  samples(plane: Float32Array): Float32Array {
    const {
      factors: [vertical, horizontal],
      height,
      width,
      down,
      across,
    } = this.size;
    const out = new Float32Array(down * across),
      rows = Math.ceil(height / vertical),
      count = vertical * horizontal;
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

  add(change: Float32Array, plane: Float32Array): void {
    addTo(plane, this.spread(change));
  }

  // The last row and column of pixels take the mean of what is beyond them.
  spread(samples: Float32Array): Float32Array {
    const {
      factors: [vertical, horizontal],
      height,
      width,
      down,
      across,
    } = this.size;
    const rows = Math.ceil(height / vertical),
      kept = rows < down ? samples.slice(0, rows * across) : samples;
    if (rows < down)
      for (let x = 0; x < across; x++) {
        let sum = 0;
        for (let y = rows - 1; y < down; y++) sum += samples[y * across + x];
        kept[(rows - 1) * across + x] = sum / (down - rows + 1);
      }
    const out = new Float32Array(height * width),
      extra = across * horizontal - width;
    for (let y = 0; y < height; y++) {
      const line = Math.floor(y / vertical) * across;
      for (let x = 0; x < width; x++) out[y * width + x] = kept[line + Math.floor(x / horizontal)];
      if (!extra) continue;
      let sum = 0;
      for (let x = width - 1; x < across * horizontal; x++) sum += kept[line + Math.floor(x / horizontal)];
      out[(y + 1) * width - 1] = sum / (extra + 1);
    }
    return out;
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
    addTo(this.blocks, change);
    addTo(plane, this.spread(change));
  }

  spread(samples: Float32Array): Float32Array {
    const {
        factors: [vertical, horizontal],
        height,
        width,
        across,
      } = this.size,
      out = new Float32Array(height * width);
    this.inside((y, x) => {
      for (let v = 0; v < vertical; v++)
        for (let h = 0; h < horizontal; h++) {
          out[(y * vertical + v) * width + x * horizontal + h] = samples[y * across + x];
        }
    });
    return out;
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
