// Mouse, touch and keys on the image: pan, zoom, the readout, positions and circles for spectra.

import { shortNumber } from "./overlay.js";
import { element } from "./state.js";
import { sexagesimal } from "./wcs.js";

/** A press that moves less than this is a click [CSS px]. */
const CLICK = 4;

export class Pointer {
  /** `take([x, y], pixels)` asks for a spectrum: of a circle of so many pixels, or as the state has it. */
  constructor(canvas, { state, picture, overlay, tan, source, meta, take }) {
    Object.assign(this, { canvas, state, picture, overlay, tan, source, meta, take, press: null });
    const listen = (name, react) => canvas.addEventListener(name, react);
    listen("pointerdown", (event) => this.down(event));
    listen("pointermove", (event) => this.move(event));
    listen("pointerup", (event) => this.up(event));
    listen("pointercancel", () => this.cancel());
    listen("pointerleave", () => this.state.cross || this.readout(null));
    listen("contextmenu", (event) => event.preventDefault());
    listen("keydown", (event) => this.key(event));
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    state.on(["z"], () => this.readout(this.under));
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  down(event) {
    const panning = this.state.tool === "pan" || event.button !== 0 || event.shiftKey;
    this.press = { from: this.place(event), last: this.place(event), panning, moved: false };
    this.canvas.setPointerCapture(event.pointerId);
    this.canvas.classList.toggle("panning", panning);
    this.state.set({ cross: null });
  }

  move(event) {
    const at = this.place(event);
    this.readout(this.picture.toImage(at));
    const { press } = this;
    if (!press) return;
    press.moved ||= Math.hypot(at[0] - press.from[0], at[1] - press.from[1]) >= CLICK;
    if (!press.moved) return;
    if (press.panning) {
      this.picture.pan(at[0] - press.last[0], at[1] - press.last[1]);
    } else {
      this.overlay.drag({ at: this.picture.toImage(press.from), radius: this.dragged(at) });
    }
    press.last = at;
  }

  /** The radius that was drawn so far [px of the image]. */
  dragged([x, y]) {
    const [x0, y0] = this.press.from;
    return Math.hypot(x - x0, y - y0) / this.picture.scale;
  }

  up(event) {
    const { press } = this;
    if (press && !press.panning) {
      const center = this.picture.toImage(press.from);
      this.take(center, press.moved ? this.dragged(this.place(event)) : null);
    }
    this.cancel();
  }

  cancel() {
    this.press = null;
    this.canvas.classList.remove("panning");
    this.overlay.drag(null);
  }

  wheel(event) {
    event.preventDefault();
    this.picture.zoom(Math.exp(-event.deltaY * (event.deltaMode === 1 ? 0.05 : 0.002)), this.place(event));
  }

  /** Arrows move the cross, Enter takes the spectrum there. */
  key(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const step = steps[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (step) {
      const far = event.shiftKey ? 10 : 1;
      const [x, y] = this.state.cross ?? this.picture.center.map(Math.round);
      this.cross([x + far * step[0], y + far * step[1]]);
    } else if ((event.key === "Enter" || event.key === " ") && this.state.cross) {
      this.take(this.state.cross, null);
    } else if (event.key === "Escape") {
      this.cancel();
      this.state.set({ cross: null });
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  /** Puts the cross on a pixel, and the pixel on the screen. */
  cross(pixel) {
    const [, ny, nx] = this.meta.shape;
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
    const [, ny, nx] = this.meta.shape;
    const pixel = at?.map((v) => Math.floor(v + 0.5));
    if (!at || pixel[0] < 0 || pixel[1] < 0 || pixel[0] >= nx || pixel[1] >= ny) {
      for (const id of ["at-sky", "at-degrees", "at-pixel", "at-value"]) element(id).textContent = "–";
      return;
    }
    const [ra, dec] = this.tan.toSky(...at);
    element("at-sky").textContent = sexagesimal([ra, dec]);
    element("at-degrees").textContent = `${ra.toFixed(6)} ${dec < 0 ? "−" : "+"}${Math.abs(dec).toFixed(6)}`;
    element("at-pixel").textContent = `${at[0].toFixed(2)}, ${at[1].toFixed(2)}`;
    this.value(pixel);
  }

  /** Shows the voxel; while one is on its way, only the latest of further ones is asked for. */
  async value(pixel) {
    this.next = [this.state.z, ...pixel];
    if (this.asking) return;
    this.asking = true;
    while (this.next) {
      const [z, x, y] = this.next;
      this.next = null;
      try {
        const voxel = await this.source.pixel(z, x, y);
        if (!this.next && this.under) element("at-value").textContent = this.inWords(voxel);
      } catch (error) {
        element("at-value").textContent = error.message;
      }
    }
    this.asking = false;
  }

  inWords({ sci, error, count, or_mask }) {
    const names = this.meta.flags.filter(([bit]) => (or_mask >>> bit) & 1).map(([, name]) => name);
    const flags = names.length > 0 ? `, flags ${names.join(" ")}` : "";
    const value = sci === null ? "no data" : `${shortNumber(sci)} ± ${shortNumber(error)} MJy/sr`;
    return `${value}, ${count} counts${flags}`;
  }
}
