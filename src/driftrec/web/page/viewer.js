// Compares two pictures of the same size under a divider.  The wheel and two fingers zoom to the pointer, dragging moves
// an enlarged picture, and the divider keeps its place in the visible part of the picture.
//
// `view` is the visible box, with a `.stage` (the images, of which `.over` ones are shown right of the divider) and a
// `.line` (the divider); `slider`, a range from 0 to 100, is the divider's place; `zoom` holds a button for each
// magnification, in screen pixels per pixel of the picture (0: the whole picture); `shown` tells the magnification.

const LARGEST = 16, STEP = 1.25, ARROW = 40, LOWEST = 240;
const between = (low, value, high) => Math.min(Math.max(value, low), high);

export class Viewer {
  constructor({ view, slider, zoom, shown }) {
    Object.assign(this, { view, slider, zoom, shown });
    this.stage = view.querySelector(".stage");
    this.line = view.querySelector(".line");
    this.width = this.height = this.scale = 0; // of the picture in its own pixels; CSS pixels per pixel
    this.x = this.y = 0; // of the picture's corner in the view, in CSS pixels
    this.fitted = true;
    this.fingers = new Map();
    slider.addEventListener("input", () => this.draw());
    for (const button of zoom.querySelectorAll("[data-zoom]")) {
      button.addEventListener("click", () => this.magnify(Number(button.dataset.zoom)));
    }
    view.addEventListener("wheel", event => this.wheel(event), { passive: false });
    view.addEventListener("pointerdown", event => this.press(event));
    view.addEventListener("pointermove", event => this.drag(event));
    for (const name of ["pointerup", "pointercancel"]) view.addEventListener(name, event => this.release(event));
    view.addEventListener("dblclick", event => this.toggle(event));
    view.addEventListener("keydown", event => this.key(event));
    view.addEventListener("dragstart", event => event.preventDefault());
    new ResizeObserver(() => this.layout()).observe(view);
    addEventListener("resize", () => this.layout());
  }

  // Tells the size of the pictures (0 if there are none); a new size shows the whole picture.
  setSize(width, height) {
    if (width === this.width && height === this.height) return;
    Object.assign(this, { width, height, fitted: true });
    this.layout();
  }

  // Whether the divider can be moved, that is, whether there are two pictures.
  enable(enabled) {
    this.slider.disabled = this.line.hidden = !enabled;
    this.draw();
  }

  magnify(zoom) {
    if (zoom) this.zoomTo(zoom / devicePixelRatio);
    else this.fit();
  }

  fit() {
    this.fitted = true;
    this.layout();
  }

  // Changes the scale; what is shown at the point `from` of the view, by default its centre, is then shown at `to`.
  zoomTo(scale, from = { x: this.view.clientWidth / 2, y: this.view.clientHeight / 2 }, to = from) {
    if (!this.width) return;
    const next = between(this.smallest(), scale, this.largest());
    this.x = to.x - (from.x - this.x) * next / this.scale;
    this.y = to.y - (from.y - this.y) * next / this.scale;
    this.scale = next;
    this.fitted = next === this.smallest();
    this.draw();
  }

  // The scale at which the whole picture is visible, at most one screen pixel per pixel; and the largest one.
  smallest() {
    const { clientWidth, clientHeight } = this.view;
    return Math.min(1 / devicePixelRatio, clientWidth / this.width, clientHeight / this.height);
  }

  largest() {
    return Math.max(LARGEST / devicePixelRatio, this.smallest());
  }

  layout() {
    if (!this.width) return;
    const whole = Math.min(this.view.clientWidth * this.height / this.width, this.height / devicePixelRatio);
    const height = Math.min(Math.max(whole, LOWEST), 0.7 * innerHeight);
    this.view.style.height = `${Math.round(height)}px`;
    if (this.fitted) this.scale = this.smallest();
    this.scale = between(this.smallest(), this.scale, this.largest());
    this.draw();
  }

  draw() {
    if (!this.width) return;
    const { view, stage, line, scale } = this;
    const [width, height] = [this.width * scale, this.height * scale], least = this.smallest();
    this.x = place(this.x, width, this.width * least, view.clientWidth);
    this.y = place(this.y, height, this.height * least, view.clientHeight);
    const [x, y] = [onPixel(this.x), onPixel(this.y)];
    Object.assign(stage.style, { left: `${x}px`, top: `${y}px`, width: `${width}px`, height: `${height}px` });
    const { left, right } = this.visible();
    const at = left + (right - left) * this.slider.value / 100;
    stage.style.setProperty("--at", `${at - x}px`);
    const top = Math.max(this.y, 0), bottom = Math.min(this.y + height, view.clientHeight);
    Object.assign(line.style, { left: `${at}px`, top: `${top}px`, height: `${bottom - top}px` });
    const zoom = scale * devicePixelRatio;
    stage.classList.toggle("pixels", zoom >= 2);
    view.classList.toggle("enlarged", this.enlarged());
    this.shown.value = `${Math.round(100 * zoom)} %`;
    for (const button of this.zoom.querySelectorAll("[data-zoom]")) {
      const own = Number(button.dataset.zoom);
      const pressed = own ? !this.fitted && Math.abs(zoom - own) < 1e-6 : this.fitted;
      button.setAttribute("aria-pressed", String(pressed));
    }
  }

  // The left and right edge of the visible part of the picture, in the view.
  visible() {
    return { left: Math.max(this.x, 0), right: Math.min(this.x + this.width * this.scale, this.view.clientWidth) };
  }

  // Whether a part of the picture lies outside the view.
  enlarged() {
    const { clientWidth, clientHeight } = this.view;
    return this.width * this.scale > clientWidth + 0.5 || this.height * this.scale > clientHeight + 0.5;
  }

  pan(x, y) {
    this.x += x;
    this.y += y;
    this.draw();
  }

  divide(x) {
    if (this.slider.disabled) return;
    const { left, right } = this.visible();
    this.slider.value = 100 * (x - left) / (right - left);
    this.draw();
  }

  point(event) {
    const box = this.view.getBoundingClientRect();
    return { x: event.clientX - box.left - this.view.clientLeft, y: event.clientY - box.top - this.view.clientTop };
  }

  wheel(event) {
    if (!this.width) return;
    const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 0.05 : event.ctrlKey ? 0.01 : 0.002;
    const scale = between(this.smallest(), this.scale * Math.exp(-unit * event.deltaY), this.largest());
    if (scale === this.scale && !event.ctrlKey) return; // the page scrolls
    event.preventDefault();
    this.zoomTo(scale, this.point(event));
  }

  press(event) {
    if (event.button || !this.width) return;
    this.fingers.set(event.pointerId, this.point(event));
    this.onLine = this.line.contains(event.target) || !this.enlarged();
    this.view.setPointerCapture(event.pointerId);
    if (this.fingers.size === 1 && !this.enlarged() && event.pointerType === "mouse") this.divide(this.point(event).x);
  }

  drag(event) {
    const before = this.fingers.get(event.pointerId);
    if (!before) return;
    const now = this.point(event);
    if (this.fingers.size === 1) {
      if (this.onLine) this.divide(now.x);
      else this.pan(now.x - before.x, now.y - before.y);
    } else {
      const other = [...this.fingers].find(([finger]) => finger !== event.pointerId)[1];
      const spread = point => Math.hypot(point.x - other.x, point.y - other.y) || 1;
      const middle = point => ({ x: (point.x + other.x) / 2, y: (point.y + other.y) / 2 });
      this.zoomTo(this.scale * spread(now) / spread(before), middle(before), middle(now));
      this.onLine = false;
    }
    this.fingers.set(event.pointerId, now);
  }

  release(event) {
    this.fingers.delete(event.pointerId);
  }

  toggle(event) {
    const whole = this.smallest() * devicePixelRatio >= 1; // each pixel is visible already
    if (this.fitted) this.zoomTo((whole ? 4 : 1) / devicePixelRatio, this.point(event));
    else this.fit();
  }

  key(event) {
    if (event.target !== this.view || event.altKey || event.ctrlKey || event.metaKey) return;
    const far = event.shiftKey ? 5 * ARROW : ARROW;
    const arrows = { ArrowLeft: [far, 0], ArrowRight: [-far, 0], ArrowUp: [0, far], ArrowDown: [0, -far] };
    if (arrows[event.key] && this.enlarged()) this.pan(...arrows[event.key]);
    else if (event.key === "+" || event.key === "=") this.zoomTo(this.scale * STEP);
    else if (event.key === "-") this.zoomTo(this.scale / STEP);
    else if (/^[0124]$/.test(event.key)) this.magnify(Number(event.key));
    else return;
    event.preventDefault();
  }
}

// Where a picture's edge may lie in a view of the size `extent`: in the middle if all of it is shown (at the size `least`),
// and else with gaps beside it that are no larger than they are then, so that any point can stay under the pointer.
function place(at, size, least, extent) {
  const gap = (extent - least) / 2;
  return between(extent - gap - size, at, gap);
}

const onPixel = at => Math.round(at * devicePixelRatio) / devicePixelRatio;
