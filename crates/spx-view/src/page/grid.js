// The coordinate grid: lines of equal right ascension and declination, and where they cross the edges of a frame.

import { sexagesimal } from "./wcs.js";

/** Steps between lines of declination [arcsec], and of right ascension [seconds of time]. */
const DEC_STEPS = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 18000, 36000, 72000];
const RA_STEPS = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400];
/** About so many lines of each kind. */
const LINES = 5;
/** Points of a line. */
const SAMPLES = 48;

/**
 * Lines `{isRa, words, points}` over a frame [width, height] of the screen; `picture` knows where the sky lies in it. None
 * where a pole is in sight.
 */
export function gridLines(picture, [width, height]) {
  const { tan } = picture.cube;
  const sky = (x, y) => tan.toSky(...picture.toImage([x, y]));
  const edge = Array.from({ length: 4 * 12 }, (_, k) => {
    const [side, t] = [Math.floor(k / 12), (k % 12) / 12];
    return [[t * width, 0], [width, t * height], [width - t * width, height], [0, height - t * height]][side];
  });
  const [ra0] = sky(width / 2, height / 2);
  const around = edge.map(([x, y]) => sky(x, y)).map(([ra, dec]) => [((ra - ra0 + 540) % 360) - 180, dec]);
  const span = (k) => [Math.min(...around.map((at) => at[k])), Math.max(...around.map((at) => at[k]))];
  const [[west, east], [south, north]] = [span(0), span(1)];
  if (east - west > 180 || north - south > 90) return [];
  const ras = multiples([ra0 + west, ra0 + east], RA_STEPS.map((step) => step / 240));
  const decs = multiples([south, north], DEC_STEPS.map((step) => step / 3600));
  const along = (from, to, at) =>
    Array.from({ length: SAMPLES + 1 }, (_, k) => {
      const found = tan.toPixel(...at(from + ((to - from) * k) / SAMPLES));
      return found && picture.toScreen(found);
    }).filter(Boolean);
  const meridians = ras.values.map((ra) => ({
    isRa: true,
    words: raWords(((ra % 360) + 360) % 360, ras.step * 240),
    points: along(south, north, (dec) => [ra, dec]),
  }));
  const parallels = decs.values.map((dec) => ({
    isRa: false,
    words: decWords(dec, decs.step * 3600),
    points: along(ra0 + west, ra0 + east, (ra) => [ra, dec]),
  }));
  return [...meridians, ...parallels];
}

function multiples([low, high], steps) {
  const step = steps.find((size) => (high - low) / size <= LINES) ?? steps.at(-1);
  const values = [];
  for (let k = Math.ceil(low / step); k * step <= high; k += 1) values.push(k * step);
  return { step, values };
}

function raWords(ra, step) {
  const decimals = step < 0.1 ? 2 : step < 1 ? 1 : 0;
  const [h, m, s] = sexagesimal([ra, 0], decimals - 1 < 0 ? 0 : decimals - 1).match(/^(\d+)h(\d+)m([\d.]+)s/).slice(1);
  if (step >= 3600) return `${h}h`;
  if (step >= 60) return `${h}h${m}m`;
  return `${h}h${m}m${Number(s).toFixed(decimals).padStart(decimals ? 3 + decimals : 2, "0")}s`;
}

function decWords(dec, step) {
  const [sign, d, m, s] = sexagesimal([0, dec], step < 1 ? 1 : 0).match(/([+−])(\d+)°(\d+)′([\d.]+)″/).slice(1);
  if (step >= 3600) return `${sign}${d}°`;
  return step >= 60 ? `${sign}${d}°${m}′` : `${sign}${d}°${m}′${s}″`;
}

/** Where a line crosses x = `at` (axis 0) or y = `at` (axis 1) within [0, end] of the other axis; null where it does not. */
export function crossing({ points }, axis, at, end) {
  for (let k = 1; k < points.length; k += 1) {
    const [a, b] = [points[k - 1], points[k]];
    if (a[axis] <= at === b[axis] <= at) continue;
    const other = a[1 - axis] + ((at - a[axis]) / (b[axis] - a[axis])) * (b[1 - axis] - a[1 - axis]);
    if (other >= 0 && other <= end) return other;
  }
  return null;
}
