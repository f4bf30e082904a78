// The spectra that were taken: asking for them, their list, their numbers, their files.

import { QUANTITIES } from "./plot.js";
import { attempt, element, say } from "./state.js";
import { COLUMNS, save, toCsv, toEcsv } from "./table.js";
import { sexagesimal } from "./wcs.js";

/** Colors that are told apart on light and dark, one after the other. */
const PALETTE = ["#e5592b", "#1c92d2", "#8f5be0", "#12a150", "#d99a00", "#d9469a", "#5f7fa8", "#9a7440"];

export class Spectra {
  constructor({ state, source, tan, meta }) {
    Object.assign(this, { state, source, tan, meta, taken: 0, chosen: null });
    state.on(["spectra"], () => this.list());
    element("clear").addEventListener("click", () => state.set({ spectra: [] }));
    element("radius").addEventListener("change", ({ target }) => {
      state.set({ radius: target.value === "" || !(target.valueAsNumber > 0) ? null : target.valueAsNumber });
    });
    element("quantity").addEventListener("change", ({ target }) => state.set({ quantity: target.value }));
    const names = Object.keys(QUANTITIES);
    element("quantity").value = names.find((name) => name === state.quantity);
  }

  /** Takes the spectrum around a pixel position: of a circle of so many pixels, or as the radius field says. */
  async take(at, pixels) {
    const [ra, dec] = this.tan.toSky(...at).map((v) => Number(v.toFixed(6)));
    const arcsec = pixels === null ? this.state.radius : pixels * this.tan.pixelSide(...at);
    const radius = arcsec === null ? null : Number(arcsec.toFixed(2));
    const report = await attempt(() => this.source.spectrum(ra % 360, dec, radius));
    if (!report) return;
    const label = `S${(this.taken += 1)}`;
    const used = this.state.spectra.map(({ color }) => color);
    const color = PALETTE.find((c) => !used.includes(c)) ?? PALETTE[this.taken % PALETTE.length];
    this.chosen = label;
    this.state.set({ spectra: [...this.state.spectra, { label, color, ra: report.ra, dec, radius, report }] });
    const cut = report.clipped ? "; the circle reaches beyond the edge of the cube, only the part inside counts" : "";
    say(`${label}: ${place({ ra, dec, radius })}${cut}`);
  }

  list() {
    const { spectra } = this.state;
    element("spectra").replaceChildren(...spectra.map((spectrum) => this.item(spectrum)));
    element("clear").disabled = spectra.length === 0;
    const chosen = spectra.find(({ label }) => label === this.chosen) ?? spectra.at(-1);
    element("numbers").hidden = !chosen;
    if (chosen) this.numbers(chosen);
  }

  item(spectrum) {
    const item = document.createElement("li");
    const swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.background = spectrum.color;
    const name = document.createElement("input");
    Object.assign(name, { value: spectrum.label, className: "name", ariaLabel: "Label", spellcheck: false });
    name.addEventListener("change", () => this.rename(spectrum, name.value.trim() || spectrum.label));
    const where = document.createElement("span");
    where.className = "where";
    where.textContent = place(spectrum);
    where.title = sexagesimal([spectrum.ra, spectrum.dec]);
    const action = (words, title, act) => {
      const button = document.createElement("button");
      Object.assign(button, { textContent: words, title, ariaLabel: `${title} (${spectrum.label})` });
      button.addEventListener("click", act);
      return button;
    };
    item.append(
      swatch,
      name,
      where,
      action("123", "Show its numbers", () => this.show(spectrum)),
      action("CSV", "Save as CSV", () => this.file(spectrum, "csv", toCsv)),
      action("ECSV", "Save as ECSV", () => this.file(spectrum, "ecsv", toEcsv)),
      action("×", "Remove", () => this.remove(spectrum)),
    );
    return item;
  }

  rename(spectrum, label) {
    if (this.chosen === spectrum.label) this.chosen = label;
    this.state.set({ spectra: this.state.spectra.map((s) => (s === spectrum ? { ...s, label } : s)) });
  }

  remove(spectrum) {
    this.state.set({ spectra: this.state.spectra.filter((s) => s !== spectrum) });
  }

  show(spectrum) {
    this.chosen = spectrum.label;
    element("numbers").open = true;
    this.numbers(spectrum);
  }

  file({ label, report }, ending, write) {
    const stem = this.meta.file.replace(/\.fits(\.gz)?$/, "");
    save(`${stem}_${label.replace(/[^\w.-]+/g, "_")}.${ending}`, new Blob([write(report)], { type: "text/csv" }));
  }

  numbers({ label, report }) {
    element("numbers-of").textContent = label;
    const row = (tag, words) => {
      const line = document.createElement("tr");
      for (const word of words) line.append(Object.assign(document.createElement(tag), { textContent: word }));
      return line;
    };
    const head = row("th", COLUMNS.map(([name, unit]) => name.replaceAll("_", " ") + (unit && ` [${unit}]`)));
    const rows = report.points.map((point) => row("td", COLUMNS.map(([name]) => point[name] ?? "")));
    element("table").replaceChildren(head, ...rows);
  }
}

/** Where a spectrum was taken. */
function place({ ra, dec, radius }) {
  const size = radius === null ? "1 pixel" : `r ${radius}″`;
  return `${ra.toFixed(6)} ${dec < 0 ? "−" : "+"}${Math.abs(dec).toFixed(6)}, ${size}`;
}
