// Bundles the page into the folder that is given; integrations/static_page.py has put the model there.

import { build } from "esbuild";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { copyFile, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";

const folder = process.argv[2],
  quick = process.argv[3] === "--quick", // compresses a little less
  here = import.meta.dirname;
const shared = join(here, "../src/driftrec/web/page"); // the look of the page of `driftrec serve`
const runtime = join(here, "node_modules/onnxruntime-web/dist");
const BUILDS = ["ort-wasm-simd-threaded", "ort-wasm-simd-threaded.jspi", "ort-wasm-simd-threaded.asyncify"];
// The largest build is for older browsers without JSPI; most of them unpack Brotli, which makes a third less of it.
const IN_BROTLI = ["runtime/ort-wasm-simd-threaded.asyncify.wasm"];

const options = {
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  outdir: folder,
  legalComments: "linked",
  logLevel: "warning",
  conditions: ["onnxruntime-web-use-extern-wasm"],
};
await build({
  ...options,
  entryPoints: [join(here, "src/page.ts"), join(here, "src/worker.ts")],
  splitting: true,
  define: { IN_BROTLI: JSON.stringify(IN_BROTLI) },
});

await mkdir(join(folder, "runtime"));
for (const name of BUILDS)
  for (const end of ["mjs", "wasm"]) {
    await copyFile(join(runtime, `${name}.${end}`), join(folder, "runtime", `${name}.${end}`));
  }
const large = [...BUILDS.map(name => `runtime/${name}.wasm`), "model/denoiser.onnx", "model/finisher.onnx"];
await Promise.all(large.map(pack));
for (const name of ["style.css", "viewer.css", "icon.svg"]) await copyFile(join(shared, name), join(folder, name));
await writeFile(join(folder, "index.html"), await page());
for (const name of ["app.css", "manifest.webmanifest", "NOTICE.txt"])
  await copyFile(join(here, "src", name), join(folder, name));
await copyFile(join(here, "../LICENSE"), join(folder, "LICENSE"));

// The service worker keeps what every visitor needs at once, and everything else when it is first asked for.
const files = (await readdir(folder, { recursive: true, withFileTypes: true }))
  .filter(entry => entry.isFile())
  .map(entry => join(entry.parentPath, entry.name))
  .sort();
const hash = createHash("sha256");
for (const file of files) hash.update(await readFile(file));
const first = ["./", "page.js", "style.css", "viewer.css", "app.css", "icon.svg", "manifest.webmanifest"];
const [, policy] = (await readFile(join(folder, "index.html"), "utf8")).match(
  /Content-Security-Policy" content="([^"]+)"/,
);
const define = { VERSION: hash.digest("hex").slice(0, 12), FIRST: first, POLICY: policy };
for (const name of Object.keys(define)) define[name] = JSON.stringify(define[name]);
await build({ ...options, format: "iife", entryPoints: [join(here, "src/service.ts")], define });

// The page, with the parts that it shares with the page of `driftrec serve`, which marks them.
async function page() {
  const served = await readFile(join(shared, "index.html"), "utf8"),
    own = await readFile(join(here, "src/index.html"), "utf8");
  return own.replace(/^ *<!-- shared: (\w+) -->\n/gm, (_, name) => {
    const [, part] = served.match(new RegExp(`<!-- shared: ${name} -->\\n(.*?) *<!-- end: ${name} -->`, "s")) ?? [];
    if (!part) throw new Error(`the page of driftrec serve has no part "${name}"`);
    return part;
  });
}

// Replaces a file by compressed ones, which the page unpacks (src/packed.ts).
async function pack(name) {
  const file = join(folder, name),
    content = await readFile(file);
  await writeFile(`${file}.gzip`, await promisify(gzip)(content, { level: 9 }));
  if (IN_BROTLI.includes(name)) await copyFile(await inBrotli(content), `${file}.brotli`);
  await rm(file);
}

// The file in Brotli; since that takes a minute, it is kept for later builds, until npm installs the packages again.
async function inBrotli(content) {
  const kept = join(here, "node_modules/.cache/driftrec"),
    quality = quick ? 9 : 10,
    file = join(kept, `${createHash("sha256").update(content).digest("hex").slice(0, 12)}-${quality}.brotli`);
  if (existsSync(file)) return file;
  await mkdir(kept, { recursive: true });
  const params = { [constants.BROTLI_PARAM_QUALITY]: quality, [constants.BROTLI_PARAM_LGWIN]: 24 };
  const part = `${file}.${process.pid}`;
  await writeFile(part, await promisify(brotliCompress)(content, { params }));
  await rename(part, file); // nothing half-written is kept
  return file;
}
