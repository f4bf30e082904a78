// A DataSource (see server_source.js): the planes that a self-contained page holds, rounded as quantize.rs says.
// Spectra are sums over these, by the rules of `spx cube spectrum`.

import { Tan, separation } from "./wcs.js";

/** uJy/arcsec^2 in one MJy/sr. */
const UJY_PER_ARCSEC2 = 1e12 * (Math.PI / 180 / 3600) ** 2;

export class FileSource {
  binned = false;

  constructor(page) {
    this.json = (id) => JSON.parse(page.getElementById(`data-${id}`).textContent);
    this.base64 = (id) => page.getElementById(`data-${id}`).textContent;
    this.unpacked = new Map();
  }

  async meta() {
    this.cube = this.json("meta");
    this.tan = new Tan(this.cube.wcs);
    return this.cube;
  }

  async catalogue() {
    return this.json("catalogue");
  }

  async read({ array, z, mean }, { x, y, width, height }) {
    const whole = mean ? await this.mean(mean) : await this.plane(array, z);
    const nx = this.cube.shape[2];
    if (width === nx && whole.length === nx * height) return whole;
    const part = new whole.constructor(width * height);
    for (let row = 0; row < height; row += 1) {
      const start = (y + row) * nx + x;
      part.set(whole.subarray(start, start + width), row * width);
    }
    return part;
  }

  async pixel(z, x, y) {
    const k = y * this.cube.shape[2] + x;
    const names = ["sci", "error", "count", "and_mask", "or_mask"];
    const values = await Promise.all(names.map(async (name) => (await this.plane(name, z))[k]));
    return Object.fromEntries(names.map((name, i) => [name, Number.isFinite(values[i]) ? values[i] : null]));
  }

  /** An array of a plane; unpacked when it is first asked for. */
  plane(array, z) {
    const id = `${array}-${z}`;
    if (!this.unpacked.has(id)) this.unpacked.set(id, this.unpack(array, z));
    return this.unpacked.get(id);
  }

  async unpack(array, z) {
    if (array === "snr") {
      const [science, error] = await Promise.all([this.plane("sci", z), this.plane("error", z)]);
      return science.map((v, k) => v / error[k]);
    }
    const bytes = await gunzip(this.base64(`${array}-${z}`));
    if (array.endsWith("_mask")) return new Uint32Array(bytes);
    const numbers = new Uint16Array(bytes);
    if (array === "count") return Float32Array.from(numbers);
    const { scale, step, error_min, error_step } = this.cube.loss.codes[z];
    const value =
      array === "sci"
        ? (q) => (q === 0 ? NaN : scale * Math.sinh((q - 32768) * step))
        : (q) => (q === 0 ? NaN : q === 1 ? 0 : error_min * Math.exp((q - 2) * error_step));
    const table = Float32Array.from({ length: 65536 }, (_, q) => value(q));
    return Float32Array.from(numbers, (q) => table[q]);
  }

  /** The mean of planes, weighted by inverse variances. */
  async mean(planes) {
    const [sums, weights] = [new Float64Array(this.pixels()), new Float64Array(this.pixels())];
    for (const z of planes) {
      const [science, error] = [await this.plane("sci", z), await this.plane("error", z)];
      for (let k = 0; k < science.length; k += 1) {
        if (Number.isFinite(science[k]) && error[k] > 0) {
          const weight = 1 / error[k] ** 2;
          sums[k] += weight * science[k];
          weights[k] += weight;
        }
      }
    }
    return Float32Array.from(sums, (sum, k) => sum / weights[k]);
  }

  pixels() {
    return this.cube.shape[1] * this.cube.shape[2];
  }

  async spectrum(ra, dec, radius) {
    const { file, detector, shape, wavelengths } = this.cube;
    const at = this.tan.toPixel(ra, dec);
    const inside = at && at[0] >= -0.5 && at[1] >= -0.5 && at[0] < shape[2] - 0.5 && at[1] < shape[1] - 0.5;
    if (!inside) throw new Error(`${file}: RA ${ra} Dec ${dec} lies outside the cube`);
    const { pixels, clipped } = this.aperture(at, [ra, dec], radius);
    if (pixels.length === 0) throw new Error(`${file}: no pixel has its center within ${radius}" of RA ${ra} Dec ${dec}`);
    const area = this.tan.pixelArea(...at);
    const points = await Promise.all(wavelengths.map((edges, z) => this.point(z, edges, pixels, area)));
    if (points.every((point) => point.n_pixels === 0)) {
      throw new Error(`${file}: no plane has data at RA ${ra} Dec ${dec}`);
    }
    return { file, detector, ra, dec, radius_arcsec: radius, pixel: at, pixel_area_arcsec2: area, clipped, points };
  }

  /** The pixels whose centers lie in the circle, or the one that holds its center. */
  aperture([x, y], center, radius) {
    const nx = this.cube.shape[2];
    if (radius === null) return { pixels: [Math.floor(y + 0.5) * nx + Math.floor(x + 0.5)], clipped: false };
    // The projection stretches pixels on the sky by less than this within the 60 degrees that a cube may have.
    const reach = (2 * radius) / this.tan.pixelSide(x, y) + 1;
    const ends = (at, n) => [Math.max(0, Math.floor(at - reach)), Math.min(n - 1, Math.ceil(at + reach))];
    const [[x0, x1], [y0, y1]] = [ends(x, nx), ends(y, this.cube.shape[1])];
    const pixels = [];
    for (let j = y0; j <= y1; j += 1) {
      for (let i = x0; i <= x1; i += 1) {
        if (separation(this.tan.toSky(i, j), center) * 3600 <= radius) pixels.push(j * nx + i);
      }
    }
    const r = radius / this.tan.pixelSide(x, y);
    const clipped = x - r < -0.5 || y - r < -0.5 || x + r > nx - 0.5 || y + r > this.cube.shape[1] - 0.5;
    return { pixels, clipped };
  }

  async point(z, [wavelength_min, wavelength_max], pixels, area) {
    const names = ["sci", "error", "count", "and_mask", "or_mask"];
    const [science, error, counts, and, or] = await Promise.all(names.map((name) => this.plane(name, z)));
    let [sum, variance, n, count, and_mask, or_mask] = [0, 0, 0, 0, 0xffffffff, 0];
    for (const k of pixels) {
      count += counts[k];
      or_mask |= or[k];
      if (Number.isFinite(science[k]) && Number.isFinite(error[k])) {
        sum += science[k];
        variance += error[k] ** 2;
        and_mask &= and[k];
        n += 1;
      }
    }
    const single = (value) => (n > 0 ? Number(Math.fround(value).toPrecision(7)) : null);
    const factor = area * UJY_PER_ARCSEC2;
    return {
      plane: z,
      wavelength: Math.round(((wavelength_min + wavelength_max) / 2) * 1e9) / 1e9,
      wavelength_min,
      wavelength_max,
      surface_brightness: single(sum / n),
      surface_brightness_error: single(Math.sqrt(variance) / n),
      flux: single(sum * factor),
      flux_error: single(Math.sqrt(variance) * factor),
      n_pixels: n,
      n_pixels_total: pixels.length,
      count,
      and_mask: n > 0 ? and_mask >>> 0 : 0,
      or_mask: or_mask >>> 0,
    };
  }
}

/** The bytes of gzipped base64. */
async function gunzip(base64) {
  const packed = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}
