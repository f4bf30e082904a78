// Undoing: the regions with their spectra, the background, and the marks of spectral lines, step by step.

import { element, say } from "./state.js";

const UNDOABLE = ["spectra", "selected", "annulus", "lines", "redshift"];
/** So many steps are kept. */
const MOST_STEPS = 100;

export class History {
  constructor({ state, session }) {
    Object.assign(this, { state, session, steps: [this.values(state)], at: 0 });
    state.addEventListener("step", () => this.record());
    element("undo").addEventListener("click", () => this.go(-1));
    element("redo").addEventListener("click", () => this.go(1));
    document.addEventListener("keydown", (event) => this.key(event));
    this.show();
  }

  values(state) {
    return Object.fromEntries(UNDOABLE.map((key) => [key, state[key]]));
  }

  /** Keeps the present state as a step; those that were undone are gone then. */
  record() {
    const now = this.values(this.state);
    const before = this.steps[this.at];
    const changed = UNDOABLE.some((key) => key !== "selected" && now[key] !== before[key]);
    if (!changed) return;
    this.steps = [...this.steps.slice(0, this.at + 1), now].slice(-MOST_STEPS - 1);
    this.at = this.steps.length - 1;
    this.show();
  }

  /** Goes so many steps back or on. */
  go(by) {
    const to = this.at + by;
    if (!this.steps[to]) {
      say(by < 0 ? "There is nothing to undo" : "There is nothing to redo");
      return;
    }
    this.at = to;
    this.state.set(this.steps[to]);
    this.session.fields();
    this.show();
  }

  key(event) {
    const typing = event.target.closest("input:not([type=range], [type=checkbox]), select, textarea, dialog[open]");
    if (typing || event.altKey || !(event.ctrlKey || event.metaKey)) return;
    const by = { z: event.shiftKey ? 1 : -1, y: 1 }[event.key.toLowerCase()];
    if (!by) return;
    event.preventDefault();
    this.go(by);
  }

  show() {
    element("undo").disabled = this.at === 0;
    element("redo").disabled = this.at === this.steps.length - 1;
  }
}
