// From values to colors: limits, stretches, color maps, composites. Stretches and composites are those of
// `spx cube plot` (spx_plot).

/** Entries of a table from scaled value to color; fine enough for the steep start of the log stretch. */
const STEPS = 65536;
/** Values that percentiles are taken of; of larger planes, every so many-th. */
const SAMPLE = 65536;

const ASINH = (x) => Math.asinh(10 * x) / Math.asinh(10);
const LOG = (x) => Math.log1p(1000 * x) / Math.log1p(1000);
/** Curves from [0, 1] to [0, 1]. `rank` spreads the values evenly, whatever they are. */
export const STRETCHES = { linear: (x) => x, asinh: ASINH, log: LOG, sqrt: Math.sqrt, rank: null };

/** Finite values of a plane in rising order, at most some 65,000. */
export function sample(values) {
  const step = Math.max(1, Math.floor(values.length / SAMPLE));
  const found = new Float32Array(Math.ceil(values.length / step));
  let n = 0;
  for (let k = 0; k < values.length; k += step) {
    if (Number.isFinite(values[k])) found[n++] = values[k];
  }
  return found.subarray(0, n).sort();
}

/** A percentile of sorted values, linear between neighbors. */
export function percentile(sorted, percent) {
  const rank = (percent / 100) * (sorted.length - 1);
  const below = Math.floor(rank);
  const next = sorted[Math.min(below + 1, sorted.length - 1)];
  return sorted[below] + (rank - below) * (next - sorted[below]);
}

/** Lower and upper limit between two percentiles, apart from each other; null without values. */
export function limitsOf(sorted, [low, high]) {
  if (sorted.length === 0) return null;
  const ends = [percentile(sorted, low), percentile(sorted, high)];
  if (ends[1] > ends[0]) return ends;
  const half = ends[0] === 0 ? 1 : Math.abs(ends[0]) / 10;
  return [ends[0] - half, ends[0] + half];
}

/** Percentiles of what follows no rule of the sky, and those that stand in for one that is not given. */
export const PERCENTILES = [0.5, 99.5];
export const COLOR_PERCENTILES = [10, 99.7];

/** Widths of the noise that the upper limit of the logarithmic stretch lies at least above the median. */
const LOG_SIGMAS = 500;

/** Where pictures begin and end, as in `spx cube plot`: so many widths of the noise below the median, and at a percentile, but at
 * least so many widths above the median. Of a line map what is negative is seen, too. */
export const PLANE_RULE = { below: 1.5, high: PERCENTILES[1], sigmas: 15 };
export const LINE_RULE = { ...PLANE_RULE, below: 5 };
export const COLOR_RULE = { below: 1.5, high: COLOR_PERCENTILES[1], sigmas: 25 };

/** The limits of such a rule, in the logarithmic stretch wider; null without values. */
export function aboveSky(sorted, { below, high, sigmas }, stretch) {
  if (sorted.length === 0) return null;
  const median = percentile(sorted, 50);
  const noise = median - percentile(sorted, 15.865525393145708);
  if (!(noise > 0)) return limitsOf(sorted, [100 - high, high]);
  const least = stretch === "log" ? LOG_SIGMAS : sigmas;
  return [median - below * noise, Math.max(percentile(sorted, high), median + least * noise)];
}

/** The map of both signs: its middle stands for zero, from where the stretch runs to both sides. */
export const DIVERGING = "RdBu";

/** The limits of such a map, as far on either side of zero: a percentile of the absolute values, but at least as many widths of the noise. */
export function aroundZero(sorted, { high, sigmas }, stretch) {
  if (sorted.length === 0) return null;
  const noise = percentile(sorted, 50) - percentile(sorted, 15.865525393145708);
  const most = Math.max(percentile(sorted.map(Math.abs).sort(), high), (stretch === "log" ? LOG_SIGMAS : sigmas) * noise);
  return most > 0 ? [-most, most] : [-1, 1];
}

/** Where a value lies in a map of both signs, 0 to 1, by a curve from [0, 1] to [0, 1]. */
export function placeAroundZero(value, [low, high], curve) {
  const most = Math.max(Math.abs(low), Math.abs(high));
  return 0.5 + 0.5 * Math.sign(value) * curve(Math.min(Math.abs(value) / most, 1));
}

/** The colors of a map, `rrggbb` after `rrggbb`, as numbers 0xAABBGGRR; `reversed` from the end. */
export function colors(hex, reversed) {
  const list = Array.from({ length: hex.length / 6 }, (_, k) => pack(parseInt(hex.slice(6 * k, 6 * k + 6), 16)));
  return Uint32Array.from(reversed ? list.reverse() : list);
}

/** 0xRRGGBB as the bytes of ImageData. */
export function pack(rgb) {
  return (0xff000000 | ((rgb & 0xff) << 16) | (rgb & 0xff00) | (rgb >> 16)) >>> 0;
}

/** A table of colors for values between limits, of which `sorted` is a sample; zero may be the middle of the map. */
export function colorTable(map, stretch, [low, high], sorted, isDiverging) {
  const table = new Uint32Array(STEPS);
  const curve = STRETCHES[stretch] ?? rankCurve(sorted, low, high);
  const signed = isDiverging && STRETCHES[stretch];
  for (let k = 0; k < STEPS; k += 1) {
    const part = k / (STEPS - 1);
    const place = signed ? placeAroundZero(low + part * (high - low), [low, high], curve) : curve(part);
    table[k] = map[Math.round(place * (map.length - 1))];
  }
  return table;
}

/** The share of the sample between the limits that lies below a value; to be called with rising values. */
function rankCurve(sorted, low, high) {
  const start = sorted.findIndex((v) => v >= low);
  const above = sorted.findIndex((v) => v > high);
  const end = above < 0 ? sorted.length : above;
  let k = Math.max(start, 0);
  return (x) => {
    while (k < end && sorted[k] <= low + x * (high - low)) k += 1;
    return end > start ? (k - start) / (end - start) : x;
  };
}

/** Paints values through a table of colors; `out` has one number for each. */
export function paintPlane(values, [low, high], table, empty, out) {
  const factor = (STEPS - 1) / (high - low);
  for (let k = 0; k < values.length; k += 1) {
    const v = values[k];
    const at = (v - low) * factor + 0.5;
    out[k] = Number.isNaN(v) ? empty : table[at <= 0 ? 0 : at >= STEPS ? STEPS - 1 : at | 0];
  }
}

/** The softening of a composite that `spx cube plot` has. */
export const FIRST_Q = 3;

/**
 * Paints three planes as one (Lupton et al. 2004, PASP 116, 133): one asinh curve of the mean intensity scales all
 * three, so that colors of bright sources are kept. The higher `q`, the brighter faint things get.
 */
export function paintComposite(planes, limits, q, empty, out) {
  const [[r0, r1], [g0, g1], [b0, b1]] = limits;
  const sinh = Math.sinh(q);
  for (let k = 0; k < out.length; k += 1) {
    let r = (planes[0][k] - r0) / (r1 - r0);
    let g = (planes[1][k] - g0) / (g1 - g0);
    let b = (planes[2][k] - b0) / (b1 - b0);
    const intensity = (r + g + b) / 3;
    if (Number.isFinite(intensity)) {
      const factor = intensity > 0 ? Math.asinh(sinh * intensity) / q / intensity : 0;
      [r, g, b] = [Math.max(r * factor, 0), Math.max(g * factor, 0), Math.max(b * factor, 0)];
      const white = 255 / Math.max(1, r, g, b);
      out[k] = (0xff000000 | (Math.round(b * white) << 16) | (Math.round(g * white) << 8) | Math.round(r * white)) >>> 0;
    } else {
      out[k] = empty;
    }
  }
}

/** Mixes a color 0xRRGGBB over those pixels for which `test(k)` holds. */
export function tint(out, rgb, share, test) {
  const over = [rgb >> 16, (rgb >> 8) & 0xff, rgb & 0xff];
  const bytes = new Uint8ClampedArray(out.buffer, out.byteOffset, out.byteLength);
  for (let k = 0; k < out.length; k += 1) {
    if (test(k)) {
      for (let c = 0; c < 3; c += 1) bytes[4 * k + c] += share * (over[c] - bytes[4 * k + c]);
    }
  }
}
