// A DataSource (see server_source.js): the planes that a self-contained page holds, rounded as quantize.rs says.
// Spectra are sums over these, by the rules of `spx cube spectrum`.

import { holds, reachOf, regionText, ringOutlines } from "./regions.js";
import { Projection } from "./wcs.js";

/** uJy/arcsec^2 in one MJy/sr. */
const UJY_PER_ARCSEC2 = 1e12 * (Math.PI / 180 / 3600) ** 2;

/** The number that stands for a brightness of 0. */
const ZERO = 2 ** 23;

export class FileSource {
  binned = false;

  constructor(page) {
    this.json = (id) => JSON.parse(page.getElementById(`data-${id}`).textContent);
    this.base64 = (id) => page.getElementById(`data-${id}`).textContent;
    this.unpacked = new Map();
  }

  async meta() {
    const meta = this.json("meta");
    [this.cube] = meta.cubes;
    this.loss = meta.loss;
    this.tan = new Projection(this.cube.wcs);
    return meta;
  }

  async catalog() {
    return this.json("catalog");
  }

  async read(_, { array, z, mean, line, continuum }, { x, y, width, height }) {
    let whole;
    if (mean) whole = await this.mean(mean);
    else if (line) whole = await this.line(line, continuum);
    else whole = await this.plane(array, z);
    const nx = this.cube.shape[2];
    if (width === nx && whole.length === nx * height) return whole;
    const part = new whole.constructor(width * height);
    for (let row = 0; row < height; row += 1) {
      const start = (y + row) * nx + x;
      part.set(whole.subarray(start, start + width), row * width);
    }
    return part;
  }

  async pixel(_, z, x, y) {
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
    if (array === "count") return Float32Array.from(new Uint16Array(bytes));
    const { scale, step, error_min, error_step } = this.loss.codes[z];
    if (array === "sci") {
      return Float32Array.from(new Uint32Array(bytes), (q) => (q === 0 ? NaN : scale * Math.sinh((q - ZERO) * step)));
    }
    const value = (q) => (q === 0 ? NaN : q === 1 ? 0 : error_min * Math.exp((q - 2) * error_step));
    const table = Float32Array.from({ length: 65536 }, (_, q) => value(q));
    return Float32Array.from(new Uint16Array(bytes), (q) => table[q]);
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

  /**
   * Intensity of a line over a straight continuum [nW/m^2/sr], as spx_pipeline::cube::line_rows: NaN where a plane of
   * the line has no data, or no plane of the continuum.
   */
  async line(planes, continuum) {
    const fits = new Float64Array(5 * this.pixels());
    const middle = planes.reduce((sum, z) => sum + this.center(z), 0) / planes.length;
    for (const z of continuum) {
      const [science, error] = [await this.plane("sci", z), await this.plane("error", z)];
      const at = this.center(z) - middle;
      for (let k = 0; k < science.length; k += 1) {
        if (!Number.isFinite(science[k]) || !(error[k] > 0)) continue;
        const weight = 1 / error[k] ** 2;
        [weight, weight * at, weight * at * at, weight * science[k], weight * at * science[k]].forEach((part, i) => {
          fits[5 * k + i] += part;
        });
      }
    }
    const sums = new Float64Array(this.pixels());
    for (const z of planes) {
      const science = await this.plane("sci", z);
      const [at, width] = [this.center(z) - middle, this.frequencyWidth(z)];
      for (let k = 0; k < science.length; k += 1) {
        const [s, sx, sxx, sy, sxy] = fits.subarray(5 * k, 5 * k + 5);
        const det = s * sxx - sx * sx;
        const straight = det > 1e-9 * s * sxx;
        const level = straight ? (sxx * sy - sx * sxy + (s * sxy - sx * sy) * at) / det : sy / s;
        sums[k] += (science[k] - level) * width;
      }
    }
    return Float32Array.from(sums);
  }

  center(z) {
    const [min, max] = this.cube.wavelengths[z];
    return (min + max) / 2;
  }

  /** What turns MJy/sr in a plane into nW/m^2/sr. */
  frequencyWidth(z) {
    const [min, max] = this.cube.wavelengths[z];
    return 2.99792458e14 * (1 / min - 1 / max) * 1e-11;
  }

  pixels() {
    return this.cube.shape[1] * this.cube.shape[2];
  }

  async spectrum(_, region, label, annulus) {
    const { file, detector, wavelengths } = this.cube;
    const { ra, dec } = region;
    const at = this.tan.toPixel(ra, dec);
    const [, ny, nx] = this.cube.shape;
    const inside = at && at[0] >= -0.5 && at[1] >= -0.5 && at[0] < nx - 0.5 && at[1] < ny - 0.5;
    const nothing = (why) => ({ nothing: `${file}: ${why}` });
    if (!inside) return nothing(`RA ${ra} Dec ${dec} lies outside the cube`);
    const pixels = region.shape === "point" ? [Math.floor(at[1] + 0.5) * nx + Math.floor(at[0] + 0.5)] : this.pixelsIn(at, region);
    if (pixels.length === 0) return nothing(`no pixel has its center in ${regionText(region)}`);
    const area = this.tan.pixelArea(...at);
    const taken = new Set(pixels);
    const around = annulus && this.pixelsAround(at, ringOutlines(region, annulus, Math.sqrt(area))).filter((k) => !taken.has(k));
    if (around?.length === 0) return nothing("no pixel has its center in the background annulus");
    const points = await Promise.all(wavelengths.map((edges, z) => this.point(z, edges, { pixels, around, area })));
    if (points.every((point) => point.n_pixels === 0)) {
      return nothing(`no plane has data at RA ${ra} Dec ${dec}`);
    }
    const r = reachOf(region) / this.tan.pixelSide(...at);
    const clipped = at[0] - r < -0.5 || at[1] - r < -0.5 || at[0] + r > nx - 0.5 || at[1] + r > ny - 0.5;
    const radius_arcsec = region.shape === "circle" ? region.sizes[0] : null;
    const of = { file, detector, ra, dec, radius_arcsec, region: regionText(region), label, annulus };
    return { ...of, pixel: at, pixel_area_arcsec2: area, clipped, points };
  }

  /** The pixels whose centers lie in a region. */
  pixelsIn([x, y], region) {
    const [, ny, nx] = this.cube.shape;
    // The projection stretches pixels on the sky by less than this within the 60 degrees that a cube may have.
    const reach = (2 * reachOf(region)) / this.tan.pixelSide(x, y) + 1;
    const ends = (at, n) => [Math.max(0, Math.floor(at - reach)), Math.min(n - 1, Math.ceil(at + reach))];
    const [[x0, x1], [y0, y1]] = [ends(x, nx), ends(y, ny)];
    const pixels = [];
    for (let j = y0; j <= y1; j += 1) {
      for (let i = x0; i <= x1; i += 1) {
        if (holds(region, this.tan.toSky(i, j))) pixels.push(j * nx + i);
      }
    }
    return pixels;
  }

  /** The pixels whose centers lie in the second outline and not in the first. */
  pixelsAround(at, [inner, outer]) {
    const nx = this.cube.shape[2];
    return this.pixelsIn(at, outer).filter((k) => !holds(inner, this.tan.toSky(k % nx, Math.floor(k / nx))));
  }

  async point(z, [wavelength_min, wavelength_max], { pixels, around, area }) {
    const names = ["sci", "error", "count", "and_mask", "or_mask"];
    const [science, error, counts, and, or] = await Promise.all(names.map((name) => this.plane(name, z)));
    let [sum, n, count, and_mask, or_mask] = [0, 0, 0, 0xffffffff, 0];
    const finite = (k) => Number.isFinite(science[k]) && Number.isFinite(error[k]);
    for (const k of pixels) {
      count += counts[k];
      or_mask |= or[k];
      if (finite(k)) {
        sum += science[k];
        and_mask &= and[k];
        n += 1;
      }
    }
    let variance = this.varianceOfSum(pixels.filter(finite), error);
    let [background, background_error] = [null, null];
    const ring = around?.filter(finite) ?? [];
    if (ring.length > 0) {
      background = middleOf(ring.map((k) => science[k]));
      background_error = Math.sqrt((Math.PI / 2) * this.varianceOfSum(ring, error)) / ring.length;
      sum -= n * background;
      variance += (n * background_error) ** 2;
    }
    const known = n > 0 && (!around || ring.length > 0);
    const rounded = (value) => (value === null ? null : Number(Math.fround(value).toPrecision(7)));
    const single = (value) => (known ? rounded(value) : null);
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
      background: rounded(background),
      background_error: rounded(background_error),
      background_pixels: ring.length,
    };
  }

  /** The variance of a sum over pixels, whose errors are correlated along both axes as the cube's kernel makes it. */
  varianceOfSum(pixels, error) {
    const [nx, correlation] = [this.cube.shape[2], this.cube.correlation];
    const wanted = new Set(pixels);
    const reach = correlation.length - 1;
    let variance = 0;
    for (const k of pixels) {
      const x = k % nx;
      for (let dy = 0; dy <= reach; dy += 1) {
        for (let dx = dy === 0 ? 0 : -reach; dx <= reach; dx += 1) {
          const other = k + dy * nx + dx;
          if (x + dx < 0 || x + dx >= nx || !wanted.has(other)) continue;
          const twice = dx === 0 && dy === 0 ? 1 : 2;
          variance += twice * error[k] * error[other] * correlation[Math.abs(dx)] * correlation[dy];
        }
      }
    }
    return variance;
  }
}

/** The median. */
function middleOf(values) {
  const sorted = Float64Array.from(values).sort();
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** The bytes of gzipped base64. */
async function gunzip(base64) {
  const packed = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}
