// What the page says about times, restorations and files.

// "40 s", "3 min", "1 h 20 min"; rounded, since it is an estimate.
export function duration(seconds) {
  if (seconds < 10) return `${Math.max(Math.round(seconds), 1)} s`;
  if (seconds < 57) return `${5 * Math.round(seconds / 5)} s`;
  const minutes = Math.max(Math.round(seconds / 60), 1);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

// A sentence of the server with a capital at its beginning, unless it begins with the name of a file.
export const sentence = (text, name) => name && text.startsWith(name) ? text : text[0].toUpperCase() + text.slice(1);

const modes = { natural: "Natural", faithful: "Faithful", sample: "Sample", decode: "Decode" };

const histories = {
  single: "as compressed once", resaved: "as saved again", resized: "as resized", clean: "as clean",
};

// The name of a restoration with these options: the mode, and what differs from the defaults.
export function label(query) {
  const parts = [modes[query.get("mode")]];
  if (Number(query.get("strength") ?? 1) < 1) parts.push(`strength ${Math.round(100 * query.get("strength"))} %`);
  if (query.get("texture")) parts.push(`texture ${Math.round(100 * query.get("texture"))} %`);
  if (query.get("steps")) parts.push(`${query.get("steps")} steps`);
  if (Number(query.get("samples") ?? 1) > 1) parts.push(`${query.get("samples")} samples`);
  if ((query.get("sampler") ?? "multistep") !== "multistep") parts.push(query.get("sampler"));
  if (query.get("process")) parts.push(query.get("process"));
  if (query.get("start")) parts.push(`start ${query.get("start")}`);
  if (Number(query.get("seed") ?? 0)) parts.push(`seed ${query.get("seed")}`);
  if (query.get("consistent") === "on") parts.push("always consistent");
  if (query.get("consistent") === "off") parts.push("not consistent");
  if ((query.get("history") ?? "auto") !== "auto") parts.push(histories[query.get("history")]);
  if (query.get("force")) parts.push("forced");
  return parts.join(", ");
}

const phases = { reading: "Reading the file …", restoring: "Restoring …", saving: "Saving the result …" };

const states = {
  held: () => "Waiting for other pictures",
  sending: () => "Uploading …",
  waiting: state => state.position ? `Waiting, ${state.position} ahead in the queue` : "Waiting",
  running: state => phases[state.phase] ?? "Starting …",
  done: state => state.summary,
  failed: () => "Not restored",
  cancelled: () => "Cancelled",
  expired: () => "The server has deleted its copy of this restoration: restore the picture again to download it.",
};

// What the page says about a restoration in this state.
export const status = state => states[state.state]?.(state) ?? "";

// How long it will still take; apart from the state, so that screen readers do not read out every change.
export const remaining = state => ["waiting", "running"].includes(state.state) && state.left > 0
  ? `about ${duration(state.left)} left` : "";

export const marks = {
  held: "…", sending: "…", waiting: "…", running: "…", done: "✓", failed: "✗", cancelled: "–", expired: "⌛",
};

// The same for screen readers, to whom the marks say little.
export const spoken = {
  held: "waiting", sending: "uploading", waiting: "waiting", running: "being restored", done: "restored",
  failed: "not restored", cancelled: "cancelled", expired: "deleted on the server",
};

const formats = { png: "PNG", webp: "WebP", tiff: "TIFF" };

// What of the metadata each format leaves out: one sentence per format.
export const leftOut = lost => Object.entries(lost)
  .map(([kind, parts]) => `As ${formats[kind]}, the picture loses: ${parts.join("; ")}.`);

// When the server deletes its copies.
export function expiry(until) {
  const time = new Date(until).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return `The server deletes its copies of the upload and of this result at ${time}.  Your own file stays where it is.`;
}

// Rows of the table about a file, as [name, value]; `quality` is missing if it is no JPEG.
export function fileRows({ width, height, bytes, quality, exact, sampling, progressive }) {
  const rows = [["Size", `${width} × ${height}`]];
  if (bytes) {
    const perPixel = (bytes / (width * height)).toFixed(2);
    rows.push(["File", `${Math.max(Math.round(bytes / 1e3), 1)} kB, ${perPixel} bytes per pixel`]);
  }
  if (quality) {
    rows.push(["JPEG", `quality ${exact ? "" : "about "}${quality}, ${sampling}${progressive ? ", progressive" : ""}`]);
  }
  return rows;
}

// The same, and what the server found out about the file.
export function facts({ width, height, bytes, jpeg, earlier_compression: earlier, why }) {
  const { quality, quality_is_exact: exact, subsampling, progressive } = jpeg ?? {};
  return [
    ...fileRows({ width, height, bytes, quality, exact, sampling: subsampling ?? "gray", progressive }),
    ["Saved before", earlier.quality
      ? `at quality ${earlier.quality} or so (${Math.round(100 * earlier.probability)} %)` : "no trace found"],
    ["Decision", why],
  ];
}
