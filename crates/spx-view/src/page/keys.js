// The keyboard: everything that the mouse can do, and the list of keys.

import { element } from "./state.js";

/** Keys, what they do in words, and how. */
function actions({ state, picture, wavelength, controls, pointer, saving, history }) {
  const toggle = (id) => element(id).click();
  const focus = (id) => () => {
    element(id).focus();
    element(id).select?.();
  };
  return [
    [["]", "."], "next plane", () => wavelength.step(1)],
    [["[", ","], "plane before", () => wavelength.step(-1)],
    [["Home"], "first plane", () => wavelength.step(-Infinity)],
    [["End"], "last plane", () => wavelength.step(Infinity)],
    [["p"], "play and pause", () => wavelength.toggle()],
    [["+", "="], "zoom in", () => picture.zoom(1.5)],
    [["-", "_"], "zoom out", () => picture.zoom(1 / 1.5)],
    [["0"], "whole image", () => controls.fit()],
    [["i"], "to the image: arrows move the cross (Shift: by 10), Enter takes the spectrum", focus("overlay")],
    [
      ["v"],
      "next handle of the region: arrows move it (Shift: farther), page up and down turn the region",
      () => {
        element("overlay").focus();
        pointer.handleKeys.next();
      },
    ],
    [["j"], "to the plot: arrows move it, + and − zoom in wavelength, Shift and arrows zoom, 0 shows all", focus("plot")],
    [["x"], "cross to the middle of the screen", () => pointer.cross(picture.middle.map(Math.round))],
    [["r"], "radius of a click", focus("radius")],
    [["g"], "go to a position", focus("position")],
    [["m"], "one plane or three colors", () => controls.setMode(state.mode === "plane" ? "colors" : "plane")],
    [["l"], "the line over its continuum, and back", () => controls.setMode(state.mode === "line" ? "plane" : "line")],
    [["a"], "what is shown: brightness, error, ...", focus("array")],
    [["f"], "flags", focus("mask")],
    [["n"], "next object of the catalog", () => controls.nextObject()],
    [["d"], "next cube", () => controls.showCube((state.cube + 1) % picture.cubes.length)],
    [["b"], "blink: keeps this view, then changes with it", () => controls.blink()],
    [["w"], "lines of equal right ascension and declination", () => state.set({ grid: !state.grid })],
    [["c"], "the pointer takes spectra of circles", () => state.set({ tool: "spectrum" })],
    [["e"], "ellipses", () => state.set({ tool: "ellipse" })],
    [["o"], "boxes", () => state.set({ tool: "box" })],
    [["y"], "polygons, corner by corner (Enter puts one at the cross, Enter again ends)", () => state.set({ tool: "polygon" })],
    [["h"], "the pointer moves the image", () => state.set({ tool: "pan" })],
    [["s"], "save the view as PNG", () => saving.picture()],
    [["k"], "the command that makes this picture", () => saving.commands()],
    [["Ctrl+Z"], "undo regions, background and lines; with Shift redo", () => history.go(-1)],
    [["t"], "light or dark", () => toggle("theme")],
    [["?"], "this list", showHelp],
  ];
}

/** Opens the list of keys at its beginning, not where its button is. */
function showHelp() {
  element("help").showModal();
  element("help").scrollTop = 0;
}

/** Listens for keys wherever no field wants them. */
export function listenForKeys(parts) {
  const all = actions(parts);
  const rows = all.map(([keys, words]) => {
    const row = document.createElement("tr");
    const [names, meaning] = [document.createElement("th"), document.createElement("td")];
    names.append(...keys.map((key) => Object.assign(document.createElement("kbd"), { textContent: key })));
    meaning.textContent = words;
    row.append(names, meaning);
    return row;
  });
  element("keys").replaceChildren(...rows);
  element("show-help").addEventListener("click", showHelp);
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input:not([type=range], [type=checkbox]), select, dialog[open]");
    if (event.ctrlKey || event.metaKey || event.altKey || typing) return;
    if (event.target.type === "range" && ["Home", "End"].includes(event.key)) return;
    const found = all.find(([keys]) => keys.includes(event.key));
    if (!found) return;
    event.preventDefault();
    found[2]();
  });
}
