// The scans of a JPEG file: sequential and progressive (ITU-T T.81, Annexes F and G).

import type { Component } from "./file";
import { Bits, DAMAGED, EndOfData, type HuffmanTable } from "./huffman";
import { PictureError } from "../errors";

export interface Scan {
  parts: { component: Component; dc?: HuffmanTable; ac?: HuffmanTable }[];
  progressive: boolean;
  start: number; // first and last coefficient, in stored order
  last: number;
  high: number; // bits that were and are left open
  low: number;
  natural: number[];
}

// Adds the coefficients of a scan to its components; returns the number of units that the data hold, and of all units.
// A unit is an MCU, or with one component, a block inside the picture.
export function readScan(
  scan: Scan,
  segments: Uint8Array[],
  interval: number,
  mcus: number[],
): { units: number; all: number } {
  const [first] = scan.parts,
    alone = scan.parts.length === 1;
  const [rows, columns] = alone ? [first.component.rows, first.component.columns] : mcus;
  const all = rows * columns,
    step = interval || all;
  let reached = 0;
  for (const [i, segment] of segments.entries()) {
    if (reached < i * step) throw new PictureError(DAMAGED);
    const decoder = new Decoder(scan, new Bits(segment));
    const stop = Math.min((i + 1) * step, all);
    try {
      for (; reached < stop; reached++) {
        if (alone) decoder.block(0, Math.floor(reached / columns) * first.component.stride + (reached % columns));
        else decoder.mcu(Math.floor(reached / columns), reached % columns);
        if (decoder.over) break;
      }
    } catch (error) {
      if (!(error instanceof EndOfData)) throw error;
      if (error.damaged) throw new PictureError(DAMAGED);
    }
    if (reached === all) break;
  }
  return { units: reached, all };
}

class Decoder {
  private readonly dc: number[];
  private run = 0; // blocks without further coefficients
  private readonly decode: (block: Int16Array, part: number) => void;

  constructor(
    private readonly scan: Scan,
    private readonly bits: Bits,
  ) {
    this.dc = scan.parts.map(() => 0);
    this.decode = !scan.progressive
      ? this.sequential
      : scan.start === 0
        ? scan.high
          ? this.dcRefine
          : this.dcFirst
        : scan.high
          ? this.acRefine
          : this.acFirst;
  }

  get over(): boolean {
    return this.bits.over;
  }

  mcu(row: number, column: number): void {
    for (const [i, { component }] of this.scan.parts.entries()) {
      const { vertical, horizontal, stride } = component;
      for (let v = 0; v < vertical; v++)
        for (let h = 0; h < horizontal; h++) {
          this.block(i, (row * vertical + v) * stride + column * horizontal + h);
        }
    }
  }

  block(part: number, number: number): void {
    this.decode(this.scan.parts[part].component.coefficients.subarray(64 * number, 64 * number + 64), part);
  }

  private difference(part: number): number {
    const { dc } = this.scan.parts[part];
    if (!dc) throw new PictureError(DAMAGED);
    return (this.dc[part] += this.bits.value(this.bits.symbol(dc) & 15));
  }

  private table(part: number): HuffmanTable {
    const { ac } = this.scan.parts[part];
    if (!ac) throw new PictureError(DAMAGED);
    return ac;
  }

  private sequential(block: Int16Array, part: number): void {
    const {
        bits,
        scan: { natural },
      } = this,
      table = this.table(part);
    block[0] = this.difference(part);
    for (let k = 1; k < 64; k++) {
      const symbol = bits.symbol(table),
        size = symbol & 15;
      if (!size) {
        if (symbol !== 0xf0) break;
        k += 15;
        continue;
      }
      k += symbol >> 4;
      if (k > 63) throw new EndOfData(!bits.over);
      block[natural[k]] = bits.value(size);
    }
  }

  private dcFirst(block: Int16Array, part: number): void {
    block[0] = this.difference(part) << this.scan.low;
  }

  private dcRefine(block: Int16Array): void {
    block[0] += this.bits.read(1) << this.scan.low;
  }

  private acFirst(block: Int16Array, part: number): void {
    if (this.run) {
      this.run--;
      return;
    }
    const {
        bits,
        scan: { natural, start, last, low },
      } = this,
      table = this.table(part);
    for (let k = start; k <= last; k++) {
      const symbol = bits.symbol(table),
        size = symbol & 15,
        zeros = symbol >> 4;
      if (size) {
        k += zeros;
        if (k > last) throw new EndOfData(!bits.over);
        block[natural[k]] = bits.value(size) << low;
      } else if (zeros === 15) {
        k += 15;
      } else {
        this.run = (1 << zeros) - 1 + bits.read(zeros);
        break;
      }
    }
  }

  // Coefficients that are known get a bit each as the run of zeros passes over them (T.81, G.1.2.3).
  private acRefine(block: Int16Array, part: number): void {
    const {
        bits,
        scan: { natural, start, last, low },
      } = this,
      table = this.table(part);
    let k = start;
    if (!this.run) {
      for (; k <= last; k++) {
        const symbol = bits.symbol(table),
          size = symbol & 15;
        let zeros = symbol >> 4,
          fresh = 0;
        if (size) fresh = bits.read(1) ? 1 << low : -1 << low;
        else if (zeros < 15) {
          this.run = (1 << zeros) + bits.read(zeros);
          break;
        }
        for (; k <= last; k++) {
          if (block[natural[k]]) this.correct(block, natural[k]);
          else if (zeros-- === 0) break;
        }
        if (fresh) {
          if (k > last) throw new EndOfData(!bits.over);
          block[natural[k]] = fresh;
        }
      }
    }
    if (this.run) {
      for (; k <= last; k++) if (block[natural[k]]) this.correct(block, natural[k]);
      this.run--;
    }
  }

  private correct(block: Int16Array, place: number): void {
    if (this.bits.read(1)) block[place] += Math.sign(block[place]) << this.scan.low;
  }
}
