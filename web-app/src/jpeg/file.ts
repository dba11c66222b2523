// Reads JPEG files: size, tables, sampling, metadata and the exact quantised coefficients, as driftrec.jpeg.file does.
//
// Baseline, extended and progressive Huffman files of 8 bits are read; others are refused with a clause that says why.

import { PictureError } from "../errors";
import { DAMAGED, huffmanTable, type HuffmanTable } from "./huffman";
import { readScan } from "./scan";

export interface Component {
  id: number;
  vertical: number; // sampling factors
  horizontal: number;
  rows: number; // of blocks that reach into the picture
  columns: number;
  stride: number; // blocks per row, those that only fill an MCU included
  tableNumber: number;
  table: number[] | null; // quantisation table, natural order
  coefficients: Int16Array; // 64 for each block, natural order
  open: Uint8Array; // bits of each coefficient, in stored order, that no scan has brought; 99: all
}

export interface JpegFile {
  width: number;
  height: number;
  colour: "gray" | "YCbCr" | "RGB";
  components: Component[];
  progressive: boolean;
  mcu: [number, number]; // height and width in pixels
  whole: boolean; // nothing of the picture is missing
  known: number; // MCUs, from the first one, whose coefficients are known in full
  present: number; // MCUs, from the first one, of which the file holds anything
  exif: Uint8Array | null;
  xmp: Uint8Array | null;
  icc: Uint8Array | null;
}

export const MOST_PIXELS = 50e6; // browsers give a page too little memory for more

const MOST_SCANS = 100,
  NONE = 99,
  MOST_ABSENT = 0.98;
const KINDS: Record<number, string> = {
  0xc3: "lossless",
  0xc5: "hierarchical",
  0xc6: "hierarchical",
  0xc7: "lossless",
};

export function readJpeg(data: Uint8Array, natural: number[]): JpegFile {
  if (!data.length) throw new PictureError("is empty: choose another file");
  if (data[0] !== 0xff || data[1] !== 0xd8) throw new PictureError("is not a JPEG: this page restores JPEG files only");
  return new Reader(data, natural).read();
}

class Reader {
  private readonly quantisation: number[][] = [];
  private readonly huffman: HuffmanTable[] = [];
  private components: Component[] = [];
  private height = 0;
  private width = 0;
  private mcus = [0, 0]; // rows, columns
  private progressive = false;
  private interval = 0;
  private jfif = false;
  private adobe: number | null = null;
  private exif: Uint8Array | null = null;
  private xmp: Uint8Array | null = null;
  private readonly icc: Uint8Array[] = [];
  private scans = 0;
  private cut: { units: number; alone: boolean } | null = null; // the scan that breaks off

  constructor(
    private readonly data: Uint8Array,
    private readonly natural: number[],
  ) {}

  read(): JpegFile {
    let at = this.marker(2);
    while (at !== null && this.data[at] !== 0xd9 && !this.cut && !this.complete()) at = this.segment(at);
    return this.finish(!this.cut && (at !== null || this.complete()));
  }

  // The position of the next marker's code.
  private marker(from: number): number | null {
    const { data } = this;
    for (let i = from; i + 1 < data.length; i++) {
      const code = data[i + 1];
      if (data[i] === 0xff && code && code !== 0xff && !(code >= 0xd0 && code <= 0xd8)) return i + 1;
    }
    return null;
  }

  private segment(at: number): number | null {
    const { data } = this,
      code = data[at],
      length = (data[at + 1] << 8) | data[at + 2];
    const payload = data.subarray(at + 3, at + 1 + length),
      next = at + 1 + Math.max(length, 2);
    if (!(next <= data.length)) {
      if (!this.scans) throw new PictureError("is cut short, and holds nothing of the picture: use an intact copy");
      return null;
    }
    if (code === 0xda) return this.marker(this.scan(payload, next));
    if (code === 0xc0 || code === 0xc1 || code === 0xc2) this.frame(payload, code === 0xc2);
    else if (code === 0xc4) this.tables(payload);
    else if (code === 0xdb) this.steps(payload);
    else if (code === 0xdd) this.interval = (payload[0] << 8) | payload[1];
    else if (code >= 0xe0 && code <= 0xef) this.application(code, payload);
    else if (code >= 0xc3 && code <= 0xcf) {
      throw new PictureError(`uses ${KINDS[code] ?? "arithmetic"} coding, which this page does not read`);
    }
    return this.marker(next);
  }

  private application(code: number, payload: Uint8Array): void {
    const starts = (text: string) => [...text].every((letter, i) => payload[i] === letter.charCodeAt(0));
    if (code === 0xe0 && starts("JFIF\0")) this.jfif = true;
    else if (code === 0xee && starts("Adobe") && payload.length >= 12) this.adobe = payload[11];
    else if (code === 0xe1 && starts("Exif\0\0")) this.exif ??= payload.slice(6);
    else if (code === 0xe1 && starts("http://ns.adobe.com/xap/1.0/\0")) this.xmp ??= payload.slice(29);
    else if (code === 0xe2 && starts("ICC_PROFILE\0")) this.icc[payload[12] - 1] = payload.slice(14);
  }

  private steps(payload: Uint8Array): void {
    for (let at = 0; at < payload.length;) {
      const wide = payload[at] >> 4 ? 2 : 1,
        number = payload[at] & 15,
        table = new Array<number>(64);
      for (let k = 0; k < 64; k++) {
        const i = at + 1 + wide * k;
        table[this.natural[k]] = wide === 2 ? (payload[i] << 8) | payload[i + 1] : payload[i];
        if (!table[this.natural[k]]) throw new PictureError(DAMAGED);
      }
      this.quantisation[number] = table;
      at += 1 + 64 * wide;
    }
  }

  private tables(payload: Uint8Array): void {
    for (let at = 0; at + 17 <= payload.length;) {
      const counts = payload.subarray(at + 1, at + 17),
        count = counts.reduce((sum, n) => sum + n, 0);
      this.huffman[payload[at]] = huffmanTable(counts, payload.subarray(at + 17, at + 17 + count));
      at += 17 + count;
    }
  }

  private frame(payload: Uint8Array, progressive: boolean): void {
    if (this.components.length) throw new PictureError(DAMAGED);
    if (payload[0] !== 8) throw new PictureError(`has samples of ${payload[0]} bits, which this page does not read`);
    this.progressive = progressive;
    this.height = (payload[1] << 8) | payload[2];
    this.width = (payload[3] << 8) | payload[4];
    const pixels = this.height * this.width,
      count = payload[5];
    if (!pixels || ![1, 3, 4].includes(count) || payload.length < 6 + 3 * count) throw new PictureError(DAMAGED);
    if (pixels > MOST_PIXELS) {
      throw new PictureError(
        `has ${Math.round(pixels / 1e6)} megapixels, more than ${MOST_PIXELS / 1e6}: use the program instead`,
      );
    }
    if (count === 4) throw new PictureError("has four colours (CMYK), as for printing: save it in RGB first");
    const parts = [...Array(count).keys()].map(i => payload.subarray(6 + 3 * i, 9 + 3 * i));
    const factors = parts.map(part => (count === 1 ? [1, 1] : [part[1] & 15, part[1] >> 4]));
    const most = [0, 1].map(axis => Math.max(...factors.map(pair => pair[axis])));
    if (factors.flat().some(factor => factor < 1 || factor > 4)) throw new PictureError(DAMAGED);
    if (factors.some(pair => most[0] % pair[0] || most[1] % pair[1])) {
      throw new PictureError("has an unusual sampling of colour, which this page does not read");
    }
    this.mcus = [Math.ceil(this.height / (8 * most[0])), Math.ceil(this.width / (8 * most[1]))];
    this.components = parts.map((part, i) => {
      const [vertical, horizontal] = factors[i],
        stride = this.mcus[1] * horizontal;
      return {
        id: part[0],
        vertical,
        horizontal,
        stride,
        tableNumber: part[2],
        table: null,
        rows: Math.ceil(Math.ceil((this.height * vertical) / most[0]) / 8),
        columns: Math.ceil(Math.ceil((this.width * horizontal) / most[1]) / 8),
        coefficients: new Int16Array(64 * this.mcus[0] * vertical * stride),
        open: new Uint8Array(64).fill(NONE),
      };
    });
  }

  // Reads one scan; returns the position behind its data.
  private scan(header: Uint8Array, from: number): number {
    if (this.scans++ === MOST_SCANS) throw new PictureError(DAMAGED);
    const count = header[0];
    const parts = [...Array(count).keys()].map(i => {
      const component = this.components.find(({ id }) => id === header[1 + 2 * i]),
        numbers = header[2 + 2 * i];
      if (!component) throw new PictureError(DAMAGED);
      component.table ??= this.quantisation[component.tableNumber] ?? null;
      if (!component.table) throw new PictureError(DAMAGED);
      return { component, dc: this.huffman[numbers >> 4], ac: this.huffman[0x10 | (numbers & 15)] };
    });
    const [first, end, bits] = header.subarray(1 + 2 * count);
    const [start, last, high, low] = this.progressive ? [first, end, bits >> 4, bits & 15] : [0, 63, 0, 0];
    const mixed = this.progressive && (start === 0 ? last > 0 : count > 1);
    if (!count || start > last || last > 63 || mixed) throw new PictureError(DAMAGED);
    const { segments, stop } = this.segments(from);
    const { natural, progressive } = this;
    const { units, all } = readScan(
      { parts, progressive, start, last, high, low, natural },
      segments,
      this.interval,
      this.mcus,
    );
    if (units < all) this.cut = { units, alone: count === 1 };
    else for (const { component } of parts) component.open.fill(low, start, last + 1);
    return stop;
  }

  // The data of a scan between its restart markers, and where they end.
  private segments(from: number): { segments: Uint8Array[]; stop: number } {
    const { data } = this,
      segments = [];
    let begin = from,
      i = from;
    for (; i < data.length; i++) {
      if (data[i] !== 0xff) continue;
      let code = i + 1;
      while (data[code] === 0xff) code++;
      if (data[code] === 0) i = code;
      else if (data[code] >= 0xd0 && data[code] <= 0xd7) {
        segments.push(data.subarray(begin, i));
        begin = code + 1;
        i = code;
      } else break;
    }
    segments.push(data.subarray(begin, i));
    return { segments, stop: i };
  }

  private complete(): boolean {
    return this.scans > 0 && this.components.every(({ open }) => open.every(bits => bits === 0));
  }

  private finish(whole: boolean): JpegFile {
    const {
        components,
        cut,
        mcus: [rows, columns],
      } = this,
      all = rows * columns;
    if (!this.scans) throw new PictureError("holds no picture: use an intact copy");
    const some = components[0].open[0] !== NONE; // the first scan is whole
    const present = some ? all : cut && (!cut.alone || components.length === 1) ? cut.units : 0;
    if (present < all * (1 - MOST_ABSENT) || components.some(({ table }) => !table)) {
      throw new PictureError("holds almost nothing of the picture: use an intact copy");
    }
    const known = whole ? all : this.progressive || present === all ? 0 : present;
    const largest = (axis: "vertical" | "horizontal") => Math.max(...components.map(one => one[axis]));
    return {
      width: this.width,
      height: this.height,
      components,
      progressive: this.progressive,
      whole,
      known,
      present,
      colour: this.colour(),
      mcu: [8 * largest("vertical"), 8 * largest("horizontal")],
      exif: this.exif,
      xmp: this.xmp,
      icc: this.profile(),
    };
  }

  private profile(): Uint8Array | null {
    const { icc } = this;
    if (!icc.length || Array.from(icc).some(part => !part)) return null;
    const all = new Uint8Array(icc.reduce((sum, part) => sum + part.length, 0));
    icc.reduce((at, part) => (all.set(part, at), at + part.length), 0);
    return all;
  }

  // As libjpeg infers it from the markers and the components' ids.
  private colour(): JpegFile["colour"] {
    if (this.components.length === 1) return "gray";
    if (this.jfif) return "YCbCr";
    if (this.adobe !== null) return this.adobe === 0 ? "RGB" : "YCbCr";
    return String.fromCharCode(...this.components.map(({ id }) => id)) === "RGB" ? "RGB" : "YCbCr";
  }
}
