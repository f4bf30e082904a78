// The spectra as a plot: values with error bars, the widths of the planes, and counts below.

import { shortNumber } from "./overlay.js";

/** What can be plotted: field, field of the error, axis label, and units from the smallest [how many of the first]. */
export const QUANTITIES = {
  flux: ["flux", "flux_error", "Flux density", [["µJy", 1], ["mJy", 1e3], ["Jy", 1e6]]],
  surface_brightness: ["surface_brightness", "surface_brightness_error", "Surface brightness", [["MJy/sr", 1]]],
};
/** Margins, and the height of the counts and of the gap above them, for letters of 12 px. */
const MARGIN = { left: 66, right: 14, top: 12, bottom: 38 };
const COUNTS = 40;
const GAP = 12;

export class Plot {
  constructor(canvas, state, meta) {
    Object.assign(this, { canvas, state, meta, hover: null });
    state.on(["spectra", "quantity", "z"], () => this.draw());
    new ResizeObserver(() => this.draw()).observe(canvas.parentElement);
    canvas.addEventListener("click", (event) => this.choose(event));
    canvas.addEventListener("pointermove", (event) => this.point(event));
    canvas.addEventListener("pointerleave", () => this.point(null));
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.canvas.parentElement;
    const ratio = window.devicePixelRatio || 1;
    [this.canvas.width, this.canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    const context = this.canvas.getContext("2d");
    const style = getComputedStyle(this.canvas);
    this.ink = (name) => style.getPropertyValue(`--${name}`).trim();
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.font = `${style.fontSize} ${style.fontFamily}`;
    const size = parseFloat(style.fontSize) / 12;
    this.size = size;
    this.box = {
      left: MARGIN.left * size,
      right: width - MARGIN.right,
      top: MARGIN.top,
      bottom: height - (MARGIN.bottom + COUNTS + GAP) * size,
      floor: height - MARGIN.bottom * size,
    };
    if (this.box.bottom - this.box.top < 40) return;
    this.measure();
    this.drawAxes(context);
    this.drawCounts(context);
    context.save();
    context.beginPath();
    context.rect(this.box.left, this.box.top - 4, this.box.right - this.box.left, this.box.floor - this.box.top + 4);
    context.clip();
    for (const spectrum of this.state.spectra) this.drawSpectrum(context, spectrum);
    context.restore();
    if (this.state.spectra.length === 0) this.drawHint(context);
    if (this.hover) this.drawHover(context);
  }

  /** Points with a value: plane, wavelength, value, error, whether all pixels have data. */
  points({ report }) {
    const [field, error] = QUANTITIES[this.state.quantity];
    const seen = report.points.filter((point) => point[field] !== null);
    return seen.map((point) => ({
      point,
      wavelength: point.wavelength,
      value: point[field] / this.unit[1],
      error: point[error] / this.unit[1],
      whole: point.n_pixels === point.n_pixels_total,
    }));
  }

  /** Finds the ranges of both axes and the way from values to the screen. */
  measure() {
    const { left, right, top, bottom, floor } = this.box;
    const edges = this.meta.wavelengths;
    const [first, last] = [edges[0][0], edges[edges.length - 1][1]];
    const [field, , , units] = QUANTITIES[this.state.quantity];
    const values = this.state.spectra.flatMap(({ report }) => report.points.map((point) => Math.abs(point[field] ?? 0)));
    this.unit = units.findLast(([, size]) => size <= Math.max(...values) / 5) ?? units[0];
    const all = this.state.spectra.flatMap((spectrum) => this.points(spectrum));
    let low = Math.min(0, ...all.map(({ value, error }) => value - (error || 0)));
    let high = Math.max(0, ...all.map(({ value, error }) => value + (error || 0)));
    if (!(high > low)) [low, high] = [0, 1];
    const pad = 0.06 * (high - low);
    [low, high] = [low < 0 ? low - pad : 0, high + pad];
    const counts = this.state.spectra.flatMap(({ report }) => report.points.map((point) => point.count));
    const most = Math.max(1, ...counts);
    Object.assign(this, { first, last, low, high, most });
    this.x = (wavelength) => left + ((wavelength - first) / (last - first)) * (right - left);
    this.y = (value) => bottom - ((value - low) / (high - low)) * (bottom - top);
    this.yCount = (count) => floor - (count / most) * COUNTS * this.size;
  }

  drawAxes(context) {
    const { left, right, top, bottom, floor } = this.box;
    const [min, max] = this.meta.wavelengths[this.state.z];
    context.fillStyle = this.ink("band");
    context.fillRect(this.x(min), top, Math.max(2, this.x(max) - this.x(min)), floor - top);
    context.strokeStyle = this.ink("grid");
    context.fillStyle = this.ink("text-soft");
    context.lineWidth = 1;
    context.textAlign = "right";
    for (const tick of ticks(this.low, this.high, (bottom - top) / (42 * this.size))) {
      line(context, left, this.y(tick), right, this.y(tick));
      context.fillText(shortNumber(tick), left - 8, this.y(tick) + 4);
    }
    context.textAlign = "center";
    for (const tick of ticks(this.first, this.last, (right - left) / (80 * this.size))) {
      line(context, this.x(tick), floor, this.x(tick), floor + 5);
      context.fillText(shortNumber(tick), this.x(tick), floor + 5 + 13 * this.size);
    }
    context.fillText("Wavelength (µm)", (left + right) / 2, floor + 4 + 30 * this.size);
    const tall = bottom - top > 150 * this.size;
    const label = tall ? `${QUANTITIES[this.state.quantity][2]} (${this.unit[0]})` : this.unit[0];
    for (const [words, y] of [[label, (top + bottom) / 2], ["Counts", floor - (COUNTS * this.size) / 2]]) {
      context.save();
      context.translate(13 * this.size, y);
      context.rotate(-Math.PI / 2);
      context.fillText(words, 0, 0);
      context.restore();
    }
    context.textAlign = "right";
    context.fillText(shortNumber(this.most), left - 8, floor - (COUNTS - 8) * this.size);
    context.fillText("0", left - 8, floor + 2);
    context.strokeStyle = this.ink("axis");
    line(context, left, floor, right, floor);
    if (this.low < 0) line(context, left, this.y(0), right, this.y(0));
    context.textAlign = "left";
  }

  drawSpectrum(context, spectrum) {
    const points = this.points(spectrum);
    context.strokeStyle = spectrum.color;
    context.globalAlpha = 0.45;
    context.lineWidth = 1.5;
    context.beginPath();
    points.forEach(({ point, wavelength, value }, k) => {
      const joined = k > 0 && points[k - 1].point.plane === point.plane - 1;
      context[joined ? "lineTo" : "moveTo"](this.x(wavelength), this.y(value));
    });
    context.stroke();
    context.globalAlpha = 1;
    for (const { point, wavelength, value, error, whole } of points) {
      const [x, y] = [this.x(wavelength), this.y(value)];
      line(context, this.x(point.wavelength_min), y, this.x(point.wavelength_max), y);
      line(context, x, this.y(value - error), x, this.y(value + error));
      context.beginPath();
      context.arc(x, y, 3.2 * this.size, 0, 2 * Math.PI);
      context.fillStyle = whole ? spectrum.color : this.ink("panel");
      context.fill();
      context.stroke();
    }
  }

  drawCounts(context) {
    for (const { report, color } of this.state.spectra) {
      context.strokeStyle = color;
      context.lineWidth = 1.5;
      context.beginPath();
      for (const { wavelength_min, wavelength_max, count } of report.points) {
        context.lineTo(this.x(wavelength_min), this.yCount(count));
        context.lineTo(this.x(wavelength_max), this.yCount(count));
      }
      context.stroke();
    }
  }

  drawHint(context) {
    const { left, right, top, bottom } = this.box;
    context.fillStyle = this.ink("text-soft");
    context.textAlign = "center";
    context.fillText("Click on the image, or drag a circle, for a spectrum", (left + right) / 2, (top + bottom) / 2);
    context.textAlign = "left";
  }

  /** The plane under the pointer, and the point nearest to it. */
  point(event) {
    this.hover = null;
    if (event && this.x) {
      const box = this.canvas.getBoundingClientRect();
      const [x, y] = [event.clientX - box.left, event.clientY - box.top];
      const all = this.state.spectra.flatMap((spectrum) =>
        this.points(spectrum).map((found) => ({ ...found, color: spectrum.color, label: spectrum.label })),
      );
      const distance = (found) => Math.hypot(this.x(found.wavelength) - x, this.y(found.value) - y);
      const nearest = all.sort((a, b) => distance(a) - distance(b))[0];
      if (nearest && distance(nearest) < 30) this.hover = nearest;
    }
    this.draw();
  }

  drawHover(context) {
    const { label, wavelength, value, error, point, color } = this.hover;
    const lines = [
      `${label}: ${shortNumber(value)} ± ${shortNumber(error)} ${this.unit[0]}`,
      `${shortNumber(wavelength)} µm, plane ${point.plane}`,
      `${point.n_pixels} of ${point.n_pixels_total} pixels, ${point.count} counts`,
    ];
    const width = Math.max(...lines.map((words) => context.measureText(words).width)) + 20;
    const leading = 16 * this.size;
    const height = 3 * leading + 12;
    const x = Math.min(Math.max(this.x(wavelength) + 12, this.box.left), this.box.right - width);
    const y = Math.min(Math.max(this.y(value) - height - 8, this.box.top), this.box.floor - height);
    context.fillStyle = this.ink("panel");
    context.strokeStyle = color;
    context.lineWidth = 1.5;
    context.beginPath();
    context.roundRect(x, y, width, height, 6);
    context.fill();
    context.stroke();
    context.fillStyle = this.ink("text");
    lines.forEach((words, k) => context.fillText(words, x + 10, y + 3 + leading * (k + 0.85)));
  }

  /** Shows the plane that was clicked at. */
  choose(event) {
    const box = this.canvas.getBoundingClientRect();
    const { left, right } = this.box;
    const part = (event.clientX - box.left - left) / (right - left);
    const wavelength = this.first + part * (this.last - this.first);
    const z = this.meta.wavelengths.findIndex(([min, max]) => wavelength >= min && wavelength < max);
    if (z >= 0) this.state.set({ z, mode: "plane" });
  }
}

/** Round numbers between two ends, about `count` of them. */
export function ticks(low, high, count) {
  const rough = (high - low) / Math.max(count, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((k) => k * power >= rough);
  const found = [];
  for (let k = Math.ceil(low / step); k * step <= high; k += 1) found.push(Number((k * step).toPrecision(12)));
  return found;
}

function line(context, x0, y0, x1, y1) {
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
}
