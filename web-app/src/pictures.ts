// The pictures of this page, their results, and the worker that restores them one after the other.

import type { Answer, FileFacts, Format, Request, Result } from "./protocol";
import type { Mode } from "./restore";

export type State = "held" | "running" | "done" | "failed" | "cancelled";

// `right` has the shape that the list of the page of `driftrec serve` expects.
export interface Picture {
  id: number;
  file: File;
  name: string;
  url: string;
  right: { state: { state: State } };
  mode: Mode; // the one that is asked for
  progress: number;
  left: number; // seconds, 0 if not known
  error: string;
  refused: boolean; // for what the file holds, so that another try would fail as well
  facts: FileFacts | null;
  results: Partial<Record<Mode, Result & { url: string }>>;
}

export const stateOf = (picture: Picture) => picture.right.state.state;

export class Pictures {
  list: Picture[] = [];
  how = ""; // where the network runs; empty until it is ready
  broken = ""; // why it cannot run
  private worker!: Worker;
  private running: Picture | null = null;
  private last = 0;
  private readonly saving = new Map<number, { done: (blob: Blob) => void; failed: (error: string) => void }>();

  // `changed` is called with a picture whenever something about it has changed, and with null for all else.
  constructor(private readonly changed: (picture: Picture | null) => void) {
    this.start();
  }

  private start(): void {
    this.worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    this.worker.addEventListener("message", ({ data }: MessageEvent<Answer>) => this.hear(data));
    this.worker.addEventListener("error", event => this.fail(null, event.message || "the worker did not start"));
    const asked = new URLSearchParams(location.search),
      threads = Number(asked.get("threads")) || null;
    this.send({
      kind: "start",
      base: new URL("./", location.href).href.split("?")[0],
      device: asked.get("device"),
      threads,
    });
  }

  private send(request: Request): void {
    this.worker.postMessage(request);
  }

  add(files: Iterable<File>, mode: Mode): Picture[] {
    const fresh = [...files].map((file): Picture => ({
      id: this.last++,
      file,
      name: file.name || "pasted picture",
      url: URL.createObjectURL(file),
      right: { state: { state: "held" } },
      mode,
      progress: 0,
      left: 0,
      error: "",
      refused: false,
      facts: null,
      results: {},
    }));
    this.list.push(...fresh);
    for (const { id, file } of fresh) this.send({ kind: "inspect", id, file });
    this.next();
    return fresh;
  }

  // Asks for a mode of a picture, unless there is a result already.
  want(picture: Picture, mode: Mode): void {
    picture.mode = mode;
    if (!picture.refused) picture.error = "";
    const state = stateOf(picture);
    if (picture.results[mode]) {
      if (state !== "running") this.set(picture, "done");
    } else if (state === "done" || state === "cancelled" || (state === "failed" && !picture.refused)) {
      this.set(picture, "held");
    } else if (state === "running" && mode === "natural") {
      // it would end with the faithful one
      this.cancel(picture);
      this.set(picture, "held");
    }
    this.next();
    this.changed(picture);
  }

  cancel(picture: Picture): void {
    const running = picture === this.running;
    this.set(picture, picture.results[picture.mode] ? "done" : "cancelled");
    if (running) this.restart();
    this.next();
  }

  // Ends the worker, which cannot be interrupted, and starts another one.
  private restart(): void {
    this.worker.terminate();
    this.running = null;
    for (const { failed } of this.saving.values()) failed("Saving was interrupted: try again.");
    this.saving.clear();
    this.start();
    for (const { id, file, facts, error } of this.list) if (!facts && !error) this.send({ kind: "inspect", id, file });
  }

  remove(picture: Picture): void {
    this.list = this.list.filter(one => one !== picture);
    URL.revokeObjectURL(picture.url);
    for (const { url } of Object.values(picture.results)) URL.revokeObjectURL(url);
    if (picture === this.running) this.restart();
    this.next();
  }

  // The result of a picture as a file, as strong as asked for.
  save({ id, file, results, mode }: Picture, strength: number, format: Format): Promise<Blob> {
    const result = results[mode]!;
    if (format === "png" && strength === 1) return Promise.resolve(result.png);
    return new Promise((done, failed) => {
      this.saving.set(id, { done, failed });
      this.send({ kind: "save", id, file, result, strength, format });
    });
  }

  private next(): void {
    if (this.running || this.broken) return;
    const picture = this.list.find(one => stateOf(one) === "held");
    if (!picture) return;
    this.running = picture;
    picture.progress = picture.left = 0;
    this.set(picture, "running");
    this.send({ kind: "restore", id: picture.id, file: picture.file, mode: picture.mode });
  }

  private set(picture: Picture, state: State): void {
    picture.right = { state: { state } };
    this.changed(picture);
  }

  private hear(answer: Answer): void {
    if (answer.kind === "ready") {
      this.how = answer.how;
      return this.changed(null);
    }
    const picture = this.list.find(one => one.id === answer.id);
    if (answer.kind === "saved") {
      this.saving.get(answer.id)?.done(answer.blob);
      this.saving.delete(answer.id);
    } else if (answer.kind === "failed") {
      this.fail(
        picture ?? null,
        answer.clause && picture ? `${picture.name} ${answer.error}.` : answer.error,
        answer.id,
        answer.clause,
      );
    } else if (!picture) {
      return;
    } else if (answer.kind === "facts") {
      picture.facts = answer.facts;
      this.changed(picture);
    } else if (answer.kind === "progress") {
      picture.progress = answer.done;
      picture.left = (answer.seconds * (1 - answer.done)) / answer.done;
      this.changed(picture);
    } else if (answer.kind === "result") {
      picture.results[answer.mode] = { ...answer.result, url: URL.createObjectURL(answer.result.png) };
      this.changed(picture);
    } else {
      this.running = null;
      this.set(picture, picture.results[picture.mode] ? "done" : "held");
      this.next();
    }
  }

  private fail(picture: Picture | null, error: string, id = -1, refused = false): void {
    const waiting = this.saving.get(id);
    if (waiting) {
      this.saving.delete(id);
      return waiting.failed(error);
    }
    if (!picture) {
      if (id === -1) this.broken = error;
      return this.changed(null);
    }
    const lost = /memory|allocat|bad_alloc|RangeError/i.test(error);
    picture.error = lost ? `${picture.name} needs more memory than this browser gives: use a smaller picture.` : error;
    picture.refused = refused;
    if (picture === this.running) this.running = null;
    this.set(picture, "failed");
    this.next();
  }
}
