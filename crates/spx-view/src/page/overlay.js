// What is drawn over the image: regions, objects of the catalog, the grid, the cross, compass, scale bar, color bar.

import { crossing, gridLines } from "./grid.js";
import { handles, outline, reachOf, ringOutlines } from "./regions.js";
import { element } from "./state.js";

/** Lengths that a scale bar may have [arcsec]. */
const LENGTHS = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 18000, 36000];
/** More labels than this in sight are no help. */
const MOST_LABELS = 60;
const INK = "#ffffff";
const ACTIVE = "#ffe14d";
const SHADE = "rgba(0, 0, 0, 0.65)";

export class Overlay {
  constructor(canvas, state, picture) {
    Object.assign(this, { canvas, state, picture, drawn: null });
    picture.addEventListener("drawn", () => this.draw());
    state.on(["spectra", "objects", "showObjects", "cross", "shownLimits", "selected", "handle", "annulus", "grid"], () => this.draw());
  }

  /** The region that is being drawn, or null; of a polygon corners alone. */
  sketch(region) {
    this.drawn = region;
    this.draw();
  }

  draw() {
    const { canvas, picture } = this;
    [canvas.width, canvas.height] = [picture.canvas.width, picture.canvas.height];
    const context = canvas.getContext("2d");
    context.setTransform(picture.ratio, 0, 0, picture.ratio, 0, 0);
    this.drawOn(context);
    // For programs that look at the page.
    canvas.dataset.names = JSON.stringify(this.names);
  }

  /** Draws everything over the image; `inside` are the labels of the grid within the frame. */
  drawOn(context, inside = true) {
    const { picture, state } = this;
    const { fontSize, fontFamily } = getComputedStyle(this.canvas);
    context.font = `${fontSize} ${fontFamily}`;
    this.size = parseFloat(fontSize) / 12;
    this.tan = picture.cube.tan;
    context.lineJoin = "round";
    // Boxes [left, top, right, bottom] where no further name may stand, and the names that stand.
    this.taken = [];
    this.names = [];
    if (inside) this.take(toolbarBox());
    const lines = state.grid ? this.drawGrid(context) : [];
    this.drawScaleBar(context);
    this.drawCompass(context);
    const limits = state.mode === "colors" ? null : state.shownLimits;
    if (limits?.[0]) this.drawColorBar(context);
    if (limits && !limits[0]) this.drawNoData(context);
    if (inside) this.nameGrid(context, lines);
    for (const spectrum of state.spectra) this.drawRegion(context, spectrum);
    if (state.showObjects) this.drawObjects(context);
    if (this.drawn) this.drawOutline(context, this.drawn, INK);
    if (state.cross) this.drawCross(context, picture.toScreen(state.cross));
  }

  /** Below the buttons, where no region's handles are. */
  drawNoData(context) {
    const words = this.state.mode === "plane" ? "no data in this plane" : "no data";
    const [width, high] = [context.measureText(words).width, 16 * this.size];
    const [x, y] = [(this.picture.width - width) / 2, toolbarBox()[3] + 8];
    context.fillStyle = SHADE;
    context.fillRect(x - 8, y, width + 16, high + 6);
    this.take([x - 8, y, x + width + 8, y + high + 6]);
    this.names.push([words, ...this.taken.at(-1).map(Math.round)]);
    context.fillStyle = INK;
    context.fillText(words, x, y + high);
  }

  /** Keeps names out of a box. */
  take(box) {
    this.taken.push(box);
  }

  /** Whether a box lies in the image and touches none that is taken. */
  isFree([left, top, right, bottom]) {
    const { width, height } = this.picture;
    const inside = left >= 2 && top >= 2 && right <= width - 2 && bottom <= height - 2;
    return inside && this.taken.every((box) => left >= box[2] || right <= box[0] || top >= box[3] || bottom <= box[1]);
  }

  drawGrid(context) {
    const { width, height } = this.picture;
    const lines = gridLines(this.picture, [width, height]);
    for (const { points } of lines) {
      context.beginPath();
      points.forEach(([x, y], k) => context[k === 0 ? "moveTo" : "lineTo"](x, y));
      // Light beside dark, to be seen on black and on white.
      for (const [color, width] of [["rgba(0, 0, 0, 0.4)", 2.5], ["rgba(255, 255, 255, 0.6)", 1]]) {
        context.strokeStyle = color;
        context.lineWidth = width;
        context.stroke();
      }
    }
    return lines;
  }

  /** Names the lines of the grid at the lower and left edge. */
  nameGrid(context, lines) {
    const { width, height } = this.picture;
    for (const line of lines) {
      const at = line.isRa ? crossing(line, 1, height - 40 * this.size, width) : crossing(line, 0, 8, height);
      if (at === null) continue;
      const [x, y] = line.isRa ? [at + 4, height - 44 * this.size] : [10, at - 4];
      const box = [x - 2, y - 12 * this.size, x + context.measureText(line.words).width + 2, y + 4];
      if (!this.isFree(box)) continue;
      this.text(context, line.words, x, y);
      this.take(box);
    }
  }

  /** Strokes the present path light on dark, so that it is seen on any image. */
  stroke(context, color, width = 2) {
    context.strokeStyle = SHADE;
    context.lineWidth = width + 2;
    context.stroke();
    context.strokeStyle = color;
    context.lineWidth = width;
    context.stroke();
  }

  text(context, words, x, y, color = INK) {
    // Darker than the shade of lines: names have to be read on white, too.
    context.strokeStyle = "rgba(0, 0, 0, 0.88)";
    context.lineWidth = 3.5;
    context.strokeText(words, x, y);
    context.fillStyle = color;
    context.fillText(words, x, y);
  }

  /** A name right of a place, left of it, above or below, where it is free; elsewhere none, or if it must, on the place itself. */
  label(context, words, [x, y], away, { color = INK, must = false } = {}) {
    const [width, high] = [context.measureText(words).width, 13 * this.size];
    const middle = y + 0.35 * high;
    const places = [
      [x + away, middle],
      [x - away - width, middle],
      [x - width / 2, y - away - 2],
      [x - width / 2, y + away + high],
    ];
    const boxAt = ([left, line]) => [left - 1, line - 0.8 * high, left + width + 1, line + 0.25 * high];
    const place = places.find((each) => this.isFree(boxAt(each))) ?? (must ? [x + 10, y - 10] : null);
    if (!place) return;
    this.take(boxAt(place));
    this.names.push([words, ...boxAt(place).map(Math.round)]);
    this.text(context, words, ...place, color);
  }

  /** Strokes the outline of a region; of a point, its pixel. */
  drawOutline(context, region, color, dashed = false) {
    const { picture } = this;
    const paths = region.sketch ? [region.sketch] : outline(region);
    context.setLineDash(dashed ? [5, 4] : []);
    for (const path of paths) {
      context.beginPath();
      path.forEach((sky, k) => {
        const at = this.tan.toPixel(...sky);
        if (at) context[k === 0 ? "moveTo" : "lineTo"](...picture.toScreen(at));
      });
      this.stroke(context, color);
    }
    context.setLineDash([]);
    if (paths.length > 0) return;
    const at = this.tan.toPixel(region.ra, region.dec);
    if (!at) return;
    const [sx, sy] = picture.toScreen(at.map((v) => Math.floor(v + 0.5)));
    const half = Math.max(picture.scale / 2, 4);
    context.beginPath();
    context.rect(sx - half, sy - half, 2 * half, 2 * half);
    this.stroke(context, color);
  }

  drawRegion(context, { id, region, color, label }) {
    const { picture, state } = this;
    const at = this.tan.toPixel(region.ra, region.dec);
    if (!at) return;
    this.drawOutline(context, region, color);
    const selected = id === state.selected;
    const { annulus } = state;
    if (annulus && selected) {
      for (const edge of ringOutlines(region, annulus, this.tan.pixelSide(...at))) this.drawOutline(context, edge, color, true);
    }
    const [sx, sy] = picture.toScreen(at);
    const reach = Math.max((reachOf(region) / this.tan.pixelSide(...at)) * picture.scale, 4);
    this.label(context, label, [sx, sy], reach + 6, { must: true });
    if (!selected) return;
    handles(region).forEach((sky, k) => {
      const pixel = this.tan.toPixel(...sky);
      if (!pixel) return;
      const [x, y] = picture.toScreen(pixel);
      // The one that keys move is larger.
      const half = k === state.handle ? 7 : 4;
      context.beginPath();
      if (k === 0) context.arc(x, y, half, 0, 2 * Math.PI);
      else context.rect(x - half, y - half, 2 * half, 2 * half);
      context.fillStyle = k === state.handle ? ACTIVE : color;
      this.stroke(context, INK, 1.5);
      context.fill();
    });
  }

  drawObjects(context) {
    const { picture } = this;
    const inSight = [];
    const radius = 7 * this.size;
    for (const object of this.state.objects) {
      const at = this.tan.toPixel(object.ra, object.dec);
      const [sx, sy] = at ? picture.toScreen(at) : [-1, -1];
      if (sx >= 0 && sy >= 0 && sx <= picture.width && sy <= picture.height) inSight.push([sx, sy, object.label]);
    }
    context.beginPath();
    for (const [sx, sy] of inSight) {
      context.moveTo(sx + radius, sy);
      context.arc(sx, sy, radius, 0, 2 * Math.PI);
    }
    this.stroke(context, "#7df0ff", 1.5);
    if (inSight.length > MOST_LABELS) return;
    // Names do not stand on the circles of others.
    for (const [sx, sy] of inSight) this.take([sx - radius, sy - radius, sx + radius, sy + radius]);
    for (const [sx, sy, label] of inSight) this.label(context, label, [sx, sy], 10 * this.size, { color: "#c9f8ff" });
  }

  drawCross(context, [sx, sy]) {
    context.beginPath();
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.moveTo(sx + 5 * dx, sy + 5 * dy);
      context.lineTo(sx + 15 * dx, sy + 15 * dy);
    }
    this.stroke(context, ACTIVE);
  }

  drawScaleBar(context) {
    const { picture } = this;
    const perPixel = this.tan.pixelSide(...picture.center) / picture.scale;
    const length = LENGTHS.findLast((arcsec) => arcsec / perPixel <= 160 * this.size) ?? LENGTHS[0];
    const width = length / perPixel;
    const [x, y] = [16, picture.height - 18];
    context.beginPath();
    context.moveTo(x, y - 4);
    context.lineTo(x, y);
    context.lineTo(x + width, y);
    context.lineTo(x + width, y - 4);
    this.stroke(context, INK);
    this.text(context, length < 60 ? `${length}″` : `${length / 60}′`, x + 4, y - 8);
    this.take([x - 4, y - 8 - 13 * this.size, x + width + 4, y + 4]);
  }

  /** North and east where the middle of the screen is. */
  drawCompass(context) {
    const { picture, tan, size } = this;
    const [ra, dec] = tan.toSky(...picture.center);
    const step = 1 / 3600;
    const cos = Math.max(Math.cos((dec * Math.PI) / 180), 1e-6);
    const arrows = [["N", [ra, Math.min(dec + step, 90)]], ["E", [(ra + step / cos) % 360, dec]]].map(([name, to]) => {
      const at = tan.toPixel(...to);
      const [dx, dy] = [at[0] - picture.center[0], picture.center[1] - at[1]];
      const length = Math.hypot(dx, dy) || 1;
      return [name, dx / length, dy / length];
    });
    // Both letters stay in the image, wherever they point.
    const reach = (part) => (8 + 42 * Math.max(0, ...arrows.map((arrow) => arrow[part]))) * size;
    const [x0, y0] = [picture.width - Math.max(reach(1), 34 * size), picture.height - Math.max(reach(2), 30 * size)];
    const ends = (part, from) => arrows.map((arrow) => from + 28 * size * arrow[part]);
    const around = 16 * size;
    this.take([Math.min(x0, ...ends(1, x0)) - around, Math.min(y0, ...ends(2, y0)) - around, Math.max(x0, ...ends(1, x0)) + around, Math.max(y0, ...ends(2, y0)) + around]);
    for (const [name, ux, uy] of arrows) {
      const [x, y] = [x0 + 28 * size * ux, y0 + 28 * size * uy];
      context.beginPath();
      context.moveTo(x0, y0);
      context.lineTo(x, y);
      context.moveTo(x - 6 * ux - 4 * uy, y - 6 * uy + 4 * ux);
      context.lineTo(x, y);
      context.lineTo(x - 6 * ux + 4 * uy, y - 6 * uy - 4 * ux);
      this.stroke(context, INK, 1.5);
      this.text(context, name, x + (9 * ux - 4) * size, y + (9 * uy + 4) * size);
    }
  }

  /** At the right, from the lower limit at the bottom to the upper. */
  drawColorBar(context) {
    const { picture, state, size } = this;
    const [low, high] = state.shownLimits[0];
    // Where the toolbar reaches over the bar, this begins below it.
    const [, , right, bottom] = toolbarBox();
    const y = right > picture.width - 100 * size ? bottom + 14 : 20;
    const height = Math.round(Math.min(180 * size, picture.height - 150 - y));
    if (height < 60) return;
    const [x, width] = [picture.width - 12 - 12 * size, 12 * size];
    const map = picture.colorMap();
    const [from, to] = picture.mapSpan([low, high]);
    context.fillStyle = SHADE;
    context.fillRect(x - 1, y - 1, width + 2, height + 2);
    for (let k = 0; k < height; k += 1) {
      const packed = map[Math.round((to + (k / (height - 1)) * (from - to)) * (map.length - 1))];
      context.fillStyle = `rgb(${packed & 0xff}, ${(packed >> 8) & 0xff}, ${(packed >> 16) & 0xff})`;
      context.fillRect(x, y + k, width, 1.5);
    }
    context.textAlign = "right";
    for (const [words, at] of [[shortNumber(high), y + 9], [shortNumber(low), y + height], [unitOf(state), y + height / 2 + 4]]) {
      // Names of objects do not show through the numbers.
      const wide = context.measureText(words).width;
      context.fillStyle = SHADE;
      context.fillRect(x - 9 - wide, at - 11 * size, wide + 6, 15 * size);
      this.take([x - 9 - wide, at - 11 * size, x - 3, at + 4 * size]);
      this.text(context, words, x - 6, at);
    }
    this.take([x - 4, y - 4, picture.width, y + height + 4]);
    context.textAlign = "left";
  }
}

/** Where the buttons over the image stand: [left, top, right, bottom]. */
function toolbarBox() {
  const { offsetLeft, offsetTop, offsetWidth, offsetHeight } = element("toolbar");
  return [offsetLeft, offsetTop, offsetLeft + offsetWidth, offsetTop + offsetHeight];
}

/** The unit of what the image shows. */
export function unitOf({ mode, array }) {
  if (mode === "line") return "nW/m²/sr";
  return mode === "mean" ? "MJy/sr" : { sci: "MJy/sr", error: "MJy/sr", snr: "S/N", count: "counts" }[array];
}

/** A number in four digits. */
export function shortNumber(value) {
  if (value === null || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  const text = size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(2) : String(Number(value.toPrecision(4)));
  return text.replace("-", "−");
}
