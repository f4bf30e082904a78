// A DataSource: the server of `spx cube view`. Paths are relative, so that the token is in each of them.
//
// A DataSource has
//   meta()                        the description of page and cubes (spx-view, meta.rs)
//   catalog()                     the text of the catalog that came with the page, or null
//   read(cube, what, window)      Float32Array or, of masks, Uint32Array, [y][x]; window as in window.rs; what is
//                                 {array, z}, {mean: planes}, or {line: planes, continuum: planes}
//   pixel(cube, z, x, y)          {sci, error, count, and_mask, or_mask}, null where there are no data
//   spectrum(cube, region, label, annulus)   what `spx cube spectrum --json` reports, or {nothing} where there are no data: why;
//                                 a region of regions.js; annulus as text, `25,45` or `2x,4x`, or null
//   binned                        whether it can reduce windows; where not, bin is always 1
// Cubes are numbers. Each but the last gives a promise, which fails with a message for the user.

import { regionText } from "./regions.js";

export class ServerSource {
  binned = true;

  async meta() {
    return (await this.get("meta")).json();
  }

  async catalog() {
    return (await this.get("catalog")).text();
  }

  async read(cube, { array, z, mean, line, continuum }, window) {
    let [path, what] = ["plane", { array, z }];
    if (mean) [path, what] = ["mean", { planes: mean.join(",") }];
    if (line) [path, what] = ["line", { planes: line.join(","), continuum: continuum.join(",") }];
    const bytes = await (await this.get(path, { cube, ...what, ...window })).arrayBuffer();
    return array?.endsWith("_mask") ? new Uint32Array(bytes) : new Float32Array(bytes);
  }

  async pixel(cube, z, x, y) {
    return (await this.get("pixel", { cube, z, x, y })).json();
  }

  async spectrum(cube, region, label, annulus) {
    const ring = annulus ? { annulus } : {};
    return { ...(await (await this.get("spectrum", { cube, region: regionText(region, label), ...ring })).json()), annulus };
  }

  async get(path, query = {}) {
    let answer;
    try {
      answer = await fetch(`${path}?${new URLSearchParams(query)}`);
    } catch {
      throw new Error("the server does not answer; is `spx cube view` still running?");
    }
    if (!answer.ok) throw new Error((await answer.text()).trim());
    return answer;
  }
}
