// Bundles the page into the folder that is given; integrations/static_page.py has put the model there.

import { build } from "esbuild";
import { createHash } from "node:crypto";
import { copyFile, mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

const folder = process.argv[2],
  here = import.meta.dirname;
const shared = join(here, "../src/driftrec/web/page"); // the look of the page of `driftrec serve`
const runtime = join(here, "node_modules/onnxruntime-web/dist");
const BUILDS = ["ort-wasm-simd-threaded", "ort-wasm-simd-threaded.jspi", "ort-wasm-simd-threaded.asyncify"];

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
await build({ ...options, entryPoints: [join(here, "src/page.ts"), join(here, "src/worker.ts")], splitting: true });

await mkdir(join(folder, "runtime"));
for (const name of BUILDS)
  for (const end of ["mjs", "wasm"]) {
    await copyFile(join(runtime, `${name}.${end}`), join(folder, "runtime", `${name}.${end}`));
  }
for (const name of ["style.css", "viewer.css", "icon.svg"]) await copyFile(join(shared, name), join(folder, name));
for (const name of ["index.html", "app.css", "manifest.webmanifest", "NOTICE.txt"])
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
