// EXIF, XMP and orientation of a picture that is saved upright, as in driftrec.picture.exif.

const ORIENTATION = 0x0112,
  SHORT = 3;

export interface Metadata {
  exif: Uint8Array | null; // the block, from its byte order on
  xmp: Uint8Array | null;
  icc: Uint8Array | null;
}

// The positions of the orientation's entries in an EXIF block; null if it has no readable directory.
function entries(exif: Uint8Array): { view: DataView; little: boolean; found: number[] } | null {
  const view = new DataView(exif.buffer, exif.byteOffset, exif.length),
    order = exif.length > 8 ? view.getUint16(0) : 0;
  if (order !== 0x4949 && order !== 0x4d4d) return null;
  const little = order === 0x4949,
    start = view.getUint32(4, little);
  if (start + 2 > exif.length) return null;
  const count = view.getUint16(start, little),
    found = [];
  for (let at = start + 2; at < start + 2 + 12 * count && at + 12 <= exif.length; at += 12) {
    if (view.getUint16(at, little) === ORIENTATION) found.push(at);
  }
  return { view, little, found };
}

// The orientation, 1 to 8, that a block gives; 1 if it is absent or broken.
export function orientation(exif: Uint8Array | null): number {
  const directory = exif && entries(exif);
  if (!directory?.found.length) return 1;
  const {
    view,
    little,
    found: [at],
  } = directory;
  const value = view.getUint16(at + 2, little) === SHORT ? view.getUint16(at + 8, little) : 1;
  return value >= 1 && value <= 8 ? value : 1;
}

// The metadata with orientation 1; a block without a readable directory is left out.
export function upright({ exif, xmp, icc }: Metadata): Metadata {
  const block = exif?.slice() ?? null,
    directory = block && entries(block);
  for (const at of directory?.found ?? []) {
    const { view, little } = directory!;
    view.setUint16(at + 2, SHORT, little);
    view.setUint32(at + 4, 1, little);
    view.setUint16(at + 8, 1, little);
    view.setUint16(at + 10, 0, little);
  }
  return { exif: directory ? block : null, xmp: xmp && uprightXmp(xmp), icc };
}

function uprightXmp(xmp: Uint8Array): Uint8Array {
  const text = new TextDecoder().decode(xmp);
  return new TextEncoder().encode(text.replace(/(tiff:Orientation(?:="|>))[2-8]/g, "$11"));
}
