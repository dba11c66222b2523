// ONNX Runtime in the browser: WebGPU where it is, else WebAssembly with as many threads as the page may have.

import type { InferenceSession, Tensor } from "onnxruntime-web";
import type { Facts } from "./facts";
import { unpacked } from "./packed";
import type { Network } from "./restore";

type Runtime = typeof import("onnxruntime-web/wasm");

export interface Engine {
  facts: Facts;
  network: Network;
  how: string; // for people
}

const MOST_THREADS = 8; // more gain little, and each takes memory

// `device`: "gpu", "cpu", or null for the better one there is; `threads`: null for as many as useful.
export async function load(base: string, device: string | null, threads: number | null): Promise<Engine> {
  const gpu = device !== "cpu" && (await hasGpu());
  const suspends = "Suspending" in WebAssembly; // the smaller of two builds, where the browser can run it
  const [runtime, build] = !gpu
    ? [await import("onnxruntime-web/wasm"), ""]
    : suspends
      ? [(await import("onnxruntime-web/jspi")) as unknown as Runtime, ".jspi"]
      : [await import("onnxruntime-web/webgpu"), ".asyncify"];
  const { env, InferenceSession, Tensor } = runtime,
    name = `runtime/ort-wasm-simd-threaded${build}`,
    wasm = URL.createObjectURL(await unpacked(base, `${name}.wasm`, "application/wasm"));
  env.wasm.wasmPaths = { mjs: `${base}${name}.mjs`, wasm };
  env.wasm.numThreads = self.crossOriginIsolated
    ? (threads ?? Math.min(navigator.hardwareConcurrency || 1, MOST_THREADS))
    : 1;
  env.logLevel = "error";
  const facts: Facts = await (await fetch(`${base}model/facts.json`)).json();
  const open = new Map<string, Promise<InferenceSession>>();
  const opened = async (name: string) => {
    const model = await (await unpacked(base, `model/${name}.onnx`)).arrayBuffer();
    return InferenceSession.create(new Uint8Array(model), {
      executionProviders: [gpu ? "webgpu" : "wasm"],
      logSeverityLevel: 3,
    });
  };
  const session = (name: string) => {
    if (!open.has(name)) open.set(name, opened(name));
    open.get(name)!.catch(() => open.delete(name)); // the next picture tries again
    return open.get(name)!;
  };
  try {
    await session("denoiser");
  } catch (error) {
    if (!gpu) throw error;
    return load(base, "cpu", threads);
  } finally {
    URL.revokeObjectURL(wasm);
  }

  const network: Network = async (name, { residual, ratio, y, width, height }) => {
    const shape = [1, 3, height, width],
      run = await session(name);
    const results = await run.run({
      residual: new Tensor("float32", residual, shape),
      ratio: new Tensor("float32", new Float32Array([ratio]), [1]),
      y: new Tensor("float32", y, shape),
    });
    const x0: Tensor = results[run.outputNames[0]],
      data = (await x0.getData()) as Float32Array;
    x0.dispose();
    return data;
  };
  const count = env.wasm.numThreads;
  return {
    facts,
    network,
    how: gpu ? "graphics card" : count > 1 ? `processor (${count} threads)` : "processor (one thread)",
  };
}

async function hasGpu(): Promise<boolean> {
  const { gpu } = navigator as unknown as { gpu?: { requestAdapter(): Promise<unknown> } };
  return Boolean(await gpu?.requestAdapter().catch(() => null));
}
