// Mouse, touch and keys on the image: pan, zoom, the readout, regions for spectra and their handles.
//
// A mouse clicks for a circle of the usual radius, or drags one. With one finger: a tap is a click, a drag moves the image,
// a drag after a long press draws; two fingers zoom and move.

import { HandleKeys } from "./handle_keys.js";
import { shortNumber, unitOf } from "./overlay.js";
import { changed, circleAt, handles, polygonOf } from "./regions.js";
import { element, say } from "./state.js";
import { sexagesimal } from "./wcs.js";

/** A press that moves less than this is a click [CSS px]. */
const CLICK = { mouse: 4, touch: 9 };
/** Handles are caught from as far away [CSS px]. */
const CATCH = { mouse: 9, touch: 22 };
/** How long a finger has to rest to draw [ms]. */
const LONG_PRESS = 450;

export class Pointer {
  /** `spectra` takes and changes spectra. */
  constructor(canvas, { state, picture, overlay, source, meta, spectra }) {
    this.handleKeys = new HandleKeys({ state, picture, spectra });
    Object.assign(this, { canvas, state, picture, overlay, source, meta, spectra, press: null, touches: new Map(), corners: [] });
    const listen = (name, react) => canvas.addEventListener(name, react);
    listen("pointerdown", (event) => this.down(event));
    listen("pointermove", (event) => this.move(event));
    listen("pointerup", (event) => this.up(event));
    listen("pointercancel", (event) => this.lift(event));
    // A finger leaves with every tap; what it touched stays to be read.
    listen("pointerleave", ({ pointerType }) => pointerType === "touch" || this.state.cross || this.readout(null));
    listen("contextmenu", (event) => event.preventDefault());
    listen("dblclick", () => this.finish());
    listen("keydown", (event) => this.key(event));
    // The browser's own gestures (long press, tap) would swallow the next tap elsewhere.
    canvas.addEventListener("touchstart", (event) => event.preventDefault(), { passive: false });
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    state.on(["z", "mode", "array", "cube", "range", "continuum"], () => this.readout(this.under));
    state.on(["tool"], () => this.cancel());
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  down(event) {
    const at = this.place(event);
    this.canvas.setPointerCapture(event.pointerId);
    const touch = event.pointerType === "touch";
    // A finger does not move before it taps.
    this.readout(this.picture.toImage(at));
    if (touch) {
      this.touches.set(event.pointerId, at);
      if (this.touches.size > 1) {
        this.pinch();
        return;
      }
    }
    const kind = touch ? "touch" : "mouse";
    const handle = event.button === 0 && !event.shiftKey ? this.caught(at, CATCH[kind]) : null;
    // A finger that moves the image must not take a region along that only lies there.
    const grabs = handle && (!touch || handle.spectrum.id === this.state.selected);
    const panning = !grabs && (this.state.tool === "pan" || event.button !== 0 || event.shiftKey || touch);
    this.press = { from: at, last: at, kind, panning, handle, moved: false, button: event.button };
    if (touch && !handle && this.state.tool !== "pan") this.timer = setTimeout(() => this.long(), LONG_PRESS);
    this.canvas.classList.toggle("panning", panning);
    this.state.set({ cross: null });
  }

  /** A finger has rested: from now on it draws. */
  long() {
    if (!this.press || this.press.moved) return;
    this.press.panning = false;
    this.press.long = true;
    navigator.vibrate?.(15);
    this.overlay.sketch(this.drawnTo(this.press.last));
  }

  /** Two fingers: what one of them began is given up. */
  pinch() {
    clearTimeout(this.timer);
    this.press = null;
    this.overlay.sketch(null);
    const [a, b] = [...this.touches.values()];
    this.span = { middle: [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2], length: Math.hypot(a[0] - b[0], a[1] - b[1]) };
  }

  move(event) {
    const at = this.place(event);
    if (this.touches.has(event.pointerId)) this.touches.set(event.pointerId, at);
    if (this.touches.size > 1) {
      const before = this.span;
      this.pinch();
      this.picture.pan(this.span.middle[0] - before.middle[0], this.span.middle[1] - before.middle[1]);
      this.picture.zoom(this.span.length / Math.max(before.length, 1), this.span.middle);
      return;
    }
    this.readout(this.picture.toImage(at));
    const { press } = this;
    if (this.corners.length > 0) this.sketchPolygon(at);
    if (!press) return;
    press.moved ||= Math.hypot(at[0] - press.from[0], at[1] - press.from[1]) >= CLICK[press.kind];
    if (!press.moved) return;
    clearTimeout(this.timer);
    if (press.handle && !press.panning) this.spectra.preview(press.handle.spectrum, changed(press.handle.region, press.handle.k, this.skyAt(at)));
    else if (press.panning) this.picture.pan(at[0] - press.last[0], at[1] - press.last[1]);
    else if (this.state.tool !== "polygon") this.overlay.sketch(this.drawnTo(at));
    press.last = at;
  }

  /** The position on the sky of a point of the screen, rounded as positions are given. */
  skyAt(at) {
    const [ra, dec] = this.picture.cube.tan.toSky(...this.picture.toImage(at));
    return [Number(ra.toFixed(6)) % 360, Number(dec.toFixed(6))];
  }

  /** The region that was drawn from the press so far. */
  drawnTo([x, y]) {
    const { tan } = this.picture.cube;
    const [x0, y0] = this.press.from;
    const side = tan.pixelSide(...this.picture.toImage([x0, y0])) / this.picture.scale;
    const arcsec = (pixels) => Number(Math.max(Math.abs(pixels) * side, 0.01).toFixed(2));
    const [ra, dec] = this.skyAt([x0, y0]);
    if (this.state.tool === "ellipse" || this.state.tool === "box") {
      const full = this.state.tool === "box" ? 2 : 1;
      // The first size lies along the screen's horizontal, which the image's north turns.
      const sizes = [arcsec(full * (x - x0)), arcsec(full * (y - y0))];
      return { shape: this.state.tool, ra, dec, sizes, angle: this.tilt([x0, y0]) };
    }
    return circleAt([ra, dec], arcsec(Math.hypot(x - x0, y - y0)));
  }

  /** The region of a click: of the tool's shape and the usual radius, ellipses and boxes twice as wide. */
  regionAt(at) {
    const { tool, radius } = this.state;
    const [ra, dec] = this.skyAt(at);
    if (radius === null || (tool !== "ellipse" && tool !== "box")) return circleAt([ra, dec], radius);
    const full = tool === "box" ? 2 : 1;
    return { shape: tool, ra, dec, sizes: [2 * full * radius, full * radius], angle: this.tilt(at) };
  }

  /** The angle of the screen's horizontal on the sky [deg]. */
  tilt(at) {
    const { tan } = this.picture.cube;
    const [ra, dec] = tan.toSky(...this.picture.toImage(at));
    const north = tan.toPixel(ra, Math.min(dec + 1 / 3600, 90));
    const [x, y] = this.picture.toImage(at);
    const degrees = 90 - (Math.atan2(north[1] - y, north[0] - x) * 180) / Math.PI;
    return Number((((degrees % 360) + 360) % 360).toFixed(1)) % 360;
  }

  up(event) {
    const { press } = this;
    const at = this.place(event);
    if (press?.handle) {
      if (press.moved && !press.panning) this.spectra.change(press.handle.spectrum, changed(press.handle.region, press.handle.k, this.skyAt(at)));
      else if (!press.moved) this.state.set({ selected: press.handle.spectrum.id });
    } else if (press && press.button === 0) {
      const tapped = press.kind === "touch" && !press.moved && this.state.tool !== "pan";
      if (this.state.tool === "polygon" && !press.moved) this.corner(at);
      else if (press.moved && !press.panning && this.state.tool !== "polygon") this.spectra.take(this.drawnTo(at));
      else if (!press.moved && (tapped || !press.panning)) this.spectra.take(this.regionAt(press.from));
    }
    this.lift(event);
  }

  lift(event) {
    this.touches.delete(event.pointerId);
    clearTimeout(this.timer);
    this.press = null;
    this.canvas.classList.remove("panning");
    if (this.corners.length === 0) this.overlay.sketch(null);
  }

  /** Gives up what is being drawn. */
  cancel() {
    clearTimeout(this.timer);
    this.press = null;
    this.corners = [];
    this.overlay.sketch(null);
  }

  /** The handle under a point: those of the selected region, and the centers of all. */
  caught(at, near) {
    const { spectra, selected } = this.state;
    const { tan } = this.picture.cube;
    let found = null;
    for (const spectrum of spectra) {
      const places = spectrum.id === selected ? handles(spectrum.region) : [[spectrum.region.ra, spectrum.region.dec]];
      places.forEach((sky, k) => {
        const pixel = tan.toPixel(...sky);
        const [sx, sy] = pixel ? this.picture.toScreen(pixel) : [Infinity, Infinity];
        const distance = Math.hypot(sx - at[0], sy - at[1]);
        if (distance <= Math.min(near, found?.distance ?? near)) found = { spectrum, region: spectrum.region, k, distance };
      });
    }
    return found;
  }

  // ---- polygons: corner by corner

  corner(at) {
    const first = this.corners[0] && this.picture.toScreen(this.picture.cube.tan.toPixel(...this.corners[0]));
    if (this.corners.length > 2 && Math.hypot(first[0] - at[0], first[1] - at[1]) < 14) {
      this.finish();
      return;
    }
    this.corners.push(this.skyAt(at));
    this.sketchPolygon(at);
    if (this.corners.length === 1) say("Corner by corner; a double click, Enter or the first corner ends the polygon");
  }

  sketchPolygon(at) {
    this.overlay.sketch({ sketch: [...this.corners, this.skyAt(at)] });
  }

  finish() {
    // The second press of a double click has put a corner on the last.
    const corners = this.corners.filter((corner, k, all) => k === 0 || String(corner) !== String(all[k - 1]));
    if (corners.length < 3) return;
    this.cancel();
    this.spectra.take(polygonOf(corners));
  }

  /** The wheel zooms; turned sideways, or with Shift, it moves the image. */
  wheel(event) {
    event.preventDefault();
    const { deltaX, deltaY, shiftKey } = event;
    const lines = event.deltaMode === 1 ? 25 : 1;
    if (shiftKey || Math.abs(deltaX) > Math.abs(deltaY)) {
      const { nx, ny } = this.picture.planes;
      const [turn, along] = [deltaX || deltaY, ny > nx ? 1 : 0];
      const by = shiftKey ? [0, 1].map((axis) => (axis === along ? turn : 0)) : [deltaX, deltaY];
      this.picture.pan(-lines * by[0], -lines * by[1]);
      return;
    }
    this.picture.zoom(Math.exp(-deltaY * lines * 0.002), this.place(event));
  }

  /** Arrows move the active handle or else the cross, Enter takes the spectrum there, puts a corner or ends a polygon, Delete removes the region. */
  key(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const step = steps[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (this.handleKeys.key(event, step)) {
      // Nothing else is to be done.
    } else if (step) {
      const far = event.shiftKey ? 10 : 1;
      const [x, y] = this.state.cross ?? this.picture.middle.map(Math.round);
      this.cross([x + far * step[0], y + far * step[1]]);
    } else if ((event.key === "Enter" || event.key === " ") && this.state.cross) {
      const at = this.picture.toScreen(this.state.cross);
      if (this.state.tool !== "polygon") this.spectra.take(this.regionAt(at));
      else if (this.corners.length > 2 && String(this.corners.at(-1)) === String(this.skyAt(at))) this.finish();
      else this.corner(at);
    } else if (event.key === "Enter" && this.corners.length > 2) {
      this.finish();
    } else if ((event.key === "Delete" || event.key === "Backspace") && this.state.selected !== null) {
      this.spectra.remove({ id: this.state.selected });
    } else if (event.key === "Escape") {
      this.cancel();
      this.state.set({ cross: null, selected: null });
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  /** Puts the cross on a pixel, and the pixel on the screen. */
  cross(pixel) {
    const [, ny, nx] = this.picture.cube.shape;
    const at = [Math.min(nx - 1, Math.max(0, pixel[0])), Math.min(ny - 1, Math.max(0, pixel[1]))];
    this.state.set({ cross: at });
    const [sx, sy] = this.picture.toScreen(at);
    const inside = sx > 20 && sy > 20 && sx < this.picture.width - 20 && sy < this.picture.height - 20;
    if (!inside) this.picture.show(at);
    this.readout(at);
  }

  /** Says where a pixel position is, and asks for what its pixel holds. */
  readout(at) {
    this.under = at;
    const pixel = at?.map((v) => Math.floor(v + 0.5));
    if (!at || !this.picture.cube.holds(at)) {
      for (const id of ["at-sky", "at-degrees", "at-pixel", "at-value"]) element(id).textContent = "–";
      element("at-value").classList.remove("pending");
      this.shown = null;
      return;
    }
    const [ra, dec] = this.picture.cube.tan.toSky(...at);
    element("at-sky").textContent = sexagesimal([ra, dec]);
    element("at-degrees").textContent = `${ra.toFixed(6)} ${dec < 0 ? "−" : "+"}${Math.abs(dec).toFixed(6)}`;
    element("at-pixel").textContent = `${at[0].toFixed(2)}, ${at[1].toFixed(2)}`;
    this.value(pixel);
  }

  /** What a value is of. */
  keyOf(pixel) {
    const { cube, z, mode, range, continuum } = this.state;
    return String([cube, z, mode, range, continuum, pixel]);
  }

  /** Shows the voxel; while one is on its way, only the latest of further ones is asked for. */
  async value(pixel) {
    // Until it comes, the value that stands there is that of another pixel.
    element("at-value").classList.toggle("pending", this.keyOf(pixel) !== this.shown);
    this.next = pixel;
    if (this.asking) return;
    this.asking = true;
    while (this.next) {
      const [x, y] = this.next;
      this.next = null;
      try {
        const words = await this.wordsOf(x, y);
        if (this.next || !this.under) continue;
        element("at-value").textContent = words;
        element("at-value").classList.remove("pending");
        this.shown = this.keyOf([x, y]);
      } catch (error) {
        element("at-value").textContent = error.message;
        element("at-value").classList.remove("pending");
      }
    }
    this.asking = false;
  }

  async wordsOf(x, y) {
    const { cube, z, mode } = this.state;
    if (mode === "mean" || mode === "line") {
      const [value] = await this.source.read(cube, this.picture.images()[0], { x, y, width: 1, height: 1, bin: 1 });
      return Number.isFinite(value) ? `${shortNumber(value)} ${unitOf(this.state)}` : "no data";
    }
    const { sci, error, count, or_mask } = await this.source.pixel(cube, z, x, y);
    const names = this.meta.flags.filter(([bit]) => (or_mask >>> bit) & 1).map(([, name]) => name);
    const flags = names.length > 0 ? `, flags ${names.join(" ")}` : "";
    const value = sci === null ? "no data" : `${shortNumber(sci)} ± ${shortNumber(error)} MJy/sr`;
    return `${value}, ${count} counts${flags}`;
  }
}
