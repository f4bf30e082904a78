// What is drawn over the image: apertures, objects of the catalogue, the cross, compass, scale bar, color bar.

/** Lengths that a scale bar may have [arcsec]. */
const LENGTHS = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 18000, 36000];
/** More labels than this in sight are no help. */
const MOST_LABELS = 60;
const INK = "#ffffff";
const SHADE = "rgba(0, 0, 0, 0.65)";

export class Overlay {
  constructor(canvas, state, picture, tan) {
    Object.assign(this, { canvas, state, picture, tan, dragged: null });
    picture.addEventListener("drawn", () => this.draw());
    state.on(["spectra", "objects", "showObjects", "cross", "shownLimits"], () => this.draw());
  }

  /** The circle that is being drawn: {at: [x, y], radius} in pixels, or null. */
  drag(circle) {
    this.dragged = circle;
    this.draw();
  }

  draw() {
    const { canvas, picture } = this;
    [canvas.width, canvas.height] = [picture.canvas.width, picture.canvas.height];
    const context = canvas.getContext("2d");
    context.setTransform(picture.ratio, 0, 0, picture.ratio, 0, 0);
    const { fontSize, fontFamily } = getComputedStyle(canvas);
    context.font = `${fontSize} ${fontFamily}`;
    this.size = parseFloat(fontSize) / 12;
    context.lineJoin = "round";
    if (this.state.showObjects) this.drawObjects(context);
    for (const spectrum of this.state.spectra) this.drawAperture(context, spectrum);
    if (this.dragged) this.circle(context, this.dragged.at, this.dragged.radius, INK);
    if (this.state.cross) this.drawCross(context, picture.toScreen(this.state.cross));
    this.drawScaleBar(context);
    this.drawCompass(context);
    if (this.state.mode === "plane" && this.state.shownLimits?.[0]) this.drawColorBar(context);
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
    context.strokeStyle = SHADE;
    context.lineWidth = 3;
    context.strokeText(words, x, y);
    context.fillStyle = color;
    context.fillText(words, x, y);
  }

  circle(context, at, radius, color) {
    const [sx, sy] = this.picture.toScreen(at);
    context.beginPath();
    context.arc(sx, sy, Math.max(radius * this.picture.scale, 2), 0, 2 * Math.PI);
    this.stroke(context, color);
    return [sx, sy];
  }

  drawAperture(context, { ra, dec, radius, color, label }) {
    const at = this.tan.toPixel(ra, dec);
    if (!at) return;
    const { scale } = this.picture;
    if (radius !== null) {
      const pixels = radius / this.tan.pixelSide(...at);
      const [sx, sy] = this.circle(context, at, pixels, color);
      this.text(context, label, sx + pixels * scale * 0.71 + 5, sy - pixels * scale * 0.71 - 4);
      return;
    }
    const [sx, sy] = this.picture.toScreen(at.map((v) => Math.floor(v + 0.5)));
    const half = Math.max(scale / 2, 4);
    context.beginPath();
    context.rect(sx - half, sy - half, 2 * half, 2 * half);
    this.stroke(context, color);
    this.text(context, label, sx + half + 5, sy - half - 3);
  }

  drawObjects(context) {
    const { picture } = this;
    const inSight = [];
    for (const object of this.state.objects) {
      const at = this.tan.toPixel(object.ra, object.dec);
      const [sx, sy] = at ? picture.toScreen(at) : [-1, -1];
      if (sx >= 0 && sy >= 0 && sx <= picture.width && sy <= picture.height) inSight.push([sx, sy, object.label]);
    }
    context.beginPath();
    for (const [sx, sy] of inSight) {
      context.moveTo(sx + 7, sy);
      context.arc(sx, sy, 7, 0, 2 * Math.PI);
    }
    this.stroke(context, "#7df0ff", 1.5);
    if (inSight.length > MOST_LABELS) return;
    for (const [sx, sy, label] of inSight) this.text(context, label, sx + 10, sy + 4, "#c9f8ff");
  }

  drawCross(context, [sx, sy]) {
    context.beginPath();
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.moveTo(sx + 5 * dx, sy + 5 * dy);
      context.lineTo(sx + 15 * dx, sy + 15 * dy);
    }
    this.stroke(context, "#ffe14d");
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
  }

  /** North and east where the middle of the screen is. */
  drawCompass(context) {
    const { picture, tan, size } = this;
    const [ra, dec] = tan.toSky(...picture.center);
    const [x0, y0] = [picture.width - 34 * size, picture.height - 30 * size];
    const step = 1 / 3600;
    const cos = Math.max(Math.cos((dec * Math.PI) / 180), 1e-6);
    for (const [name, to] of [["N", [ra, Math.min(dec + step, 90)]], ["E", [(ra + step / cos) % 360, dec]]]) {
      const at = tan.toPixel(...to);
      const [dx, dy] = [at[0] - picture.center[0], picture.center[1] - at[1]];
      const length = Math.hypot(dx, dy) || 1;
      const [ux, uy] = [dx / length, dy / length];
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
    const height = Math.round(Math.min(180 * size, picture.height - 170));
    if (height < 60) return;
    const [x, y, width] = [picture.width - 12 - 12 * size, 20, 12 * size];
    const map = picture.colorMap();
    context.fillStyle = SHADE;
    context.fillRect(x - 1, y - 1, width + 2, height + 2);
    for (let k = 0; k < height; k += 1) {
      const packed = map[Math.round((1 - k / (height - 1)) * (map.length - 1))];
      context.fillStyle = `rgb(${packed & 0xff}, ${(packed >> 8) & 0xff}, ${(packed >> 16) & 0xff})`;
      context.fillRect(x, y + k, width, 1.5);
    }
    context.textAlign = "right";
    this.text(context, shortNumber(high), x - 6, y + 9);
    this.text(context, shortNumber(low), x - 6, y + height);
    this.text(context, UNITS[state.array], x - 6, y + height / 2 + 4);
    context.textAlign = "left";
  }
}

/** Units of what an image can show. */
export const UNITS = { sci: "MJy/sr", error: "MJy/sr", snr: "S/N", count: "counts" };

/** A number in four digits. */
export function shortNumber(value) {
  if (value === null || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  const text = size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(2) : String(Number(value.toPrecision(4)));
  return text.replace("-", "−");
}
