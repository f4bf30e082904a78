// A DataSource: the server of `spx cube view`. Paths are relative, so that the token is in each of them.
//
// A DataSource has
//   meta()                              the description of the cube (view/meta.rs)
//   catalogue()                         the text of the catalogue that came with the page, or null
//   read({array, z} | {mean}, window)   Float32Array or, of masks, Uint32Array, [y][x]; window as in view/window.rs
//   pixel(z, x, y)                      {sci, error, count, and_mask, or_mask}, null where there are no data
//   spectrum(ra, dec, radius)           what `spx cube spectrum --json` reports; radius [arcsec] or null: the pixel
//   binned                              whether it can reduce windows; where not, bin is always 1
// Each but the last gives a promise, which fails with a message for the user.

export class ServerSource {
  binned = true;

  async meta() {
    return (await this.get("meta")).json();
  }

  async catalogue() {
    return (await this.get("catalogue")).text();
  }

  async read({ array, z, mean }, window) {
    const what = mean ? { planes: mean.join(",") } : { array, z };
    const bytes = await (await this.get(mean ? "mean" : "plane", { ...what, ...window })).arrayBuffer();
    return array?.endsWith("_mask") ? new Uint32Array(bytes) : new Float32Array(bytes);
  }

  async pixel(z, x, y) {
    return (await this.get("pixel", { z, x, y })).json();
  }

  async spectrum(ra, dec, radius) {
    return (await this.get("spectrum", radius === null ? { ra, dec } : { ra, dec, radius })).json();
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
