// Buttons and fields: which cube is shown, how the image looks, the layers over it, catalogs, going to a position.

import { COLOR_PERCENTILES, PERCENTILES } from "./color.js";
import { unitOf } from "./overlay.js";
import { attempt, counted, element, mapKeys, say } from "./state.js";
import { parseCatalog } from "./table.js";
import { parsePosition } from "./wcs.js";

/** How long each of two planes that blink is shown [ms]. */
const BLINK = 700;
const TOOLS = ["spectrum", "ellipse", "box", "polygon", "pan"];
const COLOR_NAMES = ["Red", "Green", "Blue"];

export class Controls {
  constructor({ state, picture, pointer, meta }) {
    Object.assign(this, { state, picture, pointer, meta, object: -1 });
    this.cubeFields();
    this.imageFields();
    this.colorFields();
    this.rangeFields();
    this.layerFields();
    this.buttons();
    state.on(["mode", "range", "continuum", "cube"], () => this.oneSided());
    state.on(["mode", "array", "shownLimits", "limits", "tool", "colors", "pinned", "blinking", "cube"], () => this.show());
    this.show();
  }

  get cube() {
    return this.picture.cubes[this.state.cube];
  }

  /** Follows a field, and sets it to the value of the state. */
  field(id, key, read = (input) => input.value) {
    const input = element(id);
    if (input.type === "checkbox") input.checked = this.state[key];
    else input.value = this.state[key];
    input.addEventListener("change", () => this.state.set({ [key]: read(input) }));
    // What else sets the value is shown, too.
    this.state.on([key], () => {
      if (input.type === "checkbox") input.checked = this.state[key];
      else if (document.activeElement !== input) input.value = this.state[key];
    });
  }

  /** Several cubes can be chosen from; one needs no choice. */
  cubeFields() {
    const { cubes } = this.picture;
    element("cube-choice").hidden = cubes.length < 2;
    element("cube").replaceChildren(...cubes.map(({ detector, file }, k) => new Option(`${detector} · ${file}`, String(k))));
    element("cube").addEventListener("change", ({ target }) => this.showCube(Number(target.value)));
    this.state.on(["z"], () => (this.cube.last = this.state.z));
    this.state.on(["cube"], () => {
      element("cube").value = String(this.state.cube);
      this.colorFields();
    });
  }

  /** Shows a cube, at the plane that was seen last of it. */
  showCube(index) {
    const cube = this.picture.cubes[index];
    const { mode } = this.state;
    const keeps = mode === "plane" || (mode === "colors" && cube.colors);
    this.state.set({ cube: index, z: cube.last, colors: cube.colors, mode: keeps ? mode : "plane", limits: null });
  }

  /** Follows two number fields that make a pair; an order that cannot be is put back. */
  pair(ids, key) {
    const inputs = ids.map(element);
    inputs.forEach((input, k) => {
      input.value = this.state[key]?.[k] ?? "";
      input.addEventListener("change", () => {
        const [low, high] = inputs.map((each) => each.valueAsNumber);
        const allowed = low < high && inputs.every((each) => each.validity.valid);
        if (allowed) this.state.set({ [key]: [low, high] });
        else say("The first number has to be below the second", true);
      });
    });
  }

  /** Follows two fields of percentiles: when one is emptied, the limits follow the rule of the sky; one alone goes with that of `standIn`. */
  percentiles(ids, key, standIn) {
    const inputs = ids.map(element);
    const show = () => inputs.forEach((input, k) => (input.value = this.state[key]?.[k] ?? ""));
    for (const input of inputs) {
      input.addEventListener("change", () => {
        const given = inputs.map((each) => each.valueAsNumber);
        const [low, high] = given.map((value, k) => (Number.isNaN(value) ? standIn[k] : value));
        if (input.value === "" && input.validity.valid) this.state.set({ [key]: null });
        else if (low < high && low >= 0 && high <= 100) this.state.set({ [key]: [low, high] });
        else say("Percentiles lie between 0 and 100, the first below the second", true);
        show();
      });
    }
    this.state.on([key], show);
    show();
  }

  imageFields() {
    const names = this.meta.colormaps.map(([name]) => new Option(name, name));
    element("map").replaceChildren(...names);
    for (const id of ["array", "stretch"]) this.field(id, id);
    // Line maps have a color map of their own.
    const chosen = (values) => Object.fromEntries(mapKeys(this.state).map((key, k) => [key, values[k]]));
    const inputs = [element("map"), element("reversed")];
    for (const input of inputs) {
      input.addEventListener("change", () => this.state.set(chosen([inputs[0].value, inputs[1].checked])));
    }
    const showMap = () => ([inputs[0].value, inputs[1].checked] = this.picture.mapChoice);
    this.state.on(["mode", "map", "reversed", "lineMap", "lineReversed"], showMap);
    showMap();
    element("mode").addEventListener("change", ({ target }) => this.setMode(target.value));
    this.percentiles(["low-percent", "high-percent"], "percentiles", PERCENTILES);
    this.pair(["low", "high"], "limits");
    element("fixed").addEventListener("change", ({ target }) => {
      this.state.set({ limits: target.checked ? this.state.shownLimits?.[0] ?? null : null });
    });
  }

  /** Shows a plane, colors, a mean or a line; a range that was not set begins around the plane. */
  setMode(mode) {
    const { range, continuum, z } = this.state;
    if (mode === "colors" && !this.cube.colors) return;
    if (mode !== "mean" && mode !== "line") {
      this.state.set({ mode });
      return;
    }
    const [first, last] = [this.cube.wavelengths[0][0], this.cube.wavelengths.at(-1)[1]];
    const [min, max] = this.cube.wavelengths[z];
    const width = max - min;
    const inside = range && range[0] < last && range[1] > first;
    const on = inside ? range : [min, max];
    const sides = inside && continuum ? continuum : [[on[0] - 2.5 * width, on[0] - 0.5 * width], [on[1] + 0.5 * width, on[1] + 2.5 * width]];
    this.tryRange(mode, on, sides);
  }

  /** Shows the mean or the line of a range, if there are planes with data for it. */
  tryRange(mode, range, continuum) {
    const found = (ranges) => this.picture.withData(ranges.flatMap((each) => this.cube.planesIn(each)));
    const on = found([range]);
    const around = found(continuum).filter((z) => !on.includes(z));
    if (!(range[0] < range[1]) || on.length === 0) say("No plane with data lies in this range of wavelength", true);
    else if (mode === "line" && around.length === 0) say("No plane with data lies in the continuum", true);
    else this.state.set({ mode, range, continuum });
    this.show();
  }

  /** The planes with data of a continuum, of each of its sides, without those of the line. */
  sides() {
    const { range, continuum } = this.state;
    const found = (span) => this.picture.withData(this.cube.planesIn(span));
    const on = found(range);
    return continuum.map((side) => found(side).filter((z) => !on.includes(z)));
  }

  /** A note where a continuum is known on one side of the line alone. */
  oneSided() {
    const { mode, continuum } = this.state;
    const counts = mode === "line" && continuum ? this.sides().map((planes) => planes.length) : [1, 1];
    const missing = counts.findIndex((count) => count === 0);
    const words = ["below", "above"];
    const note = `No plane with data lies in the continuum ${words[missing]} the line: it goes on straight from the ${counts[1 - missing]} on the other side`;
    element("one-sided").textContent = missing < 0 ? "" : note;
    if (missing >= 0) say(note);
  }

  rangeFields() {
    const ids = ["range-from", "range-to", "left-from", "left-to", "right-from", "right-to"];
    const inputs = ids.map(element);
    const fill = () => {
      const { range, continuum } = this.state;
      if (range) [...range, ...continuum.flat()].forEach((value, k) => (inputs[k].value = String(Number(value.toFixed(4)))));
    };
    this.state.on(["range", "continuum"], fill);
    inputs.forEach((input) =>
      input.addEventListener("change", () => {
        const [a, b, c, d, e, f] = inputs.map((each) => each.valueAsNumber);
        this.tryRange(this.state.mode, [a, b], [[c, d], [e, f]]);
      }),
    );
    element("from-plot").addEventListener("click", () => {
      const { plotRange } = this.state;
      if (!plotRange) say("Choose a range in the plot first: drag across it");
      else this.tryRange(this.state.mode, plotRange, this.sidesOf(plotRange));
    });
  }

  /** As much continuum on each side of a range as the range is wide, a little away from it. */
  sidesOf([min, max]) {
    const width = max - min;
    return [[min - 1.25 * width, min - 0.25 * width], [max + 0.25 * width, max + 1.25 * width]];
  }

  colorFields() {
    element("mode").querySelector("[value=colors]").disabled = !this.cube.colors;
    if (!this.colorsBegun) {
      this.colorsBegun = true;
      this.percentiles(["low-color", "high-color"], "colorPercentiles", COLOR_PERCENTILES);
      this.field("q", "q", (input) => input.valueAsNumber);
    }
    if (!this.cube.colors) {
      element("ranges").replaceChildren();
      return;
    }
    const rows = COLOR_NAMES.map((name, k) => {
      const row = Object.assign(document.createElement("div"), { className: `range ${name.toLowerCase()}` });
      const ends = ["from", "to"].map((end) =>
        Object.assign(document.createElement("input"), {
          id: `${name.toLowerCase()}-${end}`,
          type: "number",
          step: "any",
          ariaLabel: `${name} ${end} [µm]`,
        }),
      );
      const planes = (this.state.colors ?? this.cube.colors)[k];
      ends[0].value = String(this.cube.wavelengths[planes[0]][0]);
      ends[1].value = String(this.cube.wavelengths[planes.at(-1)][1]);
      ends.forEach((input) => input.addEventListener("change", () => this.range(k, ends)));
      row.append(Object.assign(document.createElement("span"), { textContent: name }), ends[0], "–", ends[1], k === 2 ? " µm" : "");
      return row;
    });
    element("ranges").replaceChildren(...rows);
  }

  /** The planes of a color. */
  range(k, ends) {
    const [min, max] = ends.map((input) => input.valueAsNumber);
    const planes = this.cube.planesIn([min, max]);
    if (!(min < max) || planes.length === 0) {
      say(`${COLOR_NAMES[k]}: no plane lies in this range`, true);
      return;
    }
    this.state.set({ colors: this.state.colors.with(k, planes) });
  }

  layerFields() {
    const flags = this.meta.flags.map(([bit, name]) => new Option(name, String(bit)));
    element("flag").replaceChildren(new Option("any flag", ""), ...flags);
    this.field("mask", "mask");
    element("flag").addEventListener("change", ({ target }) => {
      this.state.set({ maskBits: target.value === "" ? 0xffffffff : 2 ** Number(target.value) });
    });
    element("fewer").addEventListener("change", ({ target }) => {
      this.state.set({ fewerThan: target.valueAsNumber > 0 ? target.valueAsNumber : 0 });
      target.value = this.state.fewerThan || "";
    });
    this.field("grid", "grid", (input) => input.checked);
    this.field("show-objects", "showObjects", (input) => input.checked);
    element("catalog").addEventListener("change", ({ target }) => {
      const [file] = target.files;
      if (file) attempt(async () => this.catalog(await file.text(), file.name));
      // So that the same file can be chosen again after it has changed.
      target.value = "";
    });
    element("next-object").addEventListener("click", () => this.nextObject());
  }

  /** Lays a catalog over the image; throws what is wrong with it. */
  catalog(text, name) {
    const { objects, without } = parseCatalog(text);
    const inside = objects.filter(({ ra, dec }) => this.picture.cubes.some((cube) => cube.pixelOf([ra, dec])));
    this.state.set({ objects: inside });
    this.object = -1;
    const lost = without > 0 ? `, ${without} without position` : "";
    element("objects").textContent = `${name}: ${inside.length} of ${objects.length} in the image${lost}`;
    element("next-object").disabled = inside.length === 0;
  }

  nextObject() {
    const { objects } = this.state;
    if (objects.length === 0) return;
    this.object = (this.object + 1) % objects.length;
    const { ra, dec, label } = objects[this.object];
    this.goTo([ra, dec]);
    say(label);
  }

  goTo(position) {
    const at = this.cube.pixelOf(position);
    if (!at) {
      say(`${position[0]} ${position[1]} lies outside the cube`, true);
      return;
    }
    this.picture.show(at);
    this.state.set({ cross: at });
    this.pointer.readout(at);
  }

  buttons() {
    const press = (id, act) => element(id).addEventListener("click", act);
    for (const tool of TOOLS) press(`tool-${tool}`, () => this.state.set({ tool }));
    press("zoom-in", () => this.picture.zoom(1.5));
    press("zoom-out", () => this.picture.zoom(1 / 1.5));
    press("fit", () => this.fit());
    press("theme", () => this.theme());
    press("pin", () => this.pin());
    press("blink", () => this.blink());
    press("auto-blink", () => this.autoBlink());
    this.state.on(["pinned"], () => this.state.blinking && !this.state.pinned && this.autoBlink());
    element("goto").addEventListener("submit", (event) => {
      event.preventDefault();
      const position = parsePosition(element("position").value);
      if (position) this.goTo(position);
      else say("A position is two numbers in degrees, or hours and degrees as 12:25:48.9 +33:32:48", true);
    });
  }

  /** Shows the whole image, or says that it is the part of a strip. */
  fit() {
    this.picture.fit();
    const { nx, ny } = this.picture.planes;
    if (this.picture.isPart) say(`A part of ${nx} × ${ny} pixels: drag with Shift (or one finger) to move along; − shows more`);
  }

  /** Keeps what is shown, to blink with something else. */
  pin() {
    this.state.set({ pinned: viewOf(this.state) });
    say("Now choose another plane, range, array or cube, and blink");
  }

  /** Changes what is shown with what was kept. */
  blink() {
    const { pinned } = this.state;
    if (pinned) this.state.set({ ...pinned, pinned: viewOf(this.state) });
    else this.pin();
  }

  /** Begins or ends to blink by itself; what keeps no view ends it. */
  autoBlink() {
    const blinking = !this.state.blinking && this.state.pinned !== null;
    this.state.set({ blinking });
    clearInterval(this.timer);
    if (blinking) this.timer = setInterval(() => this.blink(), BLINK);
  }

  /** Shows in the fields what the state has. */
  show() {
    const { mode, shownLimits, limits, tool, pinned, blinking } = this.state;
    document.body.dataset.mode = mode;
    element("mode").value = mode;
    element("fixed").checked = limits !== null;
    // Fixed limits make them idle.
    for (const id of ["low-percent", "high-percent"]) element(id).disabled = limits !== null;
    const used = limits ?? shownLimits?.[0];
    // A plane without data has none.
    [element("low").value, element("high").value] = used?.map((v) => Number(v.toPrecision(4))) ?? ["", ""];
    element("unit").textContent = unitOf(this.state);
    for (const name of TOOLS) element(`tool-${name}`).setAttribute("aria-pressed", String(tool === name));
    element("overlay").dataset.tool = tool;
    for (const id of ["blink", "auto-blink"]) element(id).disabled = pinned === null;
    element("auto-blink").setAttribute("aria-pressed", String(blinking));
    const { file, detector, shape: [nz, ny, nx] } = this.cube;
    element("title").textContent = `${file} · ${detector} · ${nx} × ${ny} pixels, ${counted(nz, "plane")}`;
  }

  /** Light becomes dark and back; at first it is as the system has it. */
  theme() {
    const root = document.documentElement;
    const dark = getComputedStyle(root).getPropertyValue("--dark").trim() === "1";
    root.dataset.theme = dark ? "light" : "dark";
    window.dispatchEvent(new Event("theme"));
  }
}

/** What blinking changes. */
function viewOf({ cube, z, mode, array, range, continuum, colors }) {
  return { cube, z, mode, array, range, continuum, colors };
}
