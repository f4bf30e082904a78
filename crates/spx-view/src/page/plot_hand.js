// Mouse, fingers and keys on the plot.
//
// The wheel zooms in wavelength, with Shift or left of the axis in values; two fingers zoom along the axis in which they lie.
// A drag chooses a range of wavelength, of values, or both; a click shows that plane; a double click shows all again.

/** A press that moves less than this is a click [CSS px]. */
const STILL = 5;
/** A drag that is narrower than this along an axis leaves that axis alone [CSS px]. */
const NARROW = 18;
/** After this a click is no double click any more [ms]. */
const DOUBLE_CLICK = 300;
/** The narrowest range of wavelength [um]. */
const NARROWEST = 0.01;
/** A key moves the plot by this part of it, or zooms by this factor. */
const [KEY_STEP, KEY_ZOOM] = [0.1, 1.25];

export class PlotHand {
  constructor(plot) {
    const { canvas, state } = plot;
    Object.assign(this, { plot, canvas, state, fingers: new Map(), drag: null });
    const listen = (name, react) => canvas.addEventListener(name, react);
    listen("pointerdown", (event) => this.down(event));
    listen("pointermove", (event) => this.moved(event));
    listen("pointerup", (event) => this.up(event));
    listen("pointercancel", (event) => this.end(event));
    listen("pointerleave", () => this.point(null));
    listen("keydown", (event) => this.key(event));
    listen("dblclick", () => {
      clearTimeout(this.choosing);
      this.all();
    });
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    // Two fingers are of the plot; one scrolls the page, unless the plot shows a part of the values.
    canvas.addEventListener("touchstart", (event) => event.touches.length > 1 && event.preventDefault(), { passive: false });
    state.on(["valueRange"], () => {
      canvas.style.touchAction = state.valueRange ? "none" : "";
    });
  }

  all() {
    this.state.set({ plotRange: null, valueRange: null });
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  // ---- ranges

  /** Zooms in wavelength: what lies at one point of the screen comes to another. */
  zoomAcross(at, to, factor) {
    const [min, max] = this.plot.whole();
    const [from, end] = this.plot.across.zoomed(at, to, factor);
    const width = Math.min(Math.max(end - from, NARROWEST), max - min);
    const start = Math.min(Math.max(from, min), max - width);
    this.state.set({ plotRange: width > 0.999 * (max - min) ? null : [start, start + width] });
  }

  /** The same in values. */
  zoomUp(at, to, factor) {
    this.showValues(this.plot.up.zoomed(at, to, factor));
  }

  showValues(ends) {
    const range = ends.map((value) => value * this.plot.unit[1]).sort((a, b) => a - b);
    if (range.every(Number.isFinite) && range[0] < range[1]) this.state.set({ valueRange: range });
  }

  wheel(event) {
    const { plot } = this;
    if (!plot.x) return;
    event.preventDefault();
    const [x, y] = this.place(event);
    // With Shift some browsers turn the wheel sideways.
    const factor = Math.exp((event.deltaY || event.deltaX) * (event.deltaMode === 1 ? 0.05 : 0.002));
    if (event.shiftKey || x < plot.box.left) this.zoomUp(y, y, factor);
    else this.zoomAcross(x, x, factor);
  }

  // ---- pointer

  down(event) {
    if (!this.plot.x) return;
    const from = this.place(event);
    this.fingers.set(event.pointerId, from);
    this.drag = this.fingers.size === 1 ? { from, touch: event.pointerType === "touch" } : null;
    if (!this.drag?.touch) this.canvas.setPointerCapture(event.pointerId);
  }

  moved(event) {
    const at = this.place(event);
    if (this.fingers.size === 2 && this.fingers.has(event.pointerId)) {
      this.pinch(event.pointerId, at);
      return;
    }
    const { drag } = this;
    if (drag && Math.hypot(at[0] - drag.from[0], at[1] - drag.from[1]) >= STILL) {
      if (drag.touch) this.slide(at);
      else this.choose(drag.from, at);
    }
    this.point(event);
  }

  /** Two fingers zoom along the axis in which they are farther apart. */
  pinch(id, at) {
    const spread = () => {
      const [a, b] = [...this.fingers.values()];
      return [0, 1].map((axis) => ({ middle: (a[axis] + b[axis]) / 2, width: Math.abs(a[axis] - b[axis]) }));
    };
    const before = spread();
    this.fingers.set(id, at);
    const after = spread();
    const axis = before[0].width >= before[1].width ? 0 : 1;
    const zoom = axis === 0 ? "zoomAcross" : "zoomUp";
    if (before[axis].width > 10 && after[axis].width > 10) {
      this[zoom](before[axis].middle, after[axis].middle, before[axis].width / after[axis].width);
    }
  }

  /** One finger moves the ranges that two have chosen. */
  slide(to) {
    const { from } = this.drag;
    if (this.state.plotRange) this.zoomAcross(from[0], to[0], 1);
    if (this.state.valueRange) this.zoomUp(from[1], to[1], 1);
    this.drag = { ...this.drag, from: to, moved: true };
  }

  /** The part of the screen that a drag has chosen, by axis. */
  choose(from, to) {
    const { left, right, top, bottom } = this.plot.box;
    const span = (axis, min, max) => {
      const ends = [from[axis], to[axis]].map((v) => Math.min(Math.max(v, min), max)).sort((a, b) => a - b);
      return Math.abs(to[axis] - from[axis]) >= NARROW && ends[1] > ends[0] ? ends : null;
    };
    // Left of the axis values are chosen, below it wavelengths.
    const across = from[0] < left ? null : span(0, left, right);
    const up = from[1] > bottom ? null : span(1, top, bottom);
    this.plot.chosen = across || up ? { x: across, y: up } : null;
    this.drag.moved = true;
  }

  up(event) {
    const { drag, plot } = this;
    if (plot.chosen) {
      const { x, y } = plot.chosen;
      plot.chosen = null;
      if (x) this.state.set({ plotRange: x.map((at) => plot.across.value(at)) });
      if (y) this.showValues(y.map((at) => plot.up.value(at)));
    } else if (drag && !drag.moved) {
      // A second press may follow, which shows all again.
      const [x] = this.place(event);
      clearTimeout(this.choosing);
      this.choosing = setTimeout(() => this.showPlane(x), DOUBLE_CLICK);
    }
    this.end(event);
  }

  end(event) {
    this.fingers.delete(event.pointerId);
    this.drag = null;
    this.plot.chosen = null;
    this.plot.draw();
  }

  /** The point under the pointer. */
  point(event) {
    const { plot, state } = this;
    plot.hover = null;
    if (event && plot.x && !plot.chosen) {
      const [x, y] = this.place(event);
      const all = state.spectra.flatMap((spectrum) =>
        plot.points(spectrum).map((found) => ({ ...found, color: spectrum.color, label: spectrum.label })),
      );
      const distance = (found) => Math.hypot(plot.x(found.wavelength) - x, plot.y(found.value) - y);
      const nearest = all.sort((a, b) => distance(a) - distance(b))[0];
      if (nearest && distance(nearest) < 30) plot.hover = nearest;
    }
    plot.draw();
  }

  /** Shows the plane that was clicked at: of the cube that is shown, or of the first that has it. */
  showPlane(x) {
    const { cubes, across } = this.plot;
    const wavelength = across.value(x);
    const order = [cubes[this.state.cube], ...cubes];
    const cube = order.find((each) => each.planeAt(wavelength) >= 0);
    if (cube) this.state.set({ cube: cube.index, z: cube.planeAt(wavelength), mode: "plane" });
  }

  // ---- keys

  /** Arrows move, plus and minus zoom in wavelength, Shift with arrows zooms along that axis, 0 shows all. */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.plot.x) return;
    const { left, right, top, bottom } = this.plot.box;
    const [x, y] = [(left + right) / 2, (top + bottom) / 2];
    const across = (move, zoom) => this.zoomAcross(x, x - move * KEY_STEP * (right - left), KEY_ZOOM ** zoom);
    const up = (move, zoom) => this.zoomUp(y, y + move * KEY_STEP * (bottom - top), KEY_ZOOM ** zoom);
    const { shiftKey: zooms } = event;
    const act = {
      ArrowRight: () => (zooms ? across(0, -1) : across(1, 0)),
      ArrowLeft: () => (zooms ? across(0, 1) : across(-1, 0)),
      ArrowUp: () => (zooms ? up(0, -1) : up(1, 0)),
      ArrowDown: () => (zooms ? up(0, 1) : up(-1, 0)),
      "+": () => across(0, -1),
      "=": () => across(0, -1),
      "-": () => across(0, 1),
      _: () => across(0, 1),
      0: () => this.all(),
    }[event.key];
    if (!act) return;
    act();
    event.preventDefault();
    event.stopPropagation();
  }
}
