// Sends pictures to the server's queue and updates the view from its events.  Each picture is an item:
// { file, name, job, state, source, facts, url }.

const at = id => document.getElementById(id);
const items = [];
let current = null;

const about = await (await fetch("api/about")).json();
at("about").textContent = `restores over-compressed JPEGs · model ${about.model}`;
at("options").elements.steps.max = about.limits.steps;
at("options").elements.samples.max = about.limits.samples;

// ------------------------------------------------------------------------------------------------ adding pictures

at("files").addEventListener("change", () => { add(at("files").files); at("files").value = ""; });
for (const name of ["dragover", "dragleave", "drop"]) document.addEventListener(name, event => {
  event.preventDefault();
  document.body.classList.toggle("over", name === "dragover");
  if (name === "drop") add(event.dataTransfer.files);
});
document.addEventListener("paste", event => add(event.clipboardData.files));

function add(files) {
  const fresh = [...files].map(file => ({ file, name: file.name || "pasted picture", state: {} }));
  if (!fresh.length) return;
  items.push(...fresh);
  document.body.classList.add("busy");
  select(fresh[0]);
  fresh.reduce((before, item) => before.then(() => send(item)), Promise.resolve());
}

// ------------------------------------------------------------------------------------------------ the server's queue

function chosen() {
  const form = new FormData(at("options")), query = new URLSearchParams();
  const natural = form.get("mode") === "natural", decode = form.get("mode") === "decode";
  for (const [key, value] of form) {
    if (value === "" || key === "force" || (!natural && key === "samples") || (decode && key === "steps")) continue;
    query.set(key, value);
  }
  if (form.get("force")) query.set("force", "1");
  return query;
}

async function send(item) {
  forget(item);
  const query = chosen();
  query.set("name", item.name);
  item.state = { state: "sending" };
  show();
  if (item.file.size > about.limits.bytes)
    return fail(item, `${item.name} is larger than ${Math.round(about.limits.bytes / 1e6)} MB: choose a smaller file.`);
  try {
    const answer = await fetch(`api/jobs?${query}`, { method: "POST", body: item.file });
    const state = await answer.json();
    if (!answer.ok) return fail(item, state.error);
    item.job = `api/jobs/${state.id}`;
    follow(item, state);
    if (!item.facts) inspect(item);
  } catch {
    fail(item, "The server does not answer: check that it is still running.");
  }
}

async function inspect(item) {
  const answer = await fetch(`api/inspect?name=${encodeURIComponent(item.name)}`, { method: "POST", body: item.file });
  if (answer.ok) item.facts = await answer.json();
  if (item === current) showFacts();
}

function follow(item, state) {
  item.state = state;
  item.source = new EventSource(`${item.job}/events`);
  item.source.onmessage = event => {
    item.state = JSON.parse(event.data);
    if (["done", "failed", "cancelled"].includes(item.state.state)) item.source.close();
    show();
  };
  item.source.onerror = () => {
    item.source.close();
    if (!["done", "failed", "cancelled"].includes(item.state.state)) fail(item, "The server has stopped answering.");
  };
  show();
}

function fail(item, error) {
  item.state = { ...item.state, state: "failed", error };
  show();
}

function forget(item) {
  item.source?.close();
  if (item.job) fetch(item.job, { method: "DELETE" });
  item.job = null;
}

at("cancel").addEventListener("click", () => {
  forget(current);
  current.state = { state: "cancelled" };
  show();
});
at("options").addEventListener("submit", event => { event.preventDefault(); if (current) send(current); });
at("options").elements.strength.addEventListener("input", event => {
  at("strength-shown").value = `${Math.round(100 * event.target.value)} %`;
});
addEventListener("pagehide", () => items.forEach(item => item.job && fetch(item.job, { method: "DELETE", keepalive: true })));

// ------------------------------------------------------------------------------------------------ the view

const words = {
  sending: () => "Uploading …",
  waiting: state => state.position ? `Waiting, ${state.position} ahead in the queue` : "Waiting",
  running: state => state.previews ? `Estimate ${state.previews} …` : "Reading the file …",
  done: state => state.summary,
  failed: () => "Not restored",
  cancelled: () => "Cancelled",
};

function select(item) {
  current = item;
  at("viewer").hidden = false;
  at("again").disabled = false;
  at("name").textContent = item.name;
  at("guess").checked = false;
  item.url ??= URL.createObjectURL(item.file);
  setSource(at("before"), item.url);
  showFacts();
  show();
}

function show() {
  showList();
  if (!current) return;
  const { state, job } = { state: current.state, job: current.job };
  const done = state.state === "done", open = ["sending", "waiting", "running"].includes(state.state);
  at("status").textContent = words[state.state]?.(state) ?? "";
  at("error").hidden = !state.error;
  at("error").textContent = state.error ?? "";
  at("progress").hidden = !open;
  if (state.state === "running" && state.total) at("progress").value = state.done / state.total;
  else at("progress").removeAttribute("value");
  at("cancel").hidden = !open || !job;
  at("downloads").hidden = !done;
  for (const link of at("downloads").querySelectorAll("a")) link.href = `${job}/result?format=${link.dataset.format}`;
  const estimate = done ? `${job}/after` : job && state.previews ? `${job}/preview?${state.previews}` : "";
  setSource(at("after"), estimate);
  if (done) setSource(at("before"), `${job}/before`);
  at("guess-label").hidden = !(done && state.deviation);
  setSource(at("deviation"), done && state.deviation && at("guess").checked ? `${job}/deviation` : "");
  at("slider").disabled = at("line").hidden = !estimate;
  at("view").setAttribute("aria-busy", String(open));
}

// Sets a source only after it has loaded, so that the view never flickers between estimates.
function setSource(image, source) {
  if (image.dataset.wanted === source) return;
  image.dataset.wanted = source;
  if (!source) { image.hidden = true; image.removeAttribute("src"); return; }
  const next = new Image();
  next.onload = () => {
    if (image.dataset.wanted !== source) return;
    image.src = source;
    image.hidden = false;
    if (image === at("before")) fit(next.naturalWidth, next.naturalHeight);
  };
  next.src = source;
}

const stage = at("stage");
let zoom = 0, width = 1;

function fit(naturalWidth, naturalHeight) {
  width = naturalWidth;
  stage.style.aspectRatio = `${naturalWidth} / ${naturalHeight}`;
  resize();
}

function resize() {
  stage.style.width = `${(zoom || 1) * width / devicePixelRatio}px`;
  stage.classList.toggle("enlarged", zoom > 0);
  stage.classList.toggle("pixels", zoom > 1);
}

for (const button of at("zoom").children) button.addEventListener("click", () => {
  zoom = Number(button.dataset.zoom);
  for (const other of at("zoom").children) other.setAttribute("aria-pressed", String(other === button));
  resize();
});
const move = () => stage.style.setProperty("--at", `${at("slider").value}%`);
at("slider").addEventListener("input", move);
at("guess").addEventListener("change", show);
stage.addEventListener("pointermove", event => {
  if (at("slider").disabled || (event.pointerType === "mouse" && !event.buttons)) return;
  const box = stage.getBoundingClientRect();
  at("slider").value = 100 * (event.clientX - box.left) / box.width;
  move();
});
stage.addEventListener("dragstart", event => event.preventDefault());

function showList() {
  at("list").hidden = items.length < 2;
  const marks = { done: "✓", failed: "✗", running: "…", waiting: "…", sending: "…" };
  at("list").replaceChildren(...items.map(item => {
    const entry = document.createElement("li"), button = document.createElement("button");
    button.type = "button";
    button.textContent = `${marks[item.state.state] ?? ""} ${item.name}`;
    button.setAttribute("aria-current", String(item === current));
    button.addEventListener("click", () => select(item));
    entry.append(button);
    return entry;
  }));
}

function showFacts() {
  const facts = current?.facts;
  at("inspect").hidden = !facts;
  if (!facts) return;
  const { jpeg, earlier_compression: earlier } = facts;
  const rows = { Size: `${facts.width} × ${facts.height}` };
  if (facts.bytes) rows.File = `${Math.round(facts.bytes / 1e3)} kB, ${facts.bytes_per_pixel.toFixed(2)} bytes per pixel`;
  if (jpeg) {
    rows.JPEG = `quality ${jpeg.quality_is_exact ? "" : "about "}${jpeg.quality}, ${jpeg.subsampling ?? "gray"}`
      + (jpeg.progressive ? ", progressive" : "");
  }
  rows["Saved before"] = earlier.quality
    ? `at quality ${earlier.quality} or so (${Math.round(100 * earlier.probability)} %)` : "no trace found";
  rows.Decision = facts.why;
  at("facts").replaceChildren(...Object.entries(rows).flatMap(([name, value]) => {
    const term = document.createElement("dt"), detail = document.createElement("dd");
    term.textContent = name;
    detail.textContent = value;
    return [term, detail];
  }));
}
