// The image: which planes it needs, how they become colors, where they lie on the screen.

import { aboveSky, aroundZero, COLOR_RULE, colors, colorTable, DIVERGING, LINE_RULE, limitsOf, pack } from "./color.js";
import { paintComposite, paintPlane, PERCENTILES, placeAroundZero, PLANE_RULE, sample, STRETCHES, tint } from "./color.js";
import { sizeOf } from "./planes.js";
import { attempt, element, mapKeys } from "./state.js";

/** Colors of flags and of few contributions over the image. */
const FLAGGED = 0xff2fd0;
const FEW = 0xff8c1a;
/** The least breadth of an image that is shown whole [CSS px]: of a longer strip a part is shown, with pixels of at most that size. */
const BREADTH = 40;
const STRIP_PIXEL = 8;
/** How long the view has to rest before its details are read [ms]. */
const REST = 120;

export class Picture extends EventTarget {
  constructor(canvas, state, cubes, meta) {
    super();
    Object.assign(this, { canvas, state, cubes, meta, cube: cubes[state.cube], overview: null, detail: null, table: null });
    this.center = [(this.planes.nx - 1) / 2, (this.planes.ny - 1) / 2];
    this.scale = 1;
    this.fitted = true;
    state.on(["cube"], () => this.change());
    const what = ["cube", "z", "mode", "array", "colors", "range", "continuum", "mask", "maskBits", "fewerThan"];
    const how = ["stretch", "map", "reversed", "lineMap", "lineReversed", "percentiles", "limits", "q", "colorPercentiles"];
    state.on([...what, ...how], () => this.refresh());
    new ResizeObserver(() => this.resize()).observe(canvas.parentElement);
  }

  get planes() {
    return this.cube.planes;
  }

  /** Shows the same part of the sky in the cube that the state now names. */
  change() {
    const [old, sky] = [this.cube, this.cube.tan.toSky(...this.center)];
    this.cube = this.cubes[this.state.cube];
    [this.overview, this.detail] = [null, null];
    const at = this.cube.pixelOf(sky);
    if (this.fitted || !at) {
      this.fit();
      return;
    }
    this.scale *= this.cube.tan.pixelSide(...at) / old.tan.pixelSide(...this.center);
    this.center = at;
    this.moved();
  }

  // ---- where pixels lie on the screen [CSS px], y of the image upwards

  toScreen([x, y]) {
    return [
      this.width / 2 + (x - this.center[0]) * this.scale,
      this.height / 2 - (y - this.center[1]) * this.scale,
    ];
  }

  toImage([sx, sy]) {
    return [
      this.center[0] + (sx - this.width / 2) / this.scale,
      this.center[1] - (sy - this.height / 2) / this.scale,
    ];
  }

  resize() {
    const { clientWidth, clientHeight } = this.canvas.parentElement;
    [this.width, this.height] = [clientWidth, clientHeight];
    this.ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(clientWidth * this.ratio);
    this.canvas.height = Math.round(clientHeight * this.ratio);
    if (this.fitted) this.fit();
    else this.moved();
  }

  /** Shows the whole image, below the buttons; of a strip that would be but a line, the part in its middle. */
  fit() {
    const { nx, ny } = this.planes;
    const top = element("toolbar").offsetTop + element("toolbar").offsetHeight;
    this.fitted = true;
    this.scale = Math.min(this.width / nx, (this.height - top) / ny) * 0.96;
    this.isPart = this.scale * Math.min(nx, ny) < BREADTH && this.scale < STRIP_PIXEL;
    if (this.isPart) this.scale = Math.min(BREADTH / Math.min(nx, ny), STRIP_PIXEL);
    const down = Math.max(0, top - (this.height - ny * this.scale) / 2);
    this.center = [(nx - 1) / 2, (ny - 1) / 2 + (this.isPart ? 0 : down / this.scale)];
    this.moved();
  }

  /** The middle of the image where it is shown whole, otherwise of the screen. */
  get middle() {
    const { nx, ny } = this.planes;
    return this.fitted ? [(nx - 1) / 2, (ny - 1) / 2] : this.center;
  }

  /** Changes the scale, keeping the image where it is at a point of the screen. */
  zoom(factor, at = [this.width / 2, this.height / 2]) {
    const [x, y] = this.toImage(at);
    this.fitted = false;
    const smallest = Math.min(this.width / this.planes.nx, this.height / this.planes.ny) / 4;
    this.scale = Math.min(64, Math.max(Math.min(smallest, 1), this.scale * factor));
    this.center = [x - (at[0] - this.width / 2) / this.scale, y + (at[1] - this.height / 2) / this.scale];
    this.moved();
  }

  pan(dx, dy) {
    this.fitted = false;
    this.center = [this.center[0] - dx / this.scale, this.center[1] + dy / this.scale];
    this.moved();
  }

  /** Brings a pixel to the middle, and near enough to be seen. */
  show([x, y]) {
    this.fitted = false;
    this.center = [x, y];
    this.scale = Math.max(this.scale, Math.min(8, (4 * this.width) / this.planes.nx));
    this.moved();
  }

  moved() {
    const inside = (at, n) => Math.min(n - 0.5, Math.max(-0.5, at));
    this.center = [inside(this.center[0], this.planes.nx), inside(this.center[1], this.planes.ny)];
    this.draw();
    clearTimeout(this.rest);
    this.rest = setTimeout(() => this.refresh(), REST);
  }

  /** The middle of the screen and the size of its pixels: [ra, dec, arcsec]; null while the whole image is shown. */
  get pointing() {
    if (this.fitted) return null;
    return [...this.cube.tan.toSky(...this.center), this.cube.tan.pixelSide(...this.center) / this.scale];
  }

  set pointing([ra, dec, arcsec]) {
    const at = this.cube.pixelOf([ra, dec]);
    if (!at) return;
    this.fitted = false;
    this.center = at;
    this.scale = this.cube.tan.pixelSide(...at) / arcsec;
    this.moved();
  }

  // ---- what is shown

  /** Reads and paints what the state asks for; while that runs, further calls are taken together. */
  refresh() {
    this.again = true;
    this.running ??= attempt(async () => {
      while (this.again) {
        this.again = false;
        await this.load();
      }
    }, "picture").finally(() => {
      this.running = null;
    });
    return this.running;
  }

  async load() {
    const wanted = this.wanted();
    const overview = await this.layer(wanted, this.planes.overview);
    if (wanted.cube !== this.cube.index) return;
    this.overview = overview;
    this.state.set({ shownLimits: wanted.mode === "colors" ? null : overview.limits });
    const window = this.visible();
    if (this.detail && !(this.detail.key === overview.key && same(this.detail.window, window))) this.detail = null;
    this.draw();
    this.canvas.dataset.shown = wanted.mode === "plane" ? `${wanted.array} ${wanted.z}` : wanted.mode;
    this.canvas.dataset.cube = String(wanted.cube);
    if (window && !this.again) {
      const detail = await this.layer(wanted, window, overview);
      if (wanted.cube !== this.cube.index) return;
      this.detail = detail;
      this.draw();
    }
    if (!this.again && wanted.mode === "plane") this.prefetch(wanted);
  }

  wanted() {
    const { cube, z, mode, array, mask, fewerThan } = this.state;
    const flags = mask && mode === "plane" ? [{ array: mask, z }] : [];
    const counts = fewerThan > 0 && mode === "plane" ? [{ array: "count", z }] : [];
    return { cube, z, mode, array, images: this.images(), flags, counts };
  }

  /** What is to be read: one image, of a composite three. */
  images() {
    const { z, mode, array, colors: planes, range, continuum } = this.state;
    if (mode === "plane") return [{ array, z }];
    if (mode === "colors") return planes.map((mean) => ({ mean }));
    const chosen = this.withData(this.cube.planesIn(range));
    if (mode === "mean") return [{ mean: chosen }];
    const around = this.withData(continuum.flatMap((side) => this.cube.planesIn(side)));
    return [{ line: chosen, continuum: [...new Set(around)].filter((k) => !chosen.includes(k)) }];
  }

  withData(planes) {
    return planes.filter((k) => this.cube.images[k] > 0);
  }

  /** The next planes in both directions, so that the slider finds them there. */
  prefetch({ array, z }) {
    for (const next of [z + 1, z - 1].filter((k) => k >= 0 && k < this.cube.shape[0])) {
      this.planes.get({ array, z: next }, this.planes.overview).catch(() => {});
    }
  }

  /** A painted window; its limits are those of the overview. */
  async layer(wanted, window, overview) {
    const read = (whats) => Promise.all(whats.map((what) => this.planes.get(what, window)));
    const [images, flags, counts] = [await read(wanted.images), await read(wanted.flags), await read(wanted.counts)];
    const [columns, rows] = sizeOf(window);
    const pixels = new Uint32Array(columns * rows);
    const limits = overview?.limits ?? images.map((image) => this.limits(image, wanted.mode));
    const key = this.key(wanted);
    if (limits.every(Boolean)) {
      this.paint(wanted, images, limits, key, pixels);
    } else {
      pixels.fill(this.empty());
    }
    const { maskBits, fewerThan } = this.state;
    if (flags.length > 0) tint(pixels, FLAGGED, 0.6, (k) => (flags[0][k] & maskBits) !== 0);
    if (counts.length > 0) tint(pixels, FEW, 0.6, (k) => !(counts[0][k] >= fewerThan));
    return { window, limits, key, canvas: upright(pixels, columns, rows) };
  }

  limits(image, mode) {
    const { array, limits, percentiles, colorPercentiles, stretch } = this.state;
    if (mode !== "colors" && limits) return limits;
    const sorted = sample(image);
    if (mode === "colors") return colorPercentiles ? limitsOf(sorted, colorPercentiles) : aboveSky(sorted, COLOR_RULE);
    if (percentiles) return limitsOf(sorted, percentiles);
    // Errors and counts have no sky that would have to be dark.
    if (mode === "plane" && !["sci", "snr"].includes(array)) return limitsOf(sorted, PERCENTILES);
    if (this.mapName === DIVERGING) return aroundZero(sorted, PLANE_RULE, stretch);
    return aboveSky(sorted, mode === "line" ? LINE_RULE : PLANE_RULE, stretch);
  }

  paint(wanted, images, limits, key, pixels) {
    const { stretch, q } = this.state;
    if (wanted.mode === "colors") {
      paintComposite(images, limits, q, this.empty(), pixels);
      return;
    }
    const isDiverging = this.mapName === DIVERGING;
    const tableKey = JSON.stringify([stretch, this.mapChoice, stretch === "rank" && key, (isDiverging || stretch === "rank") && limits]);
    if (this.table?.key !== tableKey) {
      const table = colorTable(this.colorMap(), stretch, limits[0], stretch === "rank" ? sample(images[0]) : null, isDiverging);
      this.table = { key: tableKey, table };
    }
    paintPlane(images[0], limits[0], this.table.table, this.empty(), pixels);
  }

  /** The name of the color map of what is shown, and whether it is reversed. */
  get mapChoice() {
    return mapKeys(this.state).map((key) => this.state[key]);
  }

  get mapName() {
    return this.mapChoice[0];
  }

  /** The colors of the map that is chosen. */
  colorMap() {
    const [map, reversed] = this.mapChoice;
    return colors(this.meta.colormaps.find(([name]) => name === map)[1], reversed);
  }

  /** The part of the colors that the limits span, its ends from 0 to 1. */
  mapSpan(limits) {
    const curve = this.mapName === DIVERGING && STRETCHES[this.state.stretch];
    return curve ? limits.map((limit) => placeAroundZero(limit, limits, curve)) : [0, 1];
  }

  key({ cube, images, flags, counts }) {
    const { maskBits, fewerThan, stretch, q } = this.state;
    return JSON.stringify([cube, images, flags, counts, maskBits, fewerThan, stretch, this.mapChoice, q]);
  }

  /** The color of pixels without data, as the style has it. */
  empty() {
    const text = getComputedStyle(this.canvas).getPropertyValue("--empty").trim();
    return pack(parseInt(text.slice(1), 16));
  }

  /** The window of what is on the screen, if the overview is too coarse for it. */
  visible() {
    const [left, top] = this.toImage([0, 0]);
    const [right, bottom] = this.toImage([this.width, this.height]);
    return this.planes.detail([left + 0.5, bottom + 0.5], [right + 0.5, top + 0.5], this.scale * this.ratio);
  }

  // ---- onto the screen

  draw() {
    const context = this.canvas.getContext("2d");
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    this.drawOn(context, this.ratio);
    // Where pixels lie on the screen, for programs that look at the page.
    this.canvas.dataset.view = JSON.stringify([...this.center, this.scale]);
    this.dispatchEvent(new Event("drawn"));
  }

  /** Draws the layers where one CSS pixel has `ratio` pixels. */
  drawOn(context, ratio) {
    for (const layer of [this.overview, this.detail]) {
      if (layer) this.drawLayer(context, layer, ratio);
    }
  }

  drawLayer(context, { window: { x, y, width, height, bin }, canvas }, ratio) {
    const [left, bottom] = this.toScreen([x - 0.5, y - 0.5]);
    const [right, top] = this.toScreen([x + width - 0.5, y + height - 0.5]);
    const side = bin * this.scale;
    context.save();
    context.beginPath();
    context.rect(left, top, right - left, bottom - top);
    context.clip();
    context.imageSmoothingEnabled = side * ratio < 1;
    context.imageSmoothingQuality = "medium";
    context.drawImage(canvas, left, bottom - canvas.height * side, canvas.width * side, canvas.height * side);
    context.restore();
  }
}

/** The pixels as a canvas, the first row at the bottom. */
function upright(pixels, columns, rows) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [columns, rows];
  const flipped = new Uint32Array(pixels.length);
  for (let row = 0; row < rows; row += 1) {
    flipped.set(pixels.subarray(row * columns, (row + 1) * columns), (rows - 1 - row) * columns);
  }
  const image = new ImageData(new Uint8ClampedArray(flipped.buffer), columns, rows);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

function same(a, b) {
  return JSON.stringify(a) === JSON.stringify(b);
}
