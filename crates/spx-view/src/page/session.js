// The session: what is shown and which spectra were taken, in the address and in a file, and back.

import { parseRegions, regionText } from "./regions.js";
import { attempt, element, say } from "./state.js";
import { save } from "./table.js";

/** What is kept of the state as it is. */
const KEPT_VALUES = [
  "cube", "z", "mode", "array", "stretch", "map", "reversed", "lineMap", "lineReversed", "percentiles", "limits", "colors", "q", "colorPercentiles",
  "range", "continuum", "mask", "maskBits", "fewerThan", "grid", "pinned", "radius", "annulus", "quantity", "plotRange", "valueRange",
  "logX", "logY", "lines", "redshift", "showObjects",
];
/** Of changes that follow one another, the last is written [ms]. */
const CALM = 300;
const NO_SESSION = "this is no session of the explorer";

/** The values of a session's text. */
function parsed(text, decode = (same) => same) {
  try {
    return JSON.parse(decode(text));
  } catch {
    throw new Error(NO_SESSION);
  }
}

export class Session {
  constructor({ state, picture, spectra, cubes, started }) {
    Object.assign(this, { state, picture, spectra, cubes });
    // Values that are those of a fresh page need not be kept.
    this.fresh = Object.fromEntries(KEPT_VALUES.map((key) => [key, JSON.stringify(started[key])]));
    const later = () => {
      clearTimeout(this.timer);
      document.body.dataset.session = "changed";
      this.timer = setTimeout(() => this.write(), CALM);
    };
    state.on([...KEPT_VALUES, "spectra"], later);
    picture.addEventListener("drawn", later);
    // An address that was put into the open page; its own are written without this event.
    window.addEventListener("hashchange", () => this.open());
    element("save-session").addEventListener("click", () => this.saveFile());
    element("session-file").addEventListener("change", ({ target }) => {
      const [file] = target.files;
      if (file) attempt(async () => this.restore(parsed(await file.text())), "session");
      target.value = "";
    });
  }

  /** The session as plain values. */
  get values() {
    const changed = KEPT_VALUES.filter((key) => JSON.stringify(this.state[key]) !== this.fresh[key]);
    const values = Object.fromEntries(changed.map((key) => [key, this.state[key]]));
    const { spectra } = this.state;
    if (spectra.length > 0) values.regions = spectra.map(({ region, label, color }) => regionText(region, label, color));
    const at = this.picture.pointing;
    if (at) values.at = at.map((v, k) => Number(v.toFixed(k === 2 ? 4 : 6)));
    return values;
  }

  write() {
    const { values } = this;
    const text = Object.keys(values).length > 0 ? `#${encodeURIComponent(JSON.stringify(values))}` : "";
    document.body.dataset.session = "written";
    // An address that could not be used stays until there is something to keep.
    if (this.refused && text === "") return;
    this.refused = false;
    if (text !== location.hash) history.replaceState(null, "", text || location.pathname + location.search);
  }

  saveFile() {
    const text = JSON.stringify({ spx: "session", files: this.cubes.map(({ file }) => file), ...this.values }, null, 1);
    save(`${this.cubes[0].stem}_session.json`, new Blob([text], { type: "application/json" }));
  }

  /** Goes on with the session of the address, if there is one. */
  async open() {
    if (location.hash.length < 2) return;
    const restored = await attempt(async () => {
      await this.restore(parsed(location.hash.slice(1), decodeURIComponent));
      return true;
    }, "session");
    this.refused = !restored;
  }

  /** Shows what a session had; of other cubes as much as these have. */
  async restore(values) {
    if (values === null || typeof values !== "object") throw new Error(NO_SESSION);
    const needsRange = values.mode === "mean" || values.mode === "line";
    if (needsRange && !Array.isArray(values.range)) throw new Error(`the session has no range for the mode ${values.mode}`);
    // Sessions of earlier versions have radii as numbers.
    if (Array.isArray(values.annulus)) values.annulus = values.annulus.join(",");
    const known = KEPT_VALUES.filter((key) => key in values).map((key) => [key, values[key]]);
    const wanted = Object.fromEntries(known);
    const cube = this.cubes[wanted.cube ?? 0];
    const planes = cube?.shape[0] ?? 0;
    const numbers = [wanted.z ?? 0, ...(wanted.colors?.flat() ?? [])];
    if (!cube || numbers.some((z) => !(z >= 0 && z < planes)) || (wanted.pinned && !this.cubes[wanted.pinned.cube])) {
      throw new Error("the session belongs to other cubes");
    }
    // What the session does not name is as on a fresh page, of its cube.
    const fresh = Object.fromEntries(KEPT_VALUES.map((key) => [key, JSON.parse(this.fresh[key])]));
    this.state.set({ ...fresh, z: cube.first_plane, colors: cube.colors, ...wanted, spectra: [], selected: null });
    this.fields();
    if (values.at) this.picture.pointing = values.at;
    else this.picture.fit();
    for (const text of values.regions ?? []) {
      const [{ region, label, color }] = parseRegions(text);
      await this.spectra.take(region, { label, color, quiet: true, stays: true });
    }
    this.state.step();
    if (values.files && String(values.files) !== String(this.cubes.map(({ file }) => file))) {
      say(`The session was made with ${values.files.join(", ")}`);
    }
  }

  /** Fields that do not follow the state by themselves. */
  fields() {
    const { state } = this;
    const show = (id, value) => (element(id).value = value ?? "");
    show("radius", state.radius);
    show("quantity", state.quantity);
    show("redshift", state.redshift);
    show("fewer", state.fewerThan || "");
    element("log-x").checked = state.logX;
    element("log-y").checked = state.logY;
    this.spectra.showRing();
    for (const box of element("features").querySelectorAll("input")) box.checked = state.lines.includes(box.value);
    show("flag", state.maskBits === 0xffffffff ? "" : Math.log2(state.maskBits));
  }
}
