// Bits and Huffman codes of entropy-coded segments (ITU-T T.81, Annexes C and F).

import { PictureError } from "../errors";

// For each value of the next 16 bits: the symbol, and 256 × the length of its code word (0: there is none).
export type HuffmanTable = Uint16Array;

export function huffmanTable(counts: Uint8Array, symbols: Uint8Array): HuffmanTable {
  const table = new Uint16Array(65536);
  let place = 0,
    at = 0;
  for (let length = 1; length <= 16; length++) {
    const span = 1 << (16 - length);
    for (let i = 0; i < counts[length - 1]; i++) {
      if (at === symbols.length || place + span > 65536) throw new PictureError(DAMAGED);
      table.fill((length << 8) | symbols[at++], place, (place += span));
    }
  }
  return table;
}

export const DAMAGED = "is damaged: use an intact copy";

// Thrown where the data of a scan end, or are found to be damaged.
export class EndOfData extends Error {
  constructor(readonly damaged: boolean) {
    super();
  }
}

// The bits of one segment between restart markers.
export class Bits {
  private readonly data: Uint8Array;
  private readonly end: number; // in bits
  private position = 0;

  constructor(stuffed: Uint8Array) {
    this.data = new Uint8Array(stuffed.length + 4);
    let length = 0;
    for (let i = 0; i < stuffed.length; i++) {
      this.data[length++] = stuffed[i];
      if (stuffed[i] === 0xff && stuffed[i + 1] === 0) i++;
    }
    this.data.fill(0, length);
    this.end = 8 * length;
  }

  // Whether more bits were read than there are.
  get over(): boolean {
    return this.position > this.end;
  }

  private peek(): number {
    const { data, position } = this,
      i = position >> 3;
    return (((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]) >> (8 - (position & 7))) & 0xffff;
  }

  symbol(table: HuffmanTable): number {
    if (this.position >= this.end + 16) throw new EndOfData(false);
    const entry = table[this.peek()];
    if (!entry) throw new EndOfData(this.position + 16 <= this.end);
    this.position += entry >> 8;
    return entry & 0xff;
  }

  // The next bits as a number; at most 16.
  read(count: number): number {
    if (!count) return 0;
    const bits = this.peek() >> (16 - count);
    this.position += count;
    return bits;
  }

  // A signed value of so many bits (T.81, F.2.2.1).
  value(count: number): number {
    const bits = this.read(count);
    return count && bits < 1 << (count - 1) ? bits - (1 << count) + 1 : bits;
  }
}
