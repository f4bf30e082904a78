// The wavelength axis: slider, play, and the strip above the slider, which shows how many images made each plane.

import { counted, element } from "./state.js";

/** Time of a plane while playing [ms]. */
const FRAME = 220;
const RGB = ["#e8453c", "#2fa84f", "#3f7de8"];

export class Wavelength {
  constructor({ state, picture }) {
    Object.assign(this, { state, picture });
    const slider = element("slider");
    slider.addEventListener("input", () => state.set({ z: slider.valueAsNumber, mode: "plane" }));
    element("play").addEventListener("click", () => this.toggle());
    element("strip").addEventListener("pointerdown", (event) => this.choose(event));
    state.on(["z", "cube", "mode", "colors", "range", "continuum"], () => this.show());
    new ResizeObserver(() => this.show()).observe(element("track"));
  }

  get cube() {
    return this.picture.cubes[this.state.cube];
  }

  /** Goes so many planes on. */
  step(by) {
    const last = this.cube.shape[0] - 1;
    this.state.set({ z: Math.min(last, Math.max(0, this.state.z + by)), mode: "plane" });
  }

  toggle() {
    const playing = !this.state.playing;
    this.state.set({ playing });
    element("play").textContent = playing ? "❚❚ Pause" : "▶ Play";
    element("play").setAttribute("aria-pressed", String(playing));
    if (playing) this.run();
  }

  /** Shows one plane after the other, those without data left out, each when it is there. */
  async run() {
    const withData = this.cube.images.flatMap((images, z) => (images > 0 ? [z] : []));
    while (this.state.playing && withData.length > 0) {
      const next = withData.find((z) => z > this.state.z) ?? withData[0];
      this.state.set({ z: next, mode: "plane" });
      const pause = new Promise((resolve) => setTimeout(resolve, FRAME));
      await Promise.all([this.picture.refresh(), pause]);
    }
  }

  show() {
    const { z, mode } = this.state;
    const [min, max] = this.cube.wavelengths[z];
    const center = (min + max) / 2;
    element("slider").max = String(this.cube.shape[0] - 1);
    element("slider").value = String(z);
    const words = `${center.toFixed(4)} µm, plane ${z} of ${this.cube.shape[0]}`;
    element("slider").setAttribute("aria-valuetext", words);
    const plane = `${center.toFixed(4)} µm`;
    const [title, subtitle] = this.titles(mode, z, plane);
    element("plane").replaceChildren(Object.assign(document.createElement("strong"), { textContent: title }), subtitle);
    this.drawStrip();
  }

  /** What the image shows, and more about it; over three colors the value at the pointer is that of a plane. */
  titles(mode, z, plane) {
    if (mode === "colors") return ["three colors", `value: plane ${z}, ${plane}`];
    const number = this.cube.shape[0] > 1 ? `plane ${z} of 0–${this.cube.shape[0] - 1}` : "1 plane";
    if (mode === "plane") return [plane, `${number}, ${counted(this.cube.images[z], "image")}`];
    const range = `${this.state.range.map((v) => v.toFixed(3)).join("–")} µm`;
    return [range, mode === "mean" ? "mean of planes" : "line over continuum"];
  }

  drawStrip() {
    const strip = element("strip");
    const { clientWidth: width, clientHeight: height } = strip;
    const ratio = window.devicePixelRatio || 1;
    [strip.width, strip.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    const context = strip.getContext("2d");
    context.scale(ratio, ratio);
    const style = getComputedStyle(strip);
    const most = Math.max(1, ...this.cube.images);
    const step = width / this.cube.shape[0];
    const gap = Math.min(2, step / 4);
    this.cube.images.forEach((images, z) => {
      const bar = Math.max(1.5, (images / most) * (height - 5));
      const shown = this.state.mode === "plane" && z === this.state.z;
      context.fillStyle = style.getPropertyValue(shown ? "--accent" : "--bar");
      context.fillRect(z * step + gap / 2, height - 4 - bar, step - gap, bar);
      this.marked().forEach(([color, planes]) => {
        context.fillStyle = color;
        if (planes.includes(z)) context.fillRect(z * step, height - 3, step, 3);
      });
    });
  }

  /** Colors and the planes that they stand for. */
  marked() {
    const { mode, colors, range, continuum } = this.state;
    if (mode === "colors") return colors.map((planes, k) => [RGB[k], planes]);
    if (mode !== "mean" && mode !== "line") return [];
    const around = mode === "line" ? continuum.flatMap((side) => this.cube.planesIn(side)) : [];
    return [[RGB[2], around], [RGB[0], this.cube.planesIn(range)]];
  }

  choose({ offsetX }) {
    const nz = this.cube.shape[0];
    const z = Math.floor((offsetX / element("strip").clientWidth) * nz);
    this.state.set({ z: Math.min(nz - 1, Math.max(0, z)), mode: "plane" });
  }
}
