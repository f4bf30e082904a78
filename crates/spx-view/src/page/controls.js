// Buttons and fields: how the image looks, the layers over it, catalogues, going to a position, saving the view.

import { shortNumber, UNITS } from "./overlay.js";
import { attempt, element, say } from "./state.js";
import { parseCatalogue, save } from "./table.js";
import { parsePosition } from "./wcs.js";

const COLOR_NAMES = ["Red", "Green", "Blue"];

export class Controls {
  constructor({ state, picture, pointer, tan, meta }) {
    Object.assign(this, { state, picture, pointer, tan, meta, object: -1 });
    this.imageFields();
    this.colorFields();
    this.layerFields();
    this.buttons();
    state.on(["mode", "array", "shownLimits", "limits", "tool", "colors"], () => this.show());
    this.show();
  }

  /** Follows a field, and sets it to the value of the state. */
  field(id, key, read = (input) => input.value) {
    const input = element(id);
    if (input.type === "checkbox") input.checked = this.state[key];
    else input.value = this.state[key];
    input.addEventListener("change", () => this.state.set({ [key]: read(input) }));
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

  imageFields() {
    const names = this.meta.colormaps.map(([name]) => new Option(name, name));
    element("map").replaceChildren(...names);
    for (const id of ["mode", "array", "stretch", "map"]) this.field(id, id);
    this.field("reversed", "reversed", (input) => input.checked);
    this.pair(["low-percent", "high-percent"], "percentiles");
    this.pair(["low", "high"], "limits");
    element("fixed").addEventListener("change", ({ target }) => {
      this.state.set({ limits: target.checked ? this.state.shownLimits?.[0] ?? null : null });
    });
  }

  colorFields() {
    this.pair(["low-color", "high-color"], "colorPercentiles");
    this.field("q", "q", (input) => input.valueAsNumber);
    if (!this.meta.colors) {
      element("mode").querySelector("[value=colors]").disabled = true;
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
      const planes = this.meta.colors[k];
      ends[0].value = String(this.meta.wavelengths[planes[0]][0]);
      ends[1].value = String(this.meta.wavelengths[planes.at(-1)][1]);
      ends.forEach((input) => input.addEventListener("change", () => this.range(k, ends)));
      row.append(Object.assign(document.createElement("span"), { textContent: name }), ends[0], "–", ends[1], k === 2 ? " µm" : "");
      return row;
    });
    element("ranges").replaceChildren(...rows);
  }

  /** The planes of a color: those whose centers lie in the range, or where there are none, that overlap it. */
  range(k, ends) {
    const [min, max] = ends.map((input) => input.valueAsNumber);
    const pick = (test) => this.meta.wavelengths.flatMap((edges, z) => (test(edges) ? [z] : []));
    const centered = pick(([a, b]) => (a + b) / 2 >= min && (a + b) / 2 < max);
    const planes = centered.length > 0 ? centered : pick(([a, b]) => a < max && min < b);
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
    });
    this.field("show-objects", "showObjects", (input) => input.checked);
    element("catalogue").addEventListener("change", ({ target }) => {
      const [file] = target.files;
      if (file) attempt(async () => this.catalogue(await file.text(), file.name));
      // So that the same file can be chosen again after it has changed.
      target.value = "";
    });
    element("next-object").addEventListener("click", () => this.nextObject());
  }

  /** Lays a catalogue over the image; throws what is wrong with it. */
  catalogue(text, name) {
    const objects = parseCatalogue(text);
    const inside = objects.filter(({ ra, dec }) => this.pixelOf([ra, dec]));
    this.state.set({ objects: inside });
    this.object = -1;
    element("objects").textContent = `${name}: ${inside.length} of ${objects.length} in the image`;
    element("next-object").disabled = inside.length === 0;
  }

  /** The pixel of a position, if it lies in the image. */
  pixelOf([ra, dec]) {
    const [, ny, nx] = this.meta.shape;
    const at = this.tan.toPixel(ra, dec);
    const inside = at && at[0] >= -0.5 && at[1] >= -0.5 && at[0] < nx - 0.5 && at[1] < ny - 0.5;
    return inside ? at : null;
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
    const at = this.pixelOf(position);
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
    press("tool-spectrum", () => this.state.set({ tool: "spectrum" }));
    press("tool-pan", () => this.state.set({ tool: "pan" }));
    press("zoom-in", () => this.picture.zoom(1.5));
    press("zoom-out", () => this.picture.zoom(1 / 1.5));
    press("fit", () => this.picture.fit());
    press("theme", () => this.theme());
    press("save-view", () => this.saveView());
    element("goto").addEventListener("submit", (event) => {
      event.preventDefault();
      const position = parsePosition(element("position").value);
      if (position) this.goTo(position);
      else say("A position is two numbers in degrees, or hours and degrees as 12:25:48.9 +33:32:48", true);
    });
  }

  /** Shows in the fields what the state has. */
  show() {
    const { mode, array, shownLimits, limits, tool } = this.state;
    document.body.dataset.mode = mode;
    element("mode").value = mode;
    element("fixed").checked = limits !== null;
    const used = limits ?? shownLimits?.[0];
    if (used) [element("low").value, element("high").value] = used.map((v) => Number(v.toPrecision(4)));
    element("unit").textContent = UNITS[array];
    for (const name of ["spectrum", "pan"]) element(`tool-${name}`).setAttribute("aria-pressed", String(tool === name));
    element("overlay").dataset.tool = tool;
  }

  /** Light becomes dark and back; at first it is as the system has it. */
  theme() {
    const root = document.documentElement;
    const dark = getComputedStyle(root).getPropertyValue("--dark").trim() === "1";
    root.dataset.theme = dark ? "light" : "dark";
    window.dispatchEvent(new Event("theme"));
  }

  /** The image with all that lies over it, and a line that says what it is. */
  async saveView() {
    const { canvas, ratio } = this.picture;
    const caption = Math.round(30 * ratio);
    const whole = document.createElement("canvas");
    [whole.width, whole.height] = [canvas.width, canvas.height + caption];
    const context = whole.getContext("2d");
    const style = getComputedStyle(canvas);
    context.fillStyle = style.getPropertyValue("--stage");
    context.fillRect(0, 0, whole.width, whole.height);
    context.drawImage(canvas, 0, 0);
    context.drawImage(element("overlay"), 0, 0);
    context.fillStyle = "#e8ebf0";
    context.font = `${13 * ratio}px ${style.fontFamily}`;
    context.fillText(this.caption(), 10 * ratio, canvas.height + 20 * ratio);
    const blob = await new Promise((resolve) => whole.toBlob(resolve, "image/png"));
    save(`${this.meta.file.replace(/\.fits(\.gz)?$/, "")}_${this.state.mode === "plane" ? this.state.z : "rgb"}.png`, blob);
  }

  caption() {
    const { mode, z, array, shownLimits, stretch } = this.state;
    const range = (planes) =>
      `${shortNumber(this.meta.wavelengths[planes[0]][0])}–${shortNumber(this.meta.wavelengths[planes.at(-1)][1])}`;
    if (mode === "colors") return `${this.meta.file}  ${this.state.colors.map(range).join(", ")} µm (red, green, blue)`;
    const [low, high] = shownLimits?.[0] ?? [null, null];
    return `${this.meta.file}  ${range([z])} µm  ${array} ${shortNumber(low)} to ${shortNumber(high)} ${UNITS[array]}, ${stretch}`;
  }
}
