// What the page shows, in one place: parts of the page change it by `set` and listen for changes.

import { FIRST_COLOR_PERCENTILES, FIRST_PERCENTILES } from "./color.js";

export class State extends EventTarget {
  constructor(values) {
    super();
    Object.assign(this, values);
  }

  /** Changes values and tells the listeners which. */
  set(values) {
    const changed = Object.keys(values).filter((key) => this[key] !== values[key]);
    Object.assign(this, values);
    if (changed.length > 0) this.dispatchEvent(new CustomEvent("change", { detail: changed }));
  }

  /** Calls `react` after one of these values has changed. */
  on(keys, react) {
    this.addEventListener("change", ({ detail }) => detail.some((key) => keys.includes(key)) && react());
  }
}

/** The state of the page when it opens. */
export function initialState(meta) {
  return new State({
    z: meta.first_plane,
    mode: "plane",
    array: "sci",
    stretch: "asinh",
    map: "viridis",
    reversed: false,
    percentiles: FIRST_PERCENTILES,
    /** Values in place of the percentiles. */
    limits: null,
    /** The limits that are in use. */
    shownLimits: null,
    /** Planes of red, green and blue. */
    colors: meta.colors,
    q: 3,
    colorPercentiles: FIRST_COLOR_PERCENTILES,
    /** Which mask is laid over the image; none where empty. */
    mask: "",
    maskBits: 0xffffffff,
    /** Pixels with fewer contributions are marked; 0 for none. */
    fewerThan: 0,
    tool: "spectrum",
    /** Of a click [arcsec]; null for the one pixel. */
    radius: null,
    /** The cross that keys move, [x, y]; null where there is none. */
    cross: null,
    /** {label, color, ra, dec, radius, report} */
    spectra: [],
    quantity: "flux",
    /** {ra, dec, label} */
    objects: [],
    showObjects: true,
    playing: false,
  });
}

/** The element of that id. */
export function element(id) {
  return document.getElementById(id);
}

/** Work in progress is counted, so that the page can say whether it is at rest. */
let working = 0;

/** Runs a task; shows that it runs, and what went wrong. Gives undefined where it failed. */
export async function attempt(task) {
  working += 1;
  document.body.setAttribute("aria-busy", "true");
  try {
    return await task();
  } catch (error) {
    say(error.message, true);
    return undefined;
  } finally {
    working -= 1;
    if (working === 0) document.body.setAttribute("aria-busy", "false");
  }
}

/** Tells the user something, in the line that screen readers follow. */
export function say(text, failed = false) {
  const line = element("message");
  line.textContent = text;
  line.classList.toggle("failed", failed);
  line.hidden = text === "";
}
