// The keyboard on the handles of a region: one of them is active and moves by the arrows, the region turns about its center.

import { changed, handles, turnedBy } from "./regions.js";
import { attempt, say } from "./state.js";

/** An arrow moves a handle so far, with Shift ten times as far [pixels of the image]. */
const KEY_PART = 0.25;
/** A page key turns a region by so much, with Shift by a fifth of it [deg]. */
const KEY_ANGLE = 5;
/** After the last key the spectrum is taken [ms]. */
const KEY_REST = 350;

export class HandleKeys {
  constructor({ state, picture, spectra }) {
    Object.assign(this, { state, picture, spectra, wanted: 0, before: null });
    state.on(["selected"], () => state.set({ handle: null }));
  }

  get spectrum() {
    return this.state.spectra.find(({ id }) => id === this.state.selected);
  }

  /** Makes the next handle of the selected region active, after the last none. */
  next() {
    const { state } = this;
    if (!this.spectrum) {
      const last = state.spectra.at(-1);
      if (!last) {
        say("There is no region yet: Enter takes one at the cross");
        return;
      }
      state.set({ selected: last.id });
    }
    const count = handles(this.spectrum.region).length;
    const next = state.handle === null ? 0 : state.handle + 1;
    state.set({ handle: next < count ? next : null });
    const name = next === 0 ? "center" : `handle ${next} of ${count - 1}`;
    say(next < count ? `${this.spectrum.label}: ${name}; arrows move it, page up and down turn the region` : "No handle is active");
  }

  /** Takes a key of the image, if a handle is active; says whether it did. */
  key({ key, shiftKey }, step) {
    const { state, spectrum } = this;
    if (state.handle === null || !spectrum) return false;
    const { region } = spectrum;
    const turn = { PageUp: 1, PageDown: -1 }[key];
    if (step) {
      const { tan } = this.picture.cube;
      const at = tan.toPixel(...handles(region)[state.handle]);
      const far = KEY_PART * (shiftKey ? 10 : 1);
      const to = tan.toSky(at[0] + far * step[0], at[1] + far * step[1]);
      this.become(spectrum, changed(region, state.handle, to));
    } else if (turn) this.become(spectrum, turnedBy(region, turn * KEY_ANGLE * (shiftKey ? 0.2 : 1)));
    else if (key === "Escape") state.set({ handle: null });
    else return false;
    return true;
  }

  /** Shows the region as it becomes; its spectrum is taken when no further key follows. */
  become(spectrum, region) {
    this.before ??= spectrum;
    this.spectra.preview(spectrum, region);
    const turn = (this.wanted += 1);
    attempt(async () => {
      await new Promise((resolve) => setTimeout(resolve, KEY_REST));
      if (turn !== this.wanted) return;
      const { before } = this;
      this.before = null;
      const now = this.state.spectra.find(({ id }) => id === before.id);
      if (now) await this.spectra.change(before, now.region);
    });
  }
}
