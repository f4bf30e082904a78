// The spectra that were taken: asking for them, their list, their regions, their numbers, their files.

import { FEATURES } from "./spectral_lines.js";
import { parseRegions, placeOf, reachOf, regionText, toRegionFile } from "./regions.js";
import { attempt, element, say } from "./state.js";
import { COLUMNS, save, tableRows, toCsv, toEcsv } from "./table.js";
import { sexagesimal } from "./wcs.js";

/** The background lies between so many times the region, unless other edges are given. */
const TIMES = [2, 4];
/** Colors that are told apart on light and dark, and by color-blind eyes, one after the other (after Okabe & Ito). */
const PALETTE = ["#d55e00", "#0a8fd0", "#00926a", "#c9569c", "#b98600", "#3a63c9", "#7a7f87", "#8a5a2b"];

export class Spectra {
  constructor({ state, source, cubes }) {
    Object.assign(this, { state, source, cubes, taken: 0 });
    state.on(["spectra", "selected"], () => this.list());
    element("clear").addEventListener("click", () => {
      state.set({ spectra: [], selected: null });
      state.step();
    });
    this.fields();
    this.lineFields();
    this.regionFiles();
  }

  fields() {
    const { state } = this;
    element("radius").value = state.radius ?? "";
    element("radius").addEventListener("change", ({ target }) => {
      const radius = target.value === "" ? null : target.valueAsNumber;
      if (target.validity.valid && (radius === null || radius > 0)) {
        state.set({ radius });
        return;
      }
      say("The radius of a click is above 0; where it is empty, the one pixel is taken", true);
      target.value = state.radius ?? "";
    });
    element("quantity").addEventListener("change", ({ target }) => state.set({ quantity: target.value, valueRange: null }));
    for (const [id, key] of [["log-x", "logX"], ["log-y", "logY"]]) {
      element(id).addEventListener("change", ({ target }) => state.set({ [key]: target.checked }));
    }
    element("whole-range").addEventListener("click", () => state.set({ plotRange: null, valueRange: null }));
    state.on(["plotRange", "valueRange"], () => {
      element("whole-range").disabled = state.plotRange === null && state.valueRange === null;
    });
    for (const id of ["subtract", "ring-inner", "ring-outer"]) element(id).addEventListener("change", () => this.annulus());
    element("ring-unit").addEventListener("change", () => {
      this.putRing(element("ring-unit").value === "x" ? TIMES : TIMES.map((factor) => Number((factor * (state.radius ?? 12)).toFixed(1))));
      this.annulus();
    });
    this.putRing(TIMES);
  }

  putRing(edges) {
    [element("ring-inner").value, element("ring-outer").value] = edges;
  }

  /** Shows the ring of the state in the fields. */
  showRing() {
    const { annulus } = this.state;
    element("subtract").checked = annulus !== null;
    if (!annulus) return;
    element("ring-unit").value = annulus.endsWith("x") ? "x" : "";
    this.putRing(annulus.split(",").map(parseFloat));
  }

  /** The ring of the background, as the fields have it; all spectra are taken anew. */
  async annulus() {
    const unit = element("ring-unit").value;
    const edges = ["ring-inner", "ring-outer"].map((id) => element(id).valueAsNumber);
    const { checked } = element("subtract");
    const least = unit === "x" ? 1 : 0;
    if (checked && !(edges[0] >= least && edges[0] < edges[1])) {
      say(`The inner edge of the background has to be below the outer one${least ? ", and at least 1 × the region" : ""}`, true);
      return;
    }
    const annulus = checked ? edges.map((edge) => `${edge}${unit}`).join(",") : null;
    if (annulus === this.state.annulus) return;
    this.state.set({ annulus });
    await this.renew();
    this.state.step();
  }

  lineFields() {
    const { state } = this;
    const boxes = Object.keys(FEATURES).map((group) => {
      const label = document.createElement("label");
      const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: state.lines.includes(group), value: group });
      box.addEventListener("change", () => {
        const others = state.lines.filter((each) => each !== group);
        state.set({ lines: box.checked ? [...others, group] : others });
        state.step();
      });
      label.append(box, group);
      return label;
    });
    element("features").replaceChildren(...boxes);
    element("redshift").addEventListener("change", ({ target }) => {
      const redshift = parseRedshift(target.value);
      if (redshift === null) say("A redshift is a number such as 0.0011, or a velocity such as 319 km/s", true);
      else {
        attempt(async () => state.set({ redshift }));
        state.step();
      }
    });
  }

  regionFiles() {
    element("region-file").addEventListener("change", ({ target }) => {
      const [file] = target.files;
      if (file) attempt(async () => this.read(await file.text(), file.name));
      target.value = "";
    });
    element("save-regions").addEventListener("click", () => {
      const text = toRegionFile(this.state.spectra, element("region-system").value, this.cubes[0]);
      save(`${this.cubes[0].stem}.reg`, new Blob([text], { type: "text/plain" }));
    });
  }

  /** Takes the spectra of all regions of a text of DS9. */
  async read(text, name) {
    const skipped = [];
    const regions = parseRegions(text, { skip: (line) => skipped.push(line), cube: this.cubes[0] });
    const before = this.state.spectra.length;
    for (const { region, label, color } of regions) await this.take(region, { label, color, quiet: true });
    this.state.step();
    say(`${name}: ${this.state.spectra.length - before} of ${regions.length} regions lie in the image${skipped.length > 0 ? `; not used: ${skipped.join(", ")}` : ""}`);
  }

  /** The reports of a region, one a cube, null for cubes without data there; undefined, with a message, where none has any. */
  async extract(region, label) {
    return attempt(async () => {
      const { annulus } = this.state;
      const isFixed = annulus && !annulus.endsWith("x");
      if (isFixed && region.shape !== "point" && reachOf(region) >= Number(annulus.split(",")[1])) {
        throw new Error(`The ring of the background (${annulus.replace(",", "–")}″) lies inside the region: give it in multiples of the region, or make it larger`);
      }
      const asked = this.cubes.map((cube) => this.source.spectrum(cube.index, region, label, annulus));
      const answers = await Promise.all(asked);
      if (answers.every(({ nothing }) => nothing)) throw new Error(answers[0].nothing);
      return answers.map((answer) => (answer.nothing ? null : answer));
    });
  }

  /** Takes the spectrum of a region. A region that `stays` is kept without data, too. */
  async take(region, { label, color, quiet = false, stays = false } = {}) {
    const id = (this.taken += 1);
    const name = label || `S${id}`;
    const reports = (await this.extract(region, name)) ?? (stays ? this.cubes.map(() => null) : null);
    if (!reports) return;
    const used = this.state.spectra.map((spectrum) => spectrum.color);
    const free = PALETTE.find((each) => !used.includes(each)) ?? PALETTE[(id - 1) % PALETTE.length];
    const spectrum = { id, label: name, color: isColor(color) ? color : free, region, reports };
    this.state.set({ spectra: [...this.state.spectra, spectrum], selected: id });
    if (quiet) return;
    this.state.step();
    say(`${name}: ${placeOf(region)}${this.cut(reports)}`);
  }

  cut(reports) {
    return reports.some((report) => report?.clipped) ? "; the region reaches beyond the edge of the cube, only the part inside counts" : "";
  }

  /** Shows a region as it would become, its spectrum as it was. */
  preview(spectrum, region) {
    this.replace(spectrum.id, { region });
  }

  /** Gives a spectrum another region. */
  async change(spectrum, region) {
    const reports = await this.extract(region, spectrum.label);
    // Where that fails, the region goes back.
    this.replace(spectrum.id, reports ? { region, reports } : { region: spectrum.region });
    if (reports) say(`${spectrum.label}: ${placeOf(region)}${this.cut(reports)}`);
    this.state.set({ selected: spectrum.id });
    if (reports) this.state.step();
  }

  replace(id, values) {
    this.state.set({ spectra: this.state.spectra.map((s) => (s.id === id ? { ...s, ...values } : s)) });
  }

  /** Takes all spectra again. */
  async renew() {
    for (const { id, region, label } of this.state.spectra) {
      // Numbers that were found in another way must not stay.
      this.replace(id, { reports: (await this.extract(region, label)) ?? this.cubes.map(() => null) });
    }
  }

  get chosen() {
    const { spectra, selected } = this.state;
    return spectra.find(({ id }) => id === selected) ?? spectra.at(-1);
  }

  list() {
    const { spectra } = this.state;
    const items = spectra.map((spectrum) => this.item(spectrum));
    // A list that is made anew while someone types would take the focus away.
    if (!element("spectra").contains(document.activeElement) || spectra.length !== element("spectra").childElementCount) {
      element("spectra").replaceChildren(...items);
    } else {
      spectra.forEach((spectrum, k) => this.update(element("spectra").children[k], spectrum));
    }
    for (const id of ["clear", "save-regions"]) element(id).disabled = spectra.length === 0;
    element("numbers").hidden = !this.chosen;
    if (this.chosen) this.numbers(this.chosen);
  }

  update(item, spectrum) {
    item.classList.toggle("selected", spectrum.id === this.state.selected);
    item.dataset.region = regionText(spectrum.region, spectrum.label);
    const where = item.querySelector(".where");
    where.textContent = placeOf(spectrum.region) + (spectrum.reports.some(Boolean) ? "" : ", no data");
    where.title = sexagesimal([spectrum.region.ra, spectrum.region.dec]);
    const text = item.querySelector(".region");
    if (document.activeElement !== text) text.value = regionText(spectrum.region);
  }

  item(spectrum) {
    const { id } = spectrum;
    const make = (tag, values) => Object.assign(document.createElement(tag), values);
    const item = make("li", {});
    const now = () => this.state.spectra.find((s) => s.id === id) ?? spectrum;
    const action = (words, title, act) => {
      const button = make("button", { textContent: words, title, ariaLabel: `${title} (${spectrum.label})` });
      button.addEventListener("click", () => act(now()));
      return button;
    };
    const swatch = make("button", { className: "swatch", title: "Show its handles", ariaLabel: `Select (${spectrum.label})` });
    swatch.style.background = spectrum.color;
    swatch.addEventListener("click", () => this.state.set({ selected: id }));
    const name = make("input", { value: spectrum.label, className: "name", ariaLabel: "Label", spellcheck: false });
    name.addEventListener("change", () => this.rename(now(), name.value.trim() || spectrum.label));
    const text = make("input", { className: "region", ariaLabel: `Region (${spectrum.label})`, spellcheck: false, hidden: true });
    text.addEventListener("change", () => this.edit(now(), text));
    const edit = action("✎", "Edit its region", () => {
      text.hidden = !text.hidden;
      if (!text.hidden) text.focus();
    });
    item.append(
      swatch,
      name,
      make("span", { className: "where" }),
      action("123", "Show its numbers", () => this.show(now())),
      action("CSV", "Save as CSV", (s) => this.file(s, "csv", toCsv)),
      action("ECSV", "Save as ECSV", (s) => this.file(s, "ecsv", toEcsv)),
      edit,
      action("×", "Remove", (s) => this.remove(s)),
      text,
    );
    this.update(item, spectrum);
    return item;
  }

  /** Takes the region that was typed. */
  edit(spectrum, input) {
    attempt(async () => {
      const [{ region }] = parseRegions(input.value, { cube: this.cubes[0] });
      await this.change(spectrum, region);
    });
  }

  rename(spectrum, label) {
    const reports = spectrum.reports.map((report) => report && { ...report, label });
    this.replace(spectrum.id, { label, reports });
    this.state.step();
  }

  remove({ id }) {
    this.state.set({ spectra: this.state.spectra.filter((s) => s.id !== id) });
    this.state.step();
  }

  show({ id }) {
    element("numbers").open = true;
    this.state.set({ selected: id });
  }

  file({ label, reports }, ending, write) {
    if (!reports.some(Boolean)) {
      say(`${label} has no data`, true);
      return;
    }
    const name = `${this.cubes[0].stem}_${label.replace(/[^\w.-]+/g, "_")}.${ending}`;
    save(name, new Blob([write(reports.filter(Boolean))], { type: "text/csv" }));
  }

  numbers({ label, reports }) {
    element("numbers-of").textContent = label;
    const row = (tag, words) => {
      const made = document.createElement("tr");
      for (const word of words) made.append(Object.assign(document.createElement(tag), { textContent: word }));
      return made;
    };
    const head = row("th", COLUMNS.map(([name, unit]) => name.replaceAll("_", " ") + (unit && ` [${unit}]`)));
    const rows = tableRows(reports.filter(Boolean)).map((words) => row("td", words));
    element("table").replaceChildren(head, ...rows);
  }
}

/** A color as DS9 names it, or as `#rrggbb`. */
function isColor(text) {
  return Boolean(text) && CSS.supports("color", text);
}

/** `0.0011`, or a velocity `319 km/s`; null of what is none. */
export function parseRedshift(text) {
  const plain = text.trim().replace("−", "-");
  const velocity = plain.match(/^(.*?)\s*km\/?s(-1)?$/i);
  const value = plain === "" ? 0 : Number(velocity ? velocity[1] : plain);
  const redshift = velocity ? value / 299792.458 : value;
  return Number.isFinite(redshift) && redshift > -1 && redshift < 20 ? redshift : null;
}
