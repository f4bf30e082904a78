// Planes that were read, kept for a while, and the windows in which they are asked for.

/** The most pixels of an overview. */
const OVERVIEW = 1_200_000;
/** Bytes that are kept. */
const KEPT = 192 << 20;

export class Planes {
  /** For a screen of `pixels` device pixels: the overview has about as many. */
  constructor(source, [, ny, nx], pixels) {
    Object.assign(this, { source, nx, ny, kept: new Map(), bytes: 0 });
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
    const values = await this.source.read(what, window);
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

/** Columns and rows of the values of a window. */
export function sizeOf({ width, height, bin }) {
  return [Math.ceil(width / bin), Math.ceil(height / bin)];
}
