// Pictures of the view with axes, at twice the size, and the commands that make the same on the command line.

import { FIRST_Q } from "./color.js";
import { crossing, gridLines } from "./grid.js";
import { shortNumber, unitOf } from "./overlay.js";
import { regionText } from "./regions.js";
import { element, say } from "./state.js";
import { save } from "./table.js";

/** Pixels of a saved picture for one CSS pixel. */
const TWICE = 2;
/** Room around the image for its axes [CSS px], for letters of 12 px. */
const ROOM = { left: 92, right: 48, top: 34, bottom: 46 };

export class Saving {
  constructor({ state, picture, overlay, plot, cubes }) {
    Object.assign(this, { state, image: picture, overlay, plot, cubes });
    element("save-view").addEventListener("click", () => this.picture());
    element("save-plot").addEventListener("click", () => this.plotPicture());
    element("show-command").addEventListener("click", () => this.commands());
    for (const id of ["picture-command", "spectrum-command"]) {
      element(`copy-${id}`).addEventListener("click", () => copy(element(id)));
    }
  }

  get name() {
    const { mode, z, cube } = this.state;
    return `${this.cubes[cube].stem}_${{ plane: z, colors: "rgb" }[mode] ?? mode}.png`;
  }

  /** The image and all that lies over it in a frame with axes, and a line that says what it is. */
  async picture() {
    const { width, height } = this.image;
    const style = getComputedStyle(this.overlay.canvas);
    const size = parseFloat(style.fontSize) / 12;
    const [left, right, top, bottom] = [ROOM.left, ROOM.right, ROOM.top, ROOM.bottom].map((room) => room * size);
    const whole = document.createElement("canvas");
    [whole.width, whole.height] = [left + width + right, top + height + bottom].map((side) => Math.round(side * TWICE));
    const context = whole.getContext("2d");
    context.scale(TWICE, TWICE);
    context.fillStyle = "#ffffff";
    context.fillRect(0, 0, whole.width, whole.height);
    context.save();
    context.translate(left, top);
    context.beginPath();
    context.rect(0, 0, width, height);
    context.clip();
    context.fillStyle = getComputedStyle(this.image.canvas).getPropertyValue("--stage");
    context.fillRect(0, 0, width, height);
    this.image.drawOn(context, TWICE);
    this.overlay.drawOn(context, false);
    context.restore();
    context.font = `${style.fontSize} ${style.fontFamily}`;
    context.translate(left, top);
    this.drawAxes(context, [width, height], size);
    context.textAlign = "left";
    // Set smaller where it would be cut.
    const caption = this.caption();
    const room = Math.min(1, (width + right - 4) / context.measureText(caption).width);
    context.save();
    context.scale(room, room);
    context.fillText(caption, 0, (-12 * size) / room);
    context.restore();
    await saveCanvas(whole, this.name);
  }

  /** Ticks and positions below and on the left, where lines of equal right ascension and declination meet the frame. */
  drawAxes(context, [width, height], size) {
    context.strokeStyle = "#000000";
    context.fillStyle = "#000000";
    context.lineWidth = 1;
    context.strokeRect(0, 0, width, height);
    const tick = (x0, y0, x1, y1) => {
      context.beginPath();
      context.moveTo(x0, y0);
      context.lineTo(x1, y1);
      context.stroke();
    };
    for (const line of gridLines(this.image, [width, height])) {
      const at = line.isRa ? crossing(line, 1, height - 0.01, width) : crossing(line, 0, 0.01, height);
      if (at === null) continue;
      context.textAlign = line.isRa ? "center" : "right";
      if (line.isRa) {
        tick(at, height, at, height + 5);
        context.fillText(line.words, at, height + 17 * size);
      } else {
        tick(-5, at, 0, at);
        context.fillText(line.words, -8, at + 4);
      }
    }
    context.textAlign = "center";
    context.fillText("Right ascension (ICRS)", width / 2, height + 36 * size);
    context.save();
    context.translate(-80 * size, height / 2);
    context.rotate(-Math.PI / 2);
    context.fillText("Declination", 0, 0);
    context.restore();
  }

  /** The plot as it is, on white or dark. */
  async plotPicture() {
    const { clientWidth: width, clientHeight: height } = this.plot.canvas.parentElement;
    const whole = document.createElement("canvas");
    [whole.width, whole.height] = [width * TWICE, height * TWICE];
    const context = whole.getContext("2d");
    context.scale(TWICE, TWICE);
    context.fillStyle = getComputedStyle(this.plot.canvas).getPropertyValue("--panel");
    context.fillRect(0, 0, width, height);
    this.plot.drawOn(context, width, height);
    await saveCanvas(whole, `${this.cubes[this.state.cube].stem}_spectra.png`);
  }

  caption() {
    const { mode, z, array, shownLimits, stretch, cube, colors, range } = this.state;
    const { file, detector, wavelengths } = this.cubes[cube];
    const ends = (planes) => `${shortNumber(wavelengths[planes[0]][0])}–${shortNumber(wavelengths[planes.at(-1)][1])}`;
    const name = `${file}, ${detector}: `;
    if (mode === "colors") return `${name}${colors.map(ends).join(", ")} µm (red, green, blue)`;
    const [low, high] = shownLimits?.[0] ?? [null, null];
    const span = range?.map(shortNumber).join("–");
    const sides = element("one-sided").textContent ? ", on one side only" : "";
    const what = { plane: `${ends([z])} µm, ${array}`, mean: `mean of ${span} µm`, line: `line ${span} µm over its continuum${sides}` };
    return `${name}${what[mode]}, ${shortNumber(low)} to ${shortNumber(high)} ${unitOf(this.state)}, ${stretch}`;
  }

  // ---- commands

  /** Shows the commands that make this picture and these spectra. */
  commands() {
    element("picture-command").value = this.pictureCommand();
    element("spectrum-command").value = this.spectrumCommand();
    const lacking = this.lacking();
    element("lacking").textContent = lacking.length > 0 ? `Not in this command: ${lacking.join(", ")}.` : "";
    element("command").showModal();
  }

  /** What of the view the command has no option for. */
  lacking() {
    const { state } = this;
    const isPlane = state.mode === "plane";
    const found = [
      [state.mode !== "colors" && state.stretch === "rank", "the percentile stretch (asinh in its place)"],
      [state.mode === "colors" && state.q !== FIRST_Q, "the softening"],
      [state.mode === "colors" && this.part, "limits of the whole image (those of the part in their place)"],
      [isPlane && state.mask, "flags"],
      [isPlane && state.fewerThan > 0, "marks of few counts"],
      [state.showObjects && state.objects.length > 0, "the catalog"],
      [state.spectra.some(({ region }) => region.shape !== "point"), "sizes and shapes of regions"],
    ];
    return found.flatMap(([isSo, what]) => (isSo ? [what] : []));
  }

  /** The part of the cube that is in sight, as options of `spx cube cut`; null where that is the whole. */
  get part() {
    const { image } = this;
    const { nx, ny } = image.planes;
    const [[left, bottom], [right, top]] = [image.toImage([0, image.height]), image.toImage([image.width, 0])];
    if (left <= -0.5 && bottom <= -0.5 && right >= nx - 0.5 && top >= ny - 0.5) return null;
    const [ra, dec] = image.cube.tan.toSky(...image.center);
    const arcmin = (pixels) => ((pixels * image.cube.tan.pixelSide(...image.center)) / 60).toFixed(3);
    return ["--ra", ra.toFixed(6), `--dec=${dec.toFixed(6)}`, "--width", arcmin(right - left), "--height", arcmin(top - bottom)];
  }

  pictureCommand() {
    const { state } = this;
    const { path, stem, wavelengths } = this.cubes[state.cube];
    const { part } = this;
    const words = part ? ["spx cube cut", quote(path), "-o", quote(`${stem}_part.fits`), ...part, "--overwrite", "&&"] : [];
    words.push("spx cube plot", quote(part ? `${stem}_part.fits` : path), "-o", quote(this.name));
    const ends = (planes) => `${wavelengths[planes[0]][0]}..${wavelengths[planes.at(-1)][1]}`;
    const span = ([min, max]) => `${Number(min.toFixed(4))}..${Number(max.toFixed(4))}`;
    if (state.mode === "colors") words.push("--rgb", state.colors.map(ends).join(","));
    else if (state.mode === "plane") words.push("--plane", state.z);
    else words.push(`--${state.mode}`, span(state.range));
    if (state.mode === "line") words.push("--continuum", state.continuum.map(span).join(","));
    if (state.mode === "plane" && state.array !== "sci") words.push("--array", state.array);
    if (state.mode !== "colors") {
      if (!["asinh", "rank"].includes(state.stretch)) words.push("--stretch", state.stretch);
      if (state.stretch === "asinh" && state.array === "count") words.push("--stretch asinh");
      const [map, isReversed] = this.image.mapChoice;
      // Of a line map the default is another one.
      if (state.mode === "line" || map !== "viridis" || isReversed) words.push("--cmap", isReversed ? `${map}_r` : map);
      const limits = state.shownLimits?.[0];
      if (limits) words.push(`--limits=${limits.map((v) => Number(v.toPrecision(5))).join(",")}`);
    } else if (state.colorPercentiles) {
      words.push("--percentile", state.colorPercentiles.join(","));
    }
    if (state.grid) words.push("--grid");
    for (const { region, label } of state.spectra) words.push("--mark", quote(`${Number(region.ra.toFixed(6))},${Number(region.dec.toFixed(6))},${label}`));
    return words.join(" ");
  }

  spectrumCommand() {
    const { spectra, annulus } = this.state;
    if (spectra.length === 0) return "";
    const files = this.cubes.map(({ path }) => quote(path));
    const regions = spectra.map(({ region, label }) => `--region ${quote(regionText(region, label))}`);
    return ["spx cube spectrum", ...files, ...regions, ...(annulus ? ["--annulus", annulus] : [])].join(" ");
  }
}

/** A word as shells read it. */
function quote(word) {
  return /^[\w./,:=+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

async function copy(field) {
  try {
    await navigator.clipboard.writeText(field.value);
    say("Copied");
  } catch {
    field.select();
    say("Select and copy the text with the keyboard");
  }
}

async function saveCanvas(canvas, name) {
  save(name, await new Promise((resolve) => canvas.toBlob(resolve, "image/png")));
}
