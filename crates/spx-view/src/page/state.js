// What the page shows, in one place: parts of the page change it by `set` and listen for changes.

import { DIVERGING, FIRST_Q } from "./color.js";

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

  /** Says that something was done which can be undone. */
  step() {
    this.dispatchEvent(new Event("step"));
  }

  /** Calls `react` after one of these values has changed. */
  on(keys, react) {
    this.addEventListener("change", ({ detail }) => detail.some((key) => keys.includes(key)) && react());
  }
}

/** The state of the page when it opens, with the first cube and these color maps. */
export function initialState(cubes, colormaps) {
  const [{ first_plane, colors, tan, shape }] = cubes;
  const side = tan.pixelSide((shape[2] - 1) / 2, (shape[1] - 1) / 2);
  return new State({
    /** Which cube is shown. */
    cube: 0,
    z: first_plane,
    /** `plane`, `colors`, `mean` of a range of wavelength, or `line` over its continuum. */
    mode: "plane",
    array: "sci",
    stretch: "asinh",
    map: "viridis",
    reversed: false,
    /** Of line maps: blue below zero, red above. */
    lineMap: colormaps.some(([name]) => name === DIVERGING) ? DIVERGING : "viridis",
    lineReversed: colormaps.some(([name]) => name === DIVERGING),
    /** Percentiles that are limits; null where the limits follow the noise of the sky. */
    percentiles: null,
    /** Values in place of them. */
    limits: null,
    /** The limits that are in use. */
    shownLimits: null,
    /** Planes of red, green and blue. */
    colors,
    q: FIRST_Q,
    colorPercentiles: null,
    /** Ranges of wavelength [um]: of the mean or the line, and of the continuum on both sides. */
    range: null,
    continuum: null,
    /** Which mask is laid over the image; none where empty. */
    mask: "",
    maskBits: 0xffffffff,
    /** Pixels with fewer contributions are marked; 0 for none. */
    fewerThan: 0,
    /** Lines of equal right ascension and declination. */
    grid: false,
    /** The view to blink with: {cube, z, mode, array, range, continuum, colors}. */
    pinned: null,
    blinking: false,
    /** `spectrum` (circles), `ellipse`, `box`, `polygon`, `pan`. */
    tool: "spectrum",
    /** Of a click [arcsec], at first two pixels; null for the one pixel. */
    radius: Number((2 * side).toFixed(1)),
    /** The ring whose median is subtracted, radii `25,45` [arcsec] or multiples of the region `2x,4x`; null for none. */
    annulus: null,
    /** The cross that keys move, [x, y]; null where there is none. */
    cross: null,
    /** {id, label, color, region, reports} */
    spectra: [],
    /** The spectrum whose region has handles, by its id. */
    selected: null,
    /** The number of its handle that keys move; null for none. */
    handle: null,
    quantity: "flux",
    /** The range of wavelength of the plot, and of values in the smallest unit; null for all. */
    plotRange: null,
    valueRange: null,
    logX: false,
    logY: false,
    /** Groups of spectral lines that are marked, and their redshift. */
    lines: [],
    redshift: 0,
    /** {ra, dec, label} */
    objects: [],
    showObjects: true,
    playing: false,
  });
}

/** The names under which the state has the color map of what is shown, and whether it is reversed. */
export function mapKeys({ mode }) {
  return mode === "line" ? ["lineMap", "lineReversed"] : ["map", "reversed"];
}

/** The element of that id. */
export function element(id) {
  return document.getElementById(id);
}

/** Work in progress is counted, so that the page can say whether it is at rest. */
let working = 0;

/** The error that is shown, `kind: text`; empty where there is none. */
function failureShown() {
  const line = element("message");
  const isShown = line.classList.contains("failed") && !line.classList.contains("gone");
  return isShown ? `${line.dataset.kind}: ${line.textContent}` : "";
}

/** An error stands no longer than until another field is set, or the same one again. */
export function letErrorsGo() {
  for (const kind of ["change", "submit"]) document.addEventListener(kind, () => failureShown() && say(""), true);
}

/** Runs a task; shows that it runs, and what went wrong. Gives undefined where it failed. */
export async function attempt(task, kind = "task") {
  working += 1;
  const before = failureShown();
  document.body.setAttribute("aria-busy", "true");
  try {
    const done = await task();
    // An error of its kind that stood there when this began goes, for what failed works again.
    if (before.startsWith(`${kind}: `) && failureShown() === before) say("");
    return done;
  } catch (error) {
    say(error.message, true, kind);
    return undefined;
  } finally {
    working -= 1;
    if (working === 0) document.body.setAttribute("aria-busy", "false");
  }
}

/** How long a message stays [ms]. */
const STAY = { note: 5000, failure: 12_000 };
let leaving = 0;

/** `1 plane`, `2 planes`. */
export function counted(count, what) {
  return count === 1 ? `1 ${what}` : `${count} ${what}s`;
}

/** Tells the user something, in the line that screen readers follow; it fades by itself. */
export function say(text, failed = false, kind = "task") {
  const line = element("message");
  clearTimeout(leaving);
  line.textContent = text;
  line.dataset.kind = kind;
  line.classList.toggle("failed", failed);
  line.classList.toggle("gone", text === "");
  leaving = setTimeout(() => line.classList.add("gone"), failed ? STAY.failure : STAY.note);
}
