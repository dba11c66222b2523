// Connects the elements of the page: the options, the view, the list of pictures, and the downloads.

import { setHidden } from "./focus.js";
import { showList } from "./list.js";
import { Pictures, isDone, isOpen } from "./pictures.js";
import { duration, expiry, facts, leftOut, remaining, sentence, status } from "./texts.js";
import { Viewer } from "./viewer.js";

const at = id => document.getElementById(id);
const about = await (await fetch("api/about")).json();
const pictures = new Pictures(about.limits, picture => {
  if (!isOpen(picture.right)) estimates.clear();
  showAll();
  if (picture === current) show();
});
const viewer = new Viewer({ view: at("view"), slider: at("slider"), zoom: at("zoom"), shown: at("shown") });
let current = null;

at("about").textContent = `restores over-compressed JPEGs · model ${about.model}`;
at("kept").textContent = Math.round(about.limits.kept / 60);
at("options").elements.steps.max = about.limits.steps;
at("options").elements.samples.max = about.limits.samples;

// ------------------------------------------------------------------------------------------------ adding pictures

at("files").addEventListener("change", takeFiles);
for (const name of ["dragover", "dragleave", "drop"]) document.addEventListener(name, event => {
  event.preventDefault();
  document.body.classList.toggle("over", name === "dragover");
  if (name === "drop") add(event.dataTransfer.files);
});
document.addEventListener("paste", event => add(event.clipboardData.files));

function takeFiles() {
  add(at("files").files);
  at("files").value = "";
}

function add(files) {
  const fresh = pictures.add(files);
  if (!fresh.length) return;
  select(fresh[0]);
  for (const picture of fresh) pictures.restore(picture, chosen());
}

// ------------------------------------------------------------------------------------------------ options

function chosen() {
  const form = new FormData(at("options")), query = new URLSearchParams();
  const mode = form.get("mode"), random = mode === "natural" || mode === "sample";
  const unused = new Set([...random ? [] : ["samples"], ...mode === "decode" ? ["steps"] : [],
    ...mode === "natural" ? [] : ["texture"], ...mode === "sample" ? [] : ["sampler", "process", "start"]]);
  for (const [key, value] of form) {
    if (value === "" || key === "force" || unused.has(key)) continue;
    query.set(key, value);
  }
  if (form.get("force")) query.set("force", "1");
  return query;
}

at("options").addEventListener("submit", event => {
  event.preventDefault();
  if (current) pictures.restore(current, chosen());
});
at("again-all").addEventListener("click", () => {
  if (at("options").reportValidity()) pictures.list.forEach(picture => pictures.restore(picture, chosen()));
});
at("options").addEventListener("input", () => {
  at("strength-shown").value = `${Math.round(100 * at("options").elements.strength.value)} %`;
  showOptions();
});

// What the buttons would do, and how long that would take.
async function showOptions() {
  const query = chosen(), picture = current, there = picture && pictures.find(picture, query);
  const kept = isOpen(there) || isDone(there), shown = kept && there === current.right;
  at("again").disabled = !current;
  at("again").ariaDisabled = String(shown);
  at("again").textContent = shown ? "Restored with these options" : kept ? "Show this restoration"
    : there ? "Restore again" : current?.restorations.length ? "Restore with these options" : "Restore";
  at("again-all").hidden = pictures.list.length < 2;
  at("again-all").textContent = `Restore all ${pictures.list.length}`;
  const sizes = pictures.list.map(picture => picture.pixels), all = sizes.reduce((sum, pixels) => sum + pixels, 0);
  const several = sizes.length > 1 && sizes.every(Boolean);
  const [one, every] = await Promise.all([estimate(current?.pixels, query), estimate(several ? all : 0, query)]);
  if (picture !== current || query.toString() !== chosen().toString()) return; // changed meanwhile
  at("cost").textContent = one.error ? `${sentence(one.error)}.` : cost(one.seconds, every.seconds);
  at("cost").hidden = !at("cost").textContent;
}

function cost(one, all) {
  const limit = about.limits.seconds;
  if (!one) return "";
  return `About ${duration(one)} for this picture${all ? `, ${duration(all)} for all` : ""}.`
    + (one > limit ? `  This server stops after ${duration(limit)}: choose fewer steps or samples, or Faithful.` : "");
}

const estimates = new Map(); // forgotten whenever a restoration ends, since the server then knows better

// { seconds } for pictures of so many pixels together, or { error } if the options do not fit together.
async function estimate(pixels, query) {
  if (!pixels) return {};
  const asked = `api/estimate?pixels=${pixels}&${query}`;
  if (estimates.has(asked)) return estimates.get(asked);
  const found = await fetch(asked).then(answer => answer.json()).catch(() => ({}));
  if (found.seconds || found.error) estimates.set(asked, found);
  return found;
}

// ------------------------------------------------------------------------------------------------ the view

function select(picture) {
  current = picture;
  for (const image of [at("before"), at("after"), at("deviation")]) setSource(image, "");
  viewer.setSize(0, 0);
  document.body.classList.toggle("busy", Boolean(picture));
  at("viewer").hidden = !picture;
  at("guess").checked = false;
  showAll();
  showOptions();
  if (!picture) return;
  at("name").textContent = picture.name;
  at("inspect").open = false;
  show();
}

function show() {
  const { left, right } = current, state = right?.state ?? {}, done = isDone(right), open = right && isOpen(right);
  at("status").textContent = status(state);
  at("time").textContent = remaining(state);
  at("error").hidden = !state.error;
  at("error").textContent = state.error ? sentence(state.error, current.name) : "";
  at("progress").hidden = !open;
  if (state.state === "running" && state.total) at("progress").value = state.done / state.total;
  else at("progress").removeAttribute("value");
  setHidden(at("cancel"), !open, [at("view"), at("remove")]);
  at("view").setAttribute("aria-busy", String(Boolean(open)));
  showChoices();
  showDownloads(right, done);
  showFacts();
  showOptions();
  setSource(at("before"), left ? sourceOf(left) : originalOf(current));
  setSource(at("after"), right ? sourceOf(right) : "");
  at("guess-label").hidden = !state.deviation;
  const guess = state.deviation && at("guess").checked;
  setSource(at("deviation"), guess ? `${right.job}/deviation` : "");
  at("legend").hidden = !guess;
  at("top").value = state.deviation_levels ?? "";
  viewer.enable(Boolean(right && sourceOf(right)));
}

// The images of a restoration, and of the file: as the server decoded it, or else as the browser does.
function sourceOf({ state, job, picture }) {
  const done = `${job}/after`;
  if (state.state === "done" || picture.shown.has(done)) return done;
  return job && state.previews ? `${job}/preview?${state.previews}` : "";
}

function originalOf(picture) {
  const known = [...picture.shown.keys()].find(address => address.endsWith("/before"));
  const done = picture.restorations.find(isDone);
  return known ?? (done ? `${done.job}/before` : picture.url);
}

// Shows an image as soon as it has been decoded, so that the view never flickers.  Results stay in the browser, so that
// they can be seen after the server has deleted them.
async function setSource(image, source) {
  if (image.dataset.source === source) return;
  image.dataset.source = source;
  if (!source) return hide(image);
  const picture = current;
  try {
    const address = picture.shown.get(source) ?? await load(source), next = new Image();
    next.src = address;
    await next.decode();
    const passing = source.includes("/preview");
    if (!passing) picture.shown.set(source, address);
    if (image.dataset.source !== source) return;
    image.src = address;
    image.dataset.shown = source;
    image.hidden = false;
    if (passing) image.decode().catch(() => {}).then(() => URL.revokeObjectURL(address));
    if (image === at("before") || !viewer.width) viewer.setSize(next.naturalWidth, next.naturalHeight);
    if (image === at("before") && !picture.pixels) {
      picture.pixels = next.naturalWidth * next.naturalHeight;
      showOptions();
    }
  } catch { // a format that browsers do not show, or a result that the server no longer has
    if (image.dataset.source !== source) return;
    hide(image);
    if (isDone(picture.right)) await pictures.available([picture.right]);
  }
}

function hide(image) {
  image.hidden = true;
  image.removeAttribute("src");
  delete image.dataset.shown;
}

async function load(source) {
  if (source.startsWith("blob:")) return source;
  const answer = await fetch(source);
  if (!answer.ok) throw new Error(answer.statusText);
  return URL.createObjectURL(await answer.blob());
}

at("guess").addEventListener("change", show);
at("cancel").addEventListener("click", () => pictures.cancel(current.right));
at("left").addEventListener("change", () => choose("left"));
at("right").addEventListener("change", () => choose("right"));

function choose(side) {
  current[side] = current.restorations[at(side).value] ?? null;
  show();
}

// The choices left and right of the divider.
function showChoices() {
  const names = current.restorations.map(({ label, state }) => {
    const shown = { failed: "failed", cancelled: "cancelled", expired: "expired" }[state.state];
    return shown ? `${label} (${shown})` : label;
  });
  const entries = names.map((name, i) => [i, name]);
  fill(at("left"), [["", "Original"], ...entries], current.restorations.indexOf(current.left));
  fill(at("right"), entries.length ? entries : [["", "…"]], current.restorations.indexOf(current.right));
}

function fill(select, entries, chosen) {
  const key = JSON.stringify(entries);
  if (select.dataset.entries !== key) { // an open list would close at every change
    select.dataset.entries = key;
    select.replaceChildren(...entries.map(([value, name]) => new Option(name, value)));
  }
  select.value = chosen < 0 ? "" : chosen;
}

// ------------------------------------------------------------------------------------------------ downloads

function showDownloads(restoration, done) {
  at("downloads").hidden = !done;
  if (!done) return;
  const reasons = restoration.state.unavailable ?? {};
  for (const button of at("downloads").querySelectorAll("button")) button.disabled = button.dataset.format in reasons;
  const remarks = [...Object.values(reasons), ...leftOut(restoration.state.left_out ?? {})];
  at("unavailable").hidden = !remarks.length;
  at("unavailable").textContent = remarks.join("  ");
  at("expiry").textContent = expiry(restoration.until);
}

// The restoration of each picture that is shown, if it is done, or else the last one that is.
const results = () => pictures.list.map(({ right, restorations }) => isDone(right) ? right : restorations.findLast(isDone))
  .filter(Boolean);

for (const button of document.querySelectorAll("#downloads button")) button.addEventListener("click", async () => {
  const [there] = await pictures.available([current.right]);
  if (there) download(`${there.job}/result?format=${button.dataset.format}`);
});
for (const button of document.querySelectorAll("#all [data-format]")) button.addEventListener("click", async () => {
  const { format } = button.dataset, wanted = await pictures.available(results());
  const fitting = wanted.filter(one => !(format in (one.state.unavailable ?? {})));
  const missing = wanted.length - fitting.length;
  at("note").hidden = !missing;
  at("note").textContent = `${missing} of ${wanted.length} results cannot be saved as ${button.textContent}: choose PNG.`;
  const jobs = fitting.map(one => `job=${one.id}`).join("&");
  if (jobs) download(`api/archive?${jobs}&format=${format}`);
});

function download(address) {
  const link = document.createElement("a");
  link.href = address;
  link.download = "";
  link.click();
}

// ------------------------------------------------------------------------------------------------ all pictures

at("remove").addEventListener("click", () => {
  const place = pictures.list.indexOf(current);
  pictures.remove(current);
  select(pictures.list[place] ?? pictures.list.at(-1) ?? null);
  if (!current) at("files").focus();
});
at("remove-all").addEventListener("click", () => {
  pictures.list.forEach(picture => pictures.remove(picture));
  select(null);
  at("files").focus();
});

function showAll() {
  at("pictures").hidden = pictures.list.length < 2;
  showList(at("list"), pictures.list, current, select);
  const ready = results().length;
  at("ready").textContent = ready ? `Download all (${ready} of ${pictures.list.length} are ready)` : "None is ready yet";
  for (const button of at("all").querySelectorAll("[data-format]")) button.disabled = !ready;
}

// ------------------------------------------------------------------------------------------------ about the file

at("inspect").addEventListener("toggle", showFacts);

async function showFacts() {
  const picture = current, done = picture?.restorations.find(isDone);
  if (!picture) return;
  at("inspect").hidden = !done && !picture.facts;
  at("inspecting").hidden = Boolean(picture.facts);
  at("facts").replaceChildren(...(picture.facts ?? []).flatMap(([name, value]) => {
    const term = document.createElement("dt"), detail = document.createElement("dd");
    term.textContent = name;
    detail.textContent = value;
    return [term, detail];
  }));
  if (picture.facts || picture.inspecting || !done || !at("inspect").open) return;
  picture.inspecting = true;
  const answer = await fetch(`${done.job}/inspect`).catch(() => null);
  picture.inspecting = false;
  if (answer?.ok) picture.facts = facts(await answer.json());
  else at("inspecting").textContent = "The server cannot examine the file at the moment.";
  if (answer?.ok && picture === current) showFacts();
}

takeFiles(); // those chosen before this script was ready
