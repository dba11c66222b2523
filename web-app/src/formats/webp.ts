// Writes lossless WebP files with a colour profile, EXIF and XMP (RFC 9649).  The browser compresses the pixels.

import type { Metadata } from "./metadata";
import { bytes, joined } from "./png";
import type { Pixels } from "./turn";

export const WEBP_SIDE = 16383;
const ICC = 0x20,
  ALPHA = 0x10,
  EXIF = 0x08,
  XMP = 0x04;

// Returns null if this browser cannot write lossless WebP.
export async function webp({ width, height, data }: Pixels, { exif, xmp, icc }: Metadata): Promise<Blob | null> {
  const canvas = new OffscreenCanvas(width, height),
    context = canvas.getContext("2d")!;
  const image = new ImageData(width, height);
  for (let i = 0, at = 0; i < data.length; i += 3, at += 4) {
    image.data[at] = data[i];
    image.data[at + 1] = data[i + 1];
    image.data[at + 2] = data[i + 2];
    image.data[at + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  const blob = await canvas.convertToBlob({ type: "image/webp", quality: 1 });
  const picture = blob.type === "image/webp" ? stream(new Uint8Array(await blob.arrayBuffer())) : null;
  if (!picture) return null;
  const alpha = (picture[12] >> 4) & 1; // of the stream's header
  const head = new Uint8Array(10);
  head[0] = (icc ? ICC : 0) | (alpha ? ALPHA : 0) | (exif ? EXIF : 0) | (xmp ? XMP : 0);
  for (const [at, side] of [
    [4, width - 1],
    [7, height - 1],
  ])
    head.set([side, side >> 8, side >> 16], at);
  const chunks = [
    chunk("VP8X", head),
    icc && chunk("ICCP", icc),
    picture,
    exif && chunk("EXIF", exif),
    xmp && chunk("XMP ", xmp),
  ];
  const body = joined(bytes("WEBP"), ...chunks.filter(part => part !== null));
  return new Blob([chunk("RIFF", body)], { type: "image/webp" });
}

// The chunk with the lossless picture, or null.
function stream(file: Uint8Array): Uint8Array | null {
  const view = new DataView(file.buffer);
  for (let at = 12; at + 8 <= file.length;) {
    const length = view.getUint32(at + 4, true),
      next = at + 8 + length + (length & 1);
    if (bytes("VP8L").every((letter, i) => file[at + i] === letter)) return file.slice(at, next);
    at = next;
  }
  return null;
}

function chunk(kind: string, content: Uint8Array): Uint8Array<ArrayBuffer> {
  const size = new Uint8Array(4);
  new DataView(size.buffer).setUint32(0, content.length, true);
  return joined(bytes(kind), size, content, new Uint8Array(content.length & 1));
}
