// Connects the elements of the page: the files, the options, the view and the downloads.

import { setHidden } from "../../src/driftrec/web/page/focus.js";
import { showList } from "../../src/driftrec/web/page/list.js";
import { duration, fileRows } from "../../src/driftrec/web/page/texts.js";
import { Viewer } from "../../src/driftrec/web/page/viewer.js";
import { isolated } from "./isolation";
import { Pictures, stateOf, type Picture } from "./pictures";
import type { FileFacts, Format } from "./protocol";
import type { Mode } from "./restore";

const at = <E extends HTMLElement = HTMLElement>(id: string) => document.getElementById(id) as E;
const image = (id: string) => at<HTMLImageElement>(id);
const viewer = new Viewer({ view: at("view"), slider: at("slider"), zoom: at("zoom"), shown: at("shown") });
const options = at<HTMLFormElement>("options"),
  strength = at<HTMLInputElement>("strength"),
  files = at<HTMLInputElement>("files");
let current: Picture | null = null;

await isolated(); // this may load the page again
const pictures = new Pictures(picture => {
  showEngine();
  showAll();
  if (picture && picture === current) show();
});

// ------------------------------------------------------------------------------------------------ adding pictures

files.addEventListener("change", takeFiles);
for (const name of ["dragover", "dragleave", "drop"] as const)
  document.addEventListener(name, event => {
    event.preventDefault();
    document.body.classList.toggle("over", name === "dragover");
    if (name === "drop") add(event.dataTransfer!.files);
  });
document.addEventListener("paste", event => add(event.clipboardData!.files));

function takeFiles(): void {
  add(files.files!);
  files.value = "";
}

function add(chosen: FileList): void {
  const fresh = pictures.add(chosen, mode());
  if (fresh.length) select(fresh[0]);
}

// ------------------------------------------------------------------------------------------------ options

const mode = () => new FormData(options).get("mode") as Mode;

options.addEventListener("submit", event => {
  event.preventDefault();
  if (current) pictures.want(current, mode());
});
options.addEventListener("change", event => {
  if ((event.target as HTMLInputElement).name === "mode")
    for (const picture of [...pictures.list]) pictures.want(picture, mode());
});
strength.addEventListener("input", showStrength);

// Both pictures lie on each other, so the opacity of the upper one blends them as a saved file is blended.
function showStrength(): void {
  at<HTMLOutputElement>("strength-shown").value = `${Math.round(100 * Number(strength.value))} %`;
  image("after").style.opacity = strength.value;
}

function showEngine(): void {
  at("engine").textContent = pictures.broken
    ? `This browser cannot restore pictures here: ${pictures.broken}`
    : pictures.how
      ? `Runs on this device's ${pictures.how}.`
      : "Loading the network, once …";
}

// ------------------------------------------------------------------------------------------------ the view

function select(picture: Picture | null): void {
  current = picture;
  for (const id of ["before", "after"]) setSource(image(id), "");
  viewer.setSize(0, 0);
  document.body.classList.toggle("busy", Boolean(picture));
  at("viewer").hidden = !picture;
  showAll();
  show();
}

function show(): void {
  at("inspect").hidden = !current?.facts;
  const ended = current && ["cancelled", "failed"].includes(stateOf(current)) && !current.refused;
  setHidden(at("again"), !ended, [at("view"), at("remove")]);
  if (!current) return;
  const state = stateOf(current),
    open = state === "held" || state === "running";
  const result = current.results[current.mode] ?? current.results.faithful; // a natural one begins with it
  for (const id of ["view", "how", "divide", "zoom"]) at(id).hidden = state === "failed"; // there is nothing to see
  at("name").textContent = current.name;
  at("status").textContent = status(current);
  at("time").textContent = state === "running" && current.left > 1 ? `about ${duration(current.left)} left` : "";
  at("error").hidden = !current.error;
  at("error").textContent = current.error;
  at("progress").hidden = !open;
  if (current.progress) at<HTMLProgressElement>("progress").value = current.progress;
  else at("progress").removeAttribute("value");
  setHidden(at("cancel"), !open, [at("again"), at("view"), at("remove")]);
  at("view").setAttribute("aria-busy", String(open));
  at("downloads").hidden = !current.results[current.mode];
  showFacts(current.facts);
  setSource(image("before"), state === "failed" ? "" : current.url);
  setSource(image("after"), result?.url ?? "");
  viewer.enable(Boolean(result));
}

function status(picture: Picture): string {
  const doubt = picture.results[picture.mode]?.doubtful
    ? "  It was probably edited or saved before, so more may be lost than the file says."
    : "";
  switch (stateOf(picture)) {
    case "held":
      return "Waiting for other pictures";
    case "running":
      if (!pictures.how) return "Loading the network …";
      return picture.results.faithful ? "Adding detail …" : "Restoring …";
    case "done":
      return `Restored.${picture.facts?.whole === false ? "  The file is cut short: a part of it is missing." : doubt}`;
    case "failed":
      return "Not restored";
    case "cancelled":
      return "Cancelled";
  }
}

async function setSource(element: HTMLImageElement, source: string): Promise<void> {
  if (element.dataset.source === source) return;
  element.dataset.source = source;
  if (!source) {
    element.hidden = true;
    element.removeAttribute("src");
    return;
  }
  const next = new Image();
  next.src = source;
  await next.decode().catch(() => null);
  if (element.dataset.source !== source) return;
  element.src = source;
  element.hidden = !next.naturalWidth;
  if (next.naturalWidth && (element.id === "before" || !viewer.width))
    viewer.setSize(next.naturalWidth, next.naturalHeight);
}

at("cancel").addEventListener("click", () => {
  if (current) pictures.cancel(current);
});

// ------------------------------------------------------------------------------------------------ about the file

function showFacts(facts: FileFacts | null): void {
  const rows = facts ? described(facts) : [];
  at("facts").replaceChildren(
    ...rows.flatMap(([name, value]) => {
      const term = document.createElement("dt"),
        detail = document.createElement("dd");
      term.textContent = name;
      detail.textContent = value;
      return [term, detail];
    }),
  );
  at("keeps").textContent = !facts ? "" : facts.keeps.length ? `with its ${facts.keeps.join(", ")}` : "";
}

// How much is lost below a quality.
const LOST: [number, string][] = [
  [30, "very much"],
  [60, "much"],
  [85, "some"],
  [93, "little"],
  [Infinity, "hardly any"],
];

function described(facts: FileFacts): string[][] {
  const { quality, steps, whole } = facts,
    [, lost] = LOST.find(([below]) => quality < below)!;
  const rows: string[][] = [
    ...fileRows(facts),
    ["Rounded", `in steps of ${steps[0]} to ${steps[1]} (brightness)`],
    ["Lost detail", lost],
  ];
  if (!whole) rows.push(["Damage", "the file is cut short: only what it holds is restored"]);
  return rows;
}

// ------------------------------------------------------------------------------------------------ downloads

for (const button of document.querySelectorAll<HTMLButtonElement>("#downloads button, #all [data-format]")) {
  button.addEventListener("click", async () => {
    const all = Boolean(button.closest("#all"));
    for (const picture of all ? ready() : [current!]) await download(picture, button.dataset.format as Format);
  });
}

async function download(picture: Picture, format: Format): Promise<void> {
  try {
    const blob = await pictures.save(picture, Number(strength.value), format),
      link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${picture.name.replace(/\.[^.]*$/, "")}-restored.${format}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    picture.error = "";
  } catch (error) {
    picture.error = String(error);
  }
  if (picture === current) show();
}

// ------------------------------------------------------------------------------------------------ all pictures

const ready = () => pictures.list.filter(picture => picture.results[picture.mode]);

at("remove").addEventListener("click", () => {
  const place = pictures.list.indexOf(current!);
  pictures.remove(current!);
  select(pictures.list[place] ?? pictures.list.at(-1) ?? null);
  if (!current) files.focus();
});
at("remove-all").addEventListener("click", () => {
  for (const picture of [...pictures.list]) pictures.remove(picture);
  select(null);
  files.focus();
});

function showAll(): void {
  at("pictures").hidden = pictures.list.length < 2;
  showList(at("list"), pictures.list, current, select);
  const count = ready().length;
  at("ready").textContent = count
    ? `Download all (${count} of ${pictures.list.length} are ready)`
    : "None is ready yet";
  for (const button of at("all").querySelectorAll<HTMLButtonElement>("[data-format]")) button.disabled = !count;
}

showEngine();
takeFiles(); // those chosen before this script was ready
