// The explorer: puts the parts of the page together.

import { Controls } from "./controls.js";
import { FileSource } from "./file_source.js";
import { History } from "./history.js";
import { listenForKeys } from "./keys.js";
import { Overlay } from "./overlay.js";
import { Picture } from "./picture.js";
import { Cube } from "./planes.js";
import { Plot } from "./plot.js";
import { PlotHand } from "./plot_hand.js";
import { Pointer } from "./pointer.js";
import { Saving } from "./saving.js";
import { ServerSource } from "./server_source.js";
import { Session } from "./session.js";
import { Spectra } from "./spectra.js";
import { attempt, element, initialState, letErrorsGo } from "./state.js";
import { Wavelength } from "./wavelength.js";

async function start() {
  // A self-contained page holds its description, and its planes.
  const source = element("data-meta") ? new FileSource(document) : new ServerSource();
  const meta = await source.meta();
  document.title = `${meta.cubes.map(({ file }) => file).join(", ")} – spx`;
  if (meta.loss) showLoss(meta.loss);

  const { clientWidth, clientHeight } = element("stage");
  const pixels = clientWidth * clientHeight * window.devicePixelRatio ** 2;
  const cubes = meta.cubes.map((cube, k) => new Cube(cube, source, k, pixels, meta.loss?.bin ?? 1));
  const state = initialState(cubes, meta.colormaps);
  const started = { ...state };
  const picture = new Picture(element("picture"), state, cubes, meta);
  const overlay = new Overlay(element("overlay"), state, picture);
  const spectra = new Spectra({ state, source, cubes });
  const pointer = new Pointer(element("overlay"), { state, picture, overlay, source, meta, spectra });
  const plot = new Plot(element("plot"), state, cubes);
  new PlotHand(plot);
  const wavelength = new Wavelength({ state, picture });
  const controls = new Controls({ state, picture, pointer, meta });
  const saving = new Saving({ state, picture, overlay, plot, cubes });
  const session = new Session({ state, picture, spectra, cubes, started });

  letErrorsGo();
  const redraw = () => {
    plot.draw();
    wavelength.show();
    picture.refresh();
  };
  window.addEventListener("theme", redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  picture.resize();
  if (picture.isPart) controls.fit();
  wavelength.show();
  spectra.list();
  await session.open();
  // What the address brought is where undoing ends.
  const history = new History({ state, session });
  listenForKeys({ state, picture, wavelength, controls, pointer, saving, history });
  await picture.refresh();
  if (meta.catalog) controls.catalog(await source.catalog(), meta.catalog);
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
