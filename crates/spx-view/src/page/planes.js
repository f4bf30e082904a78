// Planes that were read, kept for a while, and the windows in which they are asked for.

import { Projection } from "./wcs.js";

/** The most pixels of an overview. */
const OVERVIEW = 1_200_000;
/** Bytes that are kept. */
const KEPT = 192 << 20;

export class Planes {
  /** Of cube number `cube`, for a screen of `pixels` device pixels: the overview has about as many. */
  constructor(source, cube, [, ny, nx], pixels) {
    Object.assign(this, { source, cube, nx, ny, kept: new Map(), bytes: 0 });
    const enough = Math.min(OVERVIEW, Math.max(pixels, 1));
    const bin = source.binned ? Math.max(1, Math.round(Math.sqrt((nx * ny) / enough))) : 1;
    this.overview = { x: 0, y: 0, width: nx, height: ny, bin };
  }

  /** The values of a plane, or of a mean of planes, in a window. */
  async get(what, window) {
    const key = JSON.stringify([what, window]);
    const found = this.kept.get(key);
    if (found) {
      this.kept.delete(key);
      this.kept.set(key, found);
      return found;
    }
    const values = await this.source.read(this.cube, what, window);
    this.keep(key, values);
    return values;
  }

  keep(key, values) {
    this.kept.set(key, values);
    this.bytes += values.byteLength;
    for (const [oldest, { byteLength }] of this.kept) {
      if (this.bytes <= KEPT || oldest === key) break;
      this.kept.delete(oldest);
      this.bytes -= byteLength;
    }
  }

  /**
   * A window that holds the pixels from [x0, y0] to [x1, y1] with `scale` screen pixels for each; null where the
   * overview is fine enough, or the part outside the image.
   */
  detail([x0, y0], [x1, y1], scale) {
    const bin = Math.max(1, Math.floor(1 / scale));
    if (bin >= this.overview.bin) return null;
    const start = (at) => Math.max(0, Math.floor(at / bin) * bin);
    const end = (at, n) => Math.min(n, (Math.floor(at / bin) + 1) * bin);
    const [x, y] = [start(x0), start(y0)];
    const [width, height] = [end(x1, this.nx) - x, end(y1, this.ny) - y];
    return width > 0 && height > 0 ? { x, y, width, height, bin } : null;
  }
}

/** A cube: its description, its sky, its planes; `bin` x `bin` pixels of the file are one of the page. */
export class Cube {
  constructor(meta, source, index, pixels, bin) {
    Object.assign(this, { ...meta, index, bin, tan: new Projection(meta.wcs), planes: new Planes(source, index, meta.shape, pixels) });
    /** The plane that was shown last. */
    this.last = meta.first_plane;
  }

  /** The pixel of a position, if it lies in the image. */
  pixelOf([ra, dec]) {
    const at = this.tan.toPixel(ra, dec);
    return at && this.holds(at) ? at : null;
  }

  /** Whether a pixel position lies in the image. */
  holds([x, y]) {
    const [, ny, nx] = this.shape;
    return x >= -0.5 && y >= -0.5 && x < nx - 0.5 && y < ny - 0.5;
  }

  /** The planes whose centers lie in a range of wavelength, or where there are none, that overlap it. */
  planesIn([min, max]) {
    const pick = (test) => this.wavelengths.flatMap((edges, z) => (test(edges) ? [z] : []));
    const centered = pick(([a, b]) => (a + b) / 2 >= min && (a + b) / 2 < max);
    return centered.length > 0 ? centered : pick(([a, b]) => a < max && min < b);
  }

  /** The plane that holds a wavelength, or -1. */
  planeAt(wavelength) {
    return this.wavelengths.findIndex(([min, max]) => wavelength >= min && wavelength < max);
  }

  /** The name of its file without ending. */
  get stem() {
    return this.file.replace(/\.fits(\.gz)?$/, "");
  }
}

/** Columns and rows of the values of a window. */
export function sizeOf({ width, height, bin }) {
  return [Math.ceil(width / bin), Math.ceil(height / bin)];
}
