// Turns each table of one row with two pictures into a comparison under a divider.  Its headings are the labels.
import { Viewer } from "./viewer.js";

const ZOOMS = { "Fit": 0, "1×": 1, "2×": 2, "4×": 4 };

function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function compare(table, [before, after]) {
  const labels = [...table.querySelectorAll("th")].map(cell => cell.textContent.trim());
  const slider = make("input", { type: "range", min: 0, max: 100, step: 0.1, value: 50,
    "aria-label": `Position of the divider between ${labels.join(" and ")}` });
  const shown = make("output", { "aria-label": "Magnification" });
  const zoom = make("div", { role: "group", "aria-label": "Zoom" });
  for (const [label, scale] of Object.entries(ZOOMS)) {
    zoom.append(make("button", { type: "button", "data-zoom": scale, "aria-pressed": "false" }, label), " ");
  }
  const view = make("div", { class: "view", tabindex: 0, role: "group", "aria-label": labels.join(" and ") },
    make("div", { class: "stage" }, before, after), make("div", { class: "line" }));
  after.className = "over";
  const label = make("label", {}, labels[0], slider, labels[1]);
  const box = make("div", { class: "comparison" }, view, make("div", { class: "bar" }, label, zoom, shown));
  (table.closest(".md-typeset__scrollwrap") ?? table).replaceWith(box);
  new Viewer({ view, slider, zoom, shown }).setSize(before.naturalWidth, before.naturalHeight);
}

for (const table of document.querySelectorAll(".md-content table")) {
  const pictures = [...table.querySelectorAll("tbody img")];
  if (pictures.length !== 2 || table.rows.length !== 2) continue;
  Promise.all(pictures.map(picture => picture.decode())).then(() => compare(table, pictures));
}
