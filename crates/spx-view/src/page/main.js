// The explorer: puts the parts of the page together.

import { Controls } from "./controls.js";
import { FileSource } from "./file_source.js";
import { listenForKeys } from "./keys.js";
import { Overlay } from "./overlay.js";
import { Picture } from "./picture.js";
import { Planes } from "./planes.js";
import { Plot } from "./plot.js";
import { Pointer } from "./pointer.js";
import { ServerSource } from "./server_source.js";
import { Spectra } from "./spectra.js";
import { attempt, element, initialState } from "./state.js";
import { Tan } from "./wcs.js";
import { Wavelength } from "./wavelength.js";

async function start() {
  // A self-contained page holds its description, and its planes.
  const source = element("data-meta") ? new FileSource(document) : new ServerSource();
  const meta = await source.meta();
  const [nz, ny, nx] = meta.shape;
  document.title = `${meta.file} – spx`;
  element("title").textContent = `${meta.file} · ${meta.detector} · ${nx} × ${ny} pixels, ${nz} planes`;
  if (meta.loss) showLoss(meta.loss);

  const state = initialState(meta);
  const tan = new Tan(meta.wcs);
  const { clientWidth, clientHeight } = element("stage");
  const planes = new Planes(source, meta.shape, clientWidth * clientHeight * window.devicePixelRatio ** 2);
  const picture = new Picture(element("picture"), state, planes, meta);
  const overlay = new Overlay(element("overlay"), state, picture, tan);
  const spectra = new Spectra({ state, source, tan, meta });
  const take = (at, pixels) => spectra.take(at, pixels);
  const pointer = new Pointer(element("overlay"), { state, picture, overlay, tan, source, meta, take });
  const plot = new Plot(element("plot"), state, meta);
  const wavelength = new Wavelength({ state, picture, meta });
  const controls = new Controls({ state, picture, pointer, tan, meta });
  listenForKeys({ state, picture, wavelength, controls, pointer });

  const redraw = () => {
    plot.draw();
    wavelength.show();
    picture.refresh();
  };
  window.addEventListener("theme", redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  picture.resize();
  wavelength.show();
  spectra.list();
  await picture.refresh();
  if (meta.catalogue) controls.catalogue(await source.catalogue(), meta.catalogue);
}

/** Says what a self-contained page has lost. */
function showLoss({ bin, science, error }) {
  const binned = bin > 1 ? `${bin} × ${bin} pixels of the cube are averaged into one. ` : "";
  element("loss").textContent =
    `A copy in one file. ${binned}Values are rounded: brightness by at most ${science.toPrecision(2)} of its error, ` +
    `errors by at most ${(100 * error).toPrecision(2)} %; spectra are sums over these values. Counts and flags are exact.`;
  element("loss").hidden = false;
}

attempt(start);
