// Writes PNG files (W3C PNG, third edition) of 8 bits with a colour profile, EXIF and XMP.

import type { Metadata } from "./metadata";
import type { Pixels } from "./turn";

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10],
  GRAY = 0,
  RGB = 2;

export async function png({ width, height, data }: Pixels, gray: boolean, { exif, xmp, icc }: Metadata): Promise<Blob> {
  const header = new Uint8Array(13),
    view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, gray ? GRAY : RGB], 8);
  const parts: BlobPart[] = [new Uint8Array(SIGNATURE), ...chunk("IHDR", header)];
  if (icc)
    parts.push(...chunk("iCCP", joined(bytes("ICC profile\0\0"), await deflated([icc as Uint8Array<ArrayBuffer>]))));
  if (exif) parts.push(...chunk("eXIf", exif));
  if (xmp) parts.push(...chunk("iTXt", joined(bytes("XML:com.adobe.xmp\0\0\0\0\0"), xmp)));
  parts.push(...chunk("IDAT", await deflated(filtered(width, height, data, gray))), ...chunk("IEND", new Uint8Array()));
  return new Blob(parts, { type: "image/png" });
}

// The lines of a picture, each with the filter that leaves the smallest numbers: of the line to the left, above,
// both, or none.
function* filtered(width: number, height: number, data: Uint8Array, gray: boolean): Iterable<Uint8Array<ArrayBuffer>> {
  const step = gray ? 1 : 3,
    length = step * width;
  let above = new Uint8Array(length),
    line = new Uint8Array(length);
  const tries = [0, 1, 2, 3, 4].map(kind => new Uint8Array(length + 1).fill(kind, 0, 1));
  for (let row = 0; row < height; row++) {
    for (let i = 0, at = 3 * row * width; i < length; i++) line[i] = data[gray ? at + 3 * i : at + i];
    const sums = [0, 0, 0, 0, 0];
    for (let i = 0; i < length; i++) {
      const left = i < step ? 0 : line[i - step],
        up = above[i],
        corner = i < step ? 0 : above[i - step],
        value = line[i];
      for (let kind = 0; kind < 5; kind++) {
        const guess =
          kind === 0
            ? 0
            : kind === 1
              ? left
              : kind === 2
                ? up
                : kind === 3
                  ? (left + up) >> 1
                  : paeth(left, up, corner);
        const rest = (value - guess) & 255;
        tries[kind][i + 1] = rest;
        sums[kind] += rest < 128 ? rest : 256 - rest;
      }
    }
    yield tries[sums.indexOf(Math.min(...sums))].slice();
    [above, line] = [line, above];
  }
}

function paeth(left: number, up: number, corner: number): number {
  const guess = left + up - corner;
  const [a, b, c] = [Math.abs(guess - left), Math.abs(guess - up), Math.abs(guess - corner)];
  return a <= b && a <= c ? left : b <= c ? up : corner;
}

async function deflated(parts: Iterable<Uint8Array<ArrayBuffer>>): Promise<Uint8Array<ArrayBuffer>> {
  const source = parts[Symbol.iterator]();
  const stream = new ReadableStream<BufferSource>({
    pull(controller) {
      for (let i = 0; i < 64; i++) {
        const { done, value } = source.next();
        if (done) return controller.close();
        controller.enqueue(value);
      }
    },
  });
  return new Uint8Array(await new Response(stream.pipeThrough(new CompressionStream("deflate"))).arrayBuffer());
}

// ------------------------------------------------------------------------------------------------ chunks

function chunk(kind: string, content: Uint8Array): BlobPart[] {
  const head = new Uint8Array(8),
    tail = new Uint8Array(4),
    name = bytes(kind);
  new DataView(head.buffer).setUint32(0, content.length);
  head.set(name, 4);
  new DataView(tail.buffer).setUint32(0, ~crc(content, crc(name, ~0)) >>> 0);
  return [head, content as Uint8Array<ArrayBuffer>, tail];
}

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

function crc(content: Uint8Array, start: number): number {
  let sum = start;
  for (let i = 0; i < content.length; i++) sum = TABLE[(sum ^ content[i]) & 255] ^ (sum >>> 8);
  return sum;
}

export const bytes = (text: string) => Uint8Array.from(text, letter => letter.charCodeAt(0));

export function joined(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
  return all;
}
