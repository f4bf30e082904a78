// The spectra as a plot: values with error bars, the widths of the planes, spectral features, and counts below.
// Mouse, fingers and keys on it are in plot_hand.js.

import { shortNumber } from "./overlay.js";
import { featuresAt } from "./spectral_lines.js";

/** Speed of light [um/s]. */
const LIGHT = 2.99792458e14;
const SAME = (value) => value;

/**
 * What can be plotted: field, field of the error, axis label, units from the smallest [how many of the first], and how a value
 * [uJy] at a wavelength [um] is turned into it.
 */
export const QUANTITIES = {
  flux: { field: "flux", label: "Flux density", units: [["µJy", 1], ["mJy", 1e3], ["Jy", 1e6]], of: SAME },
  ab: { field: "flux", label: "AB magnitude", units: [["mag", 1]], of: (f) => (f > 0 ? 23.9 - 2.5 * Math.log10(f) : NaN), magnitudes: true },
  flambda: {
    field: "flux",
    label: "Flux density",
    units: [["10⁻¹⁸ W/m²/µm", 1], ["10⁻¹⁵ W/m²/µm", 1e3], ["10⁻¹² W/m²/µm", 1e6]],
    of: (f, wavelength) => (f * 1e-32 * LIGHT * 1e18) / wavelength ** 2,
  },
  surface_brightness: { field: "surface_brightness", label: "Surface brightness", units: [["MJy/sr", 1]], of: SAME },
};
/** Margins, and the height of the counts and of the gap above them, for letters of 12 px. */
const MARGIN = { left: 66, right: 14, top: 12, bottom: 38 };
const COUNTS = 40;
const GAP = 12;
/** A fainter point is no detection; so far below zero, something is wrong. */
const FAINT_SIGMA = 5;
/** Classes of points, as in the figures of spx_plot, and their names; `partial`: some pixels of the region have no data. */
const CLASSES = {
  detected: `S/N ≥ ${FAINT_SIGMA}`,
  faint: `S/N < ${FAINT_SIGMA}`,
  negative: `below −${FAINT_SIGMA}σ`,
  unknown: "without error",
  partial: "pixels without data",
};

/** The class of a point. */
function classOf(flux, error, { n_pixels, n_pixels_total }) {
  if (n_pixels < n_pixels_total) return "partial";
  if (!(error > 0)) return "unknown";
  if (flux < -FAINT_SIGMA * error) return "negative";
  return flux < FAINT_SIGMA * error ? "faint" : "detected";
}
/** Height of the legend. */
const LEGEND = 17;
/** Planes whose edges are nearer, in parts of the wavelength, adjoin each other. */
const ADJOINING = 1e-6;

/** An axis: its ends, where they lie on the screen, and whether it is logarithmic. */
class Axis {
  constructor([from, to], [start, end], isLog) {
    const [scale, back] = isLog ? [Math.log, Math.exp] : [SAME, SAME];
    Object.assign(this, { from: scale(from), to: scale(to), start, end, scale, back });
    // Values that have no logarithm lie far below the axis.
    this.least = isLog ? Math.min(from, to) / 10 : -Infinity;
  }

  at(value) {
    const part = (this.scale(Math.max(value, this.least)) - this.from) / (this.to - this.from);
    return this.start + part * (this.end - this.start);
  }

  value(at) {
    return this.back(this.inner(at));
  }

  inner(at) {
    return this.from + ((at - this.start) / (this.end - this.start)) * (this.to - this.from);
  }

  /** The ends of a range wider by a factor in which what lies at one point of the screen comes to another. */
  zoomed(at, to, factor) {
    const fixed = this.inner(at);
    const moved = ((to - at) / (this.end - this.start)) * (this.to - this.from) * factor;
    return [this.from, this.to].map((end) => this.back(fixed + (end - fixed) * factor - moved));
  }
}

export class Plot {
  constructor(canvas, state, cubes) {
    Object.assign(this, { canvas, state, cubes, hover: null, chosen: null });
    const shown = ["spectra", "quantity", "z", "cube", "mode", "range", "continuum", "plotRange", "valueRange", "logX", "logY", "lines", "redshift"];
    state.on(shown, () => this.draw());
    new ResizeObserver(() => this.draw()).observe(canvas.parentElement);
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.canvas.parentElement;
    const ratio = window.devicePixelRatio || 1;
    [this.canvas.width, this.canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    const context = this.canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.drawOn(context, width, height);
    // For programs that look at the page.
    this.canvas.dataset.classes = JSON.stringify(Object.fromEntries(this.counts));
  }

  drawOn(context, width, height) {
    const style = getComputedStyle(this.canvas);
    this.ink = (name) => style.getPropertyValue(`--${name}`).trim();
    context.font = `${style.fontSize} ${style.fontFamily}`;
    const size = parseFloat(style.fontSize) / 12;
    this.size = size;
    this.counts = this.countClasses();
    this.box = {
      left: MARGIN.left * size,
      right: width - MARGIN.right,
      top: MARGIN.top + (this.counts.size > 0 ? LEGEND * size : 0),
      bottom: height - (MARGIN.bottom + COUNTS + GAP) * size,
      floor: height - MARGIN.bottom * size,
    };
    if (this.box.bottom - this.box.top < 40) return;
    this.measure();
    this.drawBands(context);
    this.drawAxes(context);
    this.clipped(context, this.box.floor, () => this.drawCounts(context));
    this.clipped(context, this.box.bottom + 4, () => {
      for (const spectrum of this.state.spectra) this.drawSpectrum(context, spectrum);
    });
    this.drawLegend(context);
    this.drawLeftOut(context);
    this.drawFeatures(context);
    if (this.state.spectra.length === 0) this.drawHint(context);
    if (this.chosen) this.drawDrag(context);
    if (this.hover) this.drawHover(context);
  }

  clipped(context, end, act) {
    const { left, right, top } = this.box;
    context.save();
    context.beginPath();
    context.rect(left, top - 4, right - left, end - top + 4);
    context.clip();
    act();
    context.restore();
  }

  /** How many points of each class there are; none where all are detected. */
  countClasses() {
    const counts = new Map();
    for (const { kind } of this.state.spectra.flatMap((spectrum) => this.points(spectrum))) counts.set(kind, (counts.get(kind) ?? 0) + 1);
    return counts.size === 1 && counts.has("detected") ? new Map() : counts;
  }

  /** Names the classes above the frame, each with its number. */
  drawLegend(context) {
    const { left, right, top } = this.box;
    const entries = Object.keys(CLASSES).filter((kind) => this.counts.has(kind)).map((kind) => [kind, `${CLASSES[kind]} (${this.counts.get(kind)})`]);
    const [mark, gap] = [12 * this.size, 14 * this.size];
    const wide = entries.reduce((sum, [, words]) => sum + mark + context.measureText(words).width + gap, -gap);
    // Set smaller where it would be cut.
    const room = Math.min(1, (right - left) / wide);
    context.save();
    context.translate(right - wide * room, top - 11 * this.size);
    context.scale(room, room);
    let x = 0;
    for (const [kind, words] of entries) {
      context.strokeStyle = this.ink("text-soft");
      this.drawMark(context, kind, [x + 4 * this.size, 0], this.ink("text-soft"));
      context.fillStyle = this.ink("text-soft");
      context.fillText(words, x + mark, 4 * this.size);
      x += mark + context.measureText(words).width + gap;
    }
    context.restore();
  }

  /** Detections are filled, fainter points open, those far below zero diamonds, without error dots, of a part of the pixels crosses. */
  drawMark(context, kind, [x, y], color) {
    const radius = 3.2 * this.size;
    const path = (...corners) => corners.forEach(([u, v], k) => context[k === 0 ? "moveTo" : "lineTo"](x + u * radius, y + v * radius));
    context.beginPath();
    if (kind === "partial") {
      path([-1, -1], [1, 1]);
      path([-1, 1], [1, -1]);
    } else if (kind === "negative") {
      path([0, -1.4], [1.2, 0], [0, 1.4], [-1.2, 0], [0, -1.4]);
    } else {
      context.arc(x, y, kind === "unknown" ? radius / 2 : radius, 0, 2 * Math.PI);
    }
    if (kind !== "partial") {
      context.fillStyle = kind === "faint" || kind === "negative" ? this.ink("panel") : color;
      context.fill();
    }
    context.stroke();
  }

  /** Points with a value: cube, plane, wavelength, value, its ends with the error, its class. */
  points({ reports }) {
    const { field, of } = QUANTITIES[this.state.quantity];
    return reports.flatMap((report, cube) =>
      (report?.points ?? []).flatMap((point) => {
        const [flux, error] = [point[field], point[`${field}_error`]];
        const at = (value) => of(value, point.wavelength) / (this.unit?.[1] ?? 1);
        if (flux === null || Number.isNaN(at(flux))) return [];
        const ends = [at(flux - error), at(flux + error)];
        const kind = classOf(flux, error, point);
        return [{ point, cube, detector: report.detector, wavelength: point.wavelength, value: at(flux), ends, kind }];
      }),
    );
  }

  /** All wavelengths. */
  whole() {
    const edges = this.cubes.flatMap(({ wavelengths }) => [wavelengths[0][0], wavelengths.at(-1)[1]]);
    return [Math.min(...edges), Math.max(...edges)];
  }

  /** Finds the ranges of both axes and the way from values to the screen. */
  measure() {
    const { left, right, top, bottom, floor } = this.box;
    const { plotRange, valueRange, logX, quantity } = this.state;
    const { units, magnitudes } = QUANTITIES[quantity];
    const [first, last] = plotRange ?? this.whole();
    this.unit = null;
    const all = this.state.spectra.flatMap((spectrum) => this.points(spectrum));
    const seen = all.filter(({ wavelength }) => wavelength >= first && wavelength <= last);
    const most = Math.max(...seen.map(({ value }) => Math.abs(value)));
    this.unit = units.findLast(([, size]) => size <= most / 5) ?? units[0];
    const values = seen.flatMap(({ value, ends }) => [value, ...ends]).filter(Number.isFinite).map((v) => v / this.unit[1]);
    // A logarithm needs values above 0; magnitudes have one already.
    this.log = this.state.logY && !magnitudes && values.some((v) => v > 0);
    let [low, high] = valueRange?.map((v) => v / this.unit[1]) ?? this.valueRange(values, magnitudes);
    // A range that was chosen on a linear axis may reach below 0.
    if (this.log && !(low > 0)) [low, high] = high > 0 ? [high / 1e3, high] : this.valueRange(values, magnitudes);
    if (magnitudes) [low, high] = [high, low];
    const counts = this.state.spectra.flatMap(({ reports }) => reports.flatMap((report) => report?.points.map(({ count }) => count) ?? []));
    Object.assign(this, { first, last, low, high, most: Math.max(1, ...counts) });
    this.across = new Axis([first, last], [left, right], logX);
    this.up = new Axis([low, high], [bottom, top], this.log);
    this.x = (wavelength) => this.across.at(wavelength);
    this.y = (value) => this.up.at(value);
    this.yCount = (count) => floor - (count / this.most) * COUNTS * this.size;
  }

  valueRange(values, magnitudes) {
    if (this.log) {
      const positive = values.filter((v) => v > 0);
      return [Math.min(...positive) / 1.3, Math.max(...positive) * (this.state.lines.length > 0 ? 3 : 1.3)];
    }
    // Zero is shown, unless the values are magnitudes.
    let [low, high] = [Math.min(...(magnitudes ? [] : [0]), ...values), Math.max(...(magnitudes ? [] : [0]), ...values)];
    if (!(high > low)) [low, high] = Number.isFinite(low) ? [low - 0.5, low + 0.5] : [0, 1];
    const pad = 0.06 * (high - low);
    // Names of features need room at the top, where magnitudes are bright.
    const room = this.state.lines.length > 0 ? 4 * pad : pad;
    return magnitudes ? [low - room, high + pad] : [low < 0 ? low - pad : 0, high + room];
  }

  /** The plane that is shown, and the ranges of a mean or a line. */
  drawBands(context) {
    const { top, floor, left, right } = this.box;
    const { mode, range, continuum, cube, z } = this.state;
    const bands = mode === "mean" || mode === "line" ? [range] : [this.cubes[cube].wavelengths[z]];
    const fill = ([min, max]) => {
      const [x0, x1] = [this.x(min), this.x(max)].map((x) => Math.min(Math.max(x, left), right));
      if (x1 > left && x0 < right) context.fillRect(x0, top, Math.max(2, x1 - x0), floor - top);
    };
    context.fillStyle = this.ink("band");
    bands.forEach(fill);
    if (mode !== "line") return;
    context.globalAlpha = 0.45;
    continuum.forEach(fill);
    context.globalAlpha = 1;
  }

  drawAxes(context) {
    const { left, right, top, bottom, floor } = this.box;
    context.strokeStyle = this.ink("grid");
    context.fillStyle = this.ink("text-soft");
    context.lineWidth = 1;
    context.textAlign = "right";
    const count = (bottom - top) / (42 * this.size);
    for (const tick of this.log ? decadeTicks(this.low, this.high) : ticks(...[this.low, this.high].sort((a, b) => a - b), count)) {
      line(context, left, this.y(tick), right, this.y(tick));
      context.fillText(shortNumber(tick), left - 8, this.y(tick) + 4);
    }
    context.textAlign = "center";
    for (const tick of ticks(this.first, this.last, (right - left) / (60 * this.size))) {
      line(context, this.x(tick), floor, this.x(tick), floor + 5);
      context.fillText(shortNumber(tick), this.x(tick), floor + 5 + 13 * this.size);
    }
    context.fillText("Wavelength (µm)", (left + right) / 2, floor + 4 + 30 * this.size);
    const tall = bottom - top > 150 * this.size;
    const { label } = QUANTITIES[this.state.quantity];
    const words = tall ? `${label} (${this.unit[0]})` : this.unit[0];
    for (const [text, y] of [[words, (top + bottom) / 2], ["Counts", floor - (COUNTS * this.size) / 2]]) {
      context.save();
      context.translate(13 * this.size, y);
      context.rotate(-Math.PI / 2);
      context.fillText(text, 0, 0);
      context.restore();
    }
    context.textAlign = "right";
    context.fillText(shortNumber(this.most), left - 8, floor - (COUNTS - 8) * this.size);
    context.fillText("0", left - 8, floor + 2);
    context.strokeStyle = this.ink("axis");
    line(context, left, floor, right, floor);
    if (this.low < 0 && this.high > 0) line(context, left, this.y(0), right, this.y(0));
    context.textAlign = "left";
  }

  drawSpectrum(context, spectrum) {
    const points = this.points(spectrum);
    context.strokeStyle = spectrum.color;
    context.globalAlpha = 0.45;
    context.lineWidth = 1.5;
    context.beginPath();
    points.forEach(({ point, cube, wavelength, value }, k) => {
      const before = points[k - 1];
      // The sum over a part of the pixels is too small for a line to lead there.
      const isWhole = (found) => found.kind !== "partial" && this.isShown(found);
      const joined = before?.cube === cube && adjoin(before.point, point) && isWhole(before) && isWhole(points[k]);
      context[joined ? "lineTo" : "moveTo"](this.x(wavelength), this.y(value));
    });
    context.stroke();
    context.globalAlpha = 1;
    for (const found of points) {
      const { point, wavelength, value, ends, kind } = found;
      const [x, y] = [this.x(wavelength), this.y(value)];
      if (!this.isShown(found)) {
        this.drawBelow(context, x);
        continue;
      }
      line(context, this.x(point.wavelength_min), y, this.x(point.wavelength_max), y);
      // A magnitude whose flux less its error is negative has no fainter end.
      const [faint, bright] = ends.map((end) => (Number.isFinite(end) && (!this.log || end > 0) ? this.y(end) : this.box.bottom));
      line(context, x, faint, x, bright);
      this.drawMark(context, kind, [x, y], spectrum.color);
    }
  }

  /** A logarithmic axis shows what is above 0. */
  isShown({ value }) {
    return !this.log || value > 0;
  }

  /** An arrowhead at the lower end for a value that the axis cannot show. */
  drawBelow(context, x) {
    const [y, half] = [this.box.bottom, 3.5 * this.size];
    context.beginPath();
    context.moveTo(x - half, y - half);
    context.lineTo(x, y);
    context.lineTo(x + half, y - half);
    context.stroke();
  }

  /** Says how many values have no logarithm. */
  drawLeftOut(context) {
    const { magnitudes, field } = QUANTITIES[this.state.quantity];
    if (!this.log && !magnitudes) return;
    const reports = this.state.spectra.flatMap((spectrum) => spectrum.reports.filter(Boolean));
    const count = reports.flatMap((report) => report.points).filter((point) => point[field] !== null && point[field] <= 0).length;
    if (count === 0) return;
    context.fillStyle = this.ink("text-soft");
    context.textAlign = "right";
    context.fillText(`${count} not above 0`, this.box.right - 4, this.box.bottom - 6 * this.size);
    context.textAlign = "left";
  }

  drawCounts(context) {
    for (const { reports, color } of this.state.spectra) {
      context.strokeStyle = color;
      context.lineWidth = 1.5;
      context.beginPath();
      for (const report of reports.filter(Boolean)) {
        report.points.forEach((point, k) => {
          const { wavelength_min, wavelength_max, count } = point;
          const joined = k > 0 && adjoin(report.points[k - 1], point);
          context[joined ? "lineTo" : "moveTo"](this.x(wavelength_min), this.yCount(count));
          context.lineTo(this.x(wavelength_max), this.yCount(count));
        });
      }
      context.stroke();
    }
  }

  /** Lines as dashes, bands as stripes at the top; names where they do not touch the one before. */
  drawFeatures(context) {
    const { left, right, top, bottom } = this.box;
    const found = featuresAt(this.state.lines, this.state.redshift)
      .filter(({ ends }) => ends[1] >= this.first && ends[0] <= this.last)
      .sort((a, b) => a.ends[0] - b.ends[0]);
    const rows = [];
    context.lineWidth = 1;
    for (const { name, isBand, ends } of found) {
      const [x0, x1] = ends.map((wavelength) => Math.min(Math.max(this.x(wavelength), left), right));
      context.strokeStyle = this.ink("accent");
      context.fillStyle = this.ink("accent");
      context.globalAlpha = isBand ? 0.13 : 0.6;
      if (isBand) context.fillRect(x0, top, Math.max(x1 - x0, 2), bottom - top);
      else {
        context.setLineDash([3, 3]);
        line(context, x0, top, x0, bottom);
        context.setLineDash([]);
      }
      context.globalAlpha = 1;
      const width = context.measureText(name).width;
      const at = Math.min(Math.max((x0 + x1) / 2 - width / 2, left), right - width);
      const row = [0, 1, 2, 3].find((k) => !(rows[k] > at - 4));
      if (row === undefined) continue;
      rows[row] = at + width;
      const y = top + (row + 0.8) * 13 * this.size;
      context.strokeStyle = this.ink("panel");
      context.lineWidth = 3;
      context.strokeText(name, at, y);
      context.fillText(name, at, y);
      context.lineWidth = 1;
    }
  }

  drawHint(context) {
    const { left, right, top, bottom } = this.box;
    context.fillStyle = this.ink("text-soft");
    context.textAlign = "center";
    context.fillText("Click on the image, or draw a region, for a spectrum", (left + right) / 2, top + 0.3 * (bottom - top));
    context.textAlign = "left";
  }

  /** What a drag chooses: a range of wavelength, of values, or both. */
  drawDrag(context) {
    const { left, right, top, bottom, floor } = this.box;
    const [x0, x1, y0, y1] = [...(this.chosen.x ?? [left, right]), ...(this.chosen.y ?? [top, this.chosen.x ? floor : bottom])];
    context.fillStyle = this.ink("accent");
    context.globalAlpha = 0.18;
    context.fillRect(x0, y0, x1 - x0, y1 - y0);
    context.globalAlpha = 1;
  }

  drawHover(context) {
    const { label, wavelength, value, ends, point, color, detector } = this.hover;
    const error = Math.abs(ends[1] - value);
    const of = this.cubes.length > 1 ? `${detector}, ` : "";
    const lines = [
      `${label}: ${shortNumber(value)} ± ${shortNumber(error)} ${this.unit[0]}`,
      `${shortNumber(wavelength)} µm, ${of}plane ${point.plane}`,
      `${point.n_pixels} of ${point.n_pixels_total} pixels, ${point.count} counts`,
      ...(this.hover.kind === "detected" ? [] : [CLASSES[this.hover.kind]]),
    ];
    const width = Math.max(...lines.map((words) => context.measureText(words).width)) + 20;
    const leading = 16 * this.size;
    const height = lines.length * leading + 12;
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
}

/** Whether no gap lies between two planes, as there does between those of two detectors. */
function adjoin(before, after) {
  return Math.abs(after.wavelength_min - before.wavelength_max) <= ADJOINING * after.wavelength_min;
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

/** Round numbers on a logarithmic axis: 1, 2, 5 of each decade, or where there are many the decades alone. */
function decadeTicks(low, high) {
  const parts = Math.log10(high / low) > 3 ? [1] : [1, 2, 5];
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) {
    for (const part of parts) found.push(Number(`${part}e${power}`));
  }
  const inside = found.filter((tick) => tick >= low && tick <= high);
  return inside.length > 1 ? inside : ticks(low, high, 4);
}

function line(context, x0, y0, x1, y1) {
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
}
