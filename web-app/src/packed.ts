// Large files, which build.mjs stores compressed: the download is small whatever the web server does.

declare const IN_BROTLI: string[]; // set by build.mjs: files that are there in Brotli, too

const format = (name: string) => (IN_BROTLI.includes(name) && unpacksBrotli() ? "brotli" : "gzip");

function unpacksBrotli(): boolean {
  try {
    return Boolean(new DecompressionStream("brotli" as CompressionFormat));
  } catch {
    return false;
  }
}

// The contents of a file, as a Blob of the given type.
export async function unpacked(base: string, name: string, type = "application/octet-stream"): Promise<Blob> {
  const packed = format(name),
    answer = await fetch(`${base}${name}.${packed}`).catch(() => null);
  if (!answer) throw new Error("A part of this page could not be loaded: connect to the internet and try again.");
  if (!answer.ok) throw new Error(`The web server answers ${answer.status} for ${name}: its files are not complete.`);
  const stream = answer.body!.pipeThrough(new DecompressionStream(packed as CompressionFormat));
  return new Response(stream, { headers: { "Content-Type": type } }).blob();
}
