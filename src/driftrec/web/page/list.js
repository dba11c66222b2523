// The list of pictures.  Its entries are changed in place, so that the keyboard's focus stays where it is.

import { marks, spoken } from "./texts.js";

const entries = new WeakMap();

// Shows the pictures; `select` is called with the one that is chosen.
export function showList(list, pictures, current, select) {
  const wanted = pictures.map(picture => {
    if (!entries.has(picture)) entries.set(picture, make(picture, select));
    const entry = entries.get(picture);
    update(entry, picture, picture === current);
    return entry;
  });
  for (const entry of [...list.children]) if (!wanted.includes(entry)) entry.remove();
  wanted.forEach((entry, i) => { if (list.children[i] !== entry) list.insertBefore(entry, list.children[i] ?? null); });
}

function make(picture, select) {
  const entry = document.createElement("li"), button = document.createElement("button");
  button.type = "button";
  button.addEventListener("click", () => select(picture));
  entry.append(button);
  return entry;
}

function update(entry, picture, isCurrent) {
  const [button] = entry.children, state = picture.right?.state.state, label = `${picture.name}, ${spoken[state] ?? "new"}`;
  button.setAttribute("aria-current", String(isCurrent));
  if (button.ariaLabel === label) return;
  button.ariaLabel = label;
  button.textContent = `${marks[state] ?? ""} ${picture.name}`;
}
