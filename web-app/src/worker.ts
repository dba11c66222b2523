// The worker: reads, restores and saves pictures.  To cancel, the page ends it and starts another one.

import { load, type Engine } from "./engine";
import { PictureError } from "./errors";
import { orientation, upright } from "./formats/metadata";
import { png } from "./formats/png";
import { turned, type Pixels } from "./formats/turn";
import { WEBP_SIDE, webp } from "./formats/webp";
import { decode } from "./jpeg/decode";
import { readJpeg, type JpegFile } from "./jpeg/file";
import { quality } from "./jpeg/quality";
import type { Answer, FileFacts, Request, Result } from "./protocol";
import { restore } from "./restore";

let engine: Promise<Engine>;
const say = (answer: Answer) => postMessage(answer);

self.addEventListener("message", async ({ data: request }: MessageEvent<Request>) => {
  const id = request.kind === "start" ? -1 : request.id;
  try {
    await answer(request);
  } catch (error) {
    const clause = error instanceof PictureError;
    say({ kind: "failed", id, clause, error: clause ? error.message : String((error as Error)?.message ?? error) });
  }
});

async function answer(request: Request): Promise<void> {
  if (request.kind === "start") {
    engine = load(request.base, request.device, request.threads);
    say({ kind: "ready", how: (await engine).how });
    return;
  }
  const { facts, network } = await engine,
    { id } = request;
  const bytes = new Uint8Array(await request.file.arrayBuffer()),
    file = readJpeg(bytes, facts.natural);
  if (request.kind === "inspect") {
    say({ kind: "facts", id, facts: described(file, bytes.length, facts.luma) });
  } else if (request.kind === "restore") {
    const start = performance.now();
    await restore(file, request.mode, facts, network, {
      progress: done => say({ kind: "progress", id, done, seconds: (performance.now() - start) / 1000 }),
      result: async (mode, data, doubtful) => {
        const pixels = turned({ width: file.width, height: file.height, data }, orientation(file.exif));
        say({ kind: "result", id, mode, result: await result(pixels, file, doubtful) });
      },
    });
    say({ kind: "done", id });
  } else {
    const { result, strength, format } = request,
      original = await shown(file);
    const data = new Uint8Array(await result.pixels.arrayBuffer());
    for (let i = 0; i < data.length; i++)
      data[i] = Math.round(original.data[i] + strength * (data[i] - original.data[i]));
    const pixels = { width: result.width, height: result.height, data };
    if (format === "webp" && Math.max(pixels.width, pixels.height) > WEBP_SIDE) {
      throw new PictureError(`is larger than WebP allows (${WEBP_SIDE} pixels per side): choose PNG`);
    }
    const metadata = upright(file);
    const blob =
      format === "png"
        ? await png(pixels, result.gray, metadata)
        : await webp(pixels, result.gray ? { ...metadata, icc: null } : metadata); // gray becomes three channels there
    if (!blob) throw new PictureError("cannot be saved as lossless WebP by this browser: choose PNG");
    say({ kind: "saved", id, blob });
  }
}

async function result(pixels: Pixels, file: JpegFile, doubtful: boolean): Promise<Result> {
  const gray = file.colour === "gray";
  const { width, height, data } = pixels;
  return { width, height, gray, doubtful, pixels: new Blob([data]), png: await png(pixels, gray, upright(file)) };
}

// The pixels of the file itself, upright.
async function shown(file: JpegFile): Promise<Pixels> {
  const { width, height, data } = decode(file, 1),
    size = width * height,
    pixels = new Uint8Array(3 * size);
  for (let i = 0; i < size; i++)
    for (let channel = 0; channel < 3; channel++) pixels[3 * i + channel] = data[channel * size + i];
  return turned({ width, height, data: pixels }, orientation(file.exif));
}

const SAMPLINGS: Record<string, string> = {
  "8,8": "4:4:4",
  "8,16": "4:2:2",
  "16,16": "4:2:0",
  "16,8": "4:4:0",
  "8,32": "4:1:1",
  "16,32": "4:1:0",
};

function described(file: JpegFile, bytes: number, luma: number[]): FileFacts {
  const table = file.components[0].table!,
    sideways = orientation(file.exif) >= 5;
  const [width, height] = sideways ? [file.height, file.width] : [file.width, file.height];
  const keeps = [file.exif && "EXIF", file.xmp && "XMP", file.icc && "colour profile"].filter(Boolean) as string[];
  return {
    width,
    height,
    bytes,
    ...quality(table, luma),
    progressive: file.progressive,
    whole: file.whole,
    keeps,
    sampling: file.colour === "gray" ? "gray" : (SAMPLINGS[file.mcu.join()] ?? "unusual sampling of colour"),
    steps: [Math.min(...table), Math.max(...table)],
  };
}
