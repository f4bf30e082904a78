// The systems in which region files of DS9 have positions: ICRS, FK5 at J2000 and galactic coordinates, with the rotations
// of spx_wcs::SkyFrame, and pixels of an image, which DS9 counts from 1.

import { offsetOnPlane, parseAngle } from "./wcs.js";

const RADIAN = Math.PI / 180;
/** Rotations from ICRS, by rows. */
const FK5 = [
  [0.9999999999999928, -1.110223329740834e-7, -4.411804498096776e-8],
  [1.1102233723050031e-7, 0.9999999999999891, 9.64779225407974e-8],
  [4.411803426976324e-8, -9.647792743888517e-8, 0.9999999999999943],
];
const GALACTIC = [
  [-0.05487565771259167, -0.873437051955616, -0.48383507361671546],
  [0.49410943719272715, -0.4448297212232953, 0.7469821839866675],
  [-0.8676661375596583, -0.19807633727300056, 0.4559838136873017],
];
/** Arcseconds in the units of sizes. */
const UNITS = { '"': 1, "'": 60, d: 3600, r: 3600 / RADIAN };
/** How far away the north of a system is looked for [deg]. */
const STEP = 1e-3;

/** Longitude and latitude after a rotation [deg]. */
function rotated(rows, [lon, lat]) {
  const cos = Math.cos(lat * RADIAN);
  const from = [cos * Math.cos(lon * RADIAN), cos * Math.sin(lon * RADIAN), Math.sin(lat * RADIAN)];
  const [x, y, z] = rows.map((row) => row.reduce((sum, part, k) => sum + part * from[k], 0));
  return [(Math.atan2(y, x) / RADIAN + 360) % 360, Math.atan2(z, Math.hypot(x, y)) / RADIAN];
}

const number = (word) => (word === "" || Number.isNaN(Number(word)) ? null : Number(word));

/** A size with its unit [arcsec]; null where it has none. */
function withUnit(word) {
  const unit = UNITS[word.at(-1)];
  const value = unit ? number(word.slice(0, -1)) : null;
  return value === null ? null : value * unit;
}

/** The angle from north through east of what lies a little to the north in a system. */
function positionAngle(at, there) {
  const [east, north] = offsetOnPlane(at, there);
  return Math.atan2(east, north) / RADIAN;
}

/**
 * A system on the sky: `position` of two words (null of what is none), `size` of one [arcsec], `turn`, by which its angles
 * are turned to count from west to north in ICRS [deg], and the ways back, `coordinates` and `length`.
 */
function skySystem(rows, isEquatorial) {
  const back = [0, 1, 2].map((c) => rows?.map((row) => row[c]));
  const toIcrs = (at) => (rows ? rotated(back, at) : at);
  const fromIcrs = (at) => (rows ? rotated(rows, at) : at);
  const angle = (word, isRa) => {
    const value = isEquatorial ? parseAngle(word, isRa) : number(word);
    return value !== null && (isRa || Math.abs(value) <= 90) ? value : null;
  };
  return {
    position(first, second) {
      const pair = [angle(first, true), angle(second, false)];
      return pair.includes(null) ? null : toIcrs(pair);
    },
    size(_, word) {
      const plain = number(word);
      return withUnit(word) ?? (plain === null ? null : plain * 3600);
    },
    turn(at) {
      if (!rows) return 0;
      const [lon, lat] = fromIcrs(at);
      return positionAngle(at, toIcrs([lon, Math.min(lat + STEP, 90)]));
    },
    coordinates: (at) => (rows ? fromIcrs(at).map((v) => Number(v.toFixed(7))) : at),
    length: (_, arcsec) => `${arcsec}"`,
  };
}

const SKY = {
  icrs: skySystem(null, true),
  fk5: skySystem(FK5, true),
  j2000: skySystem(FK5, true),
  galactic: skySystem(GALACTIC, false),
};
export const ICRS = SKY.icrs;

/** Pixels of an image, of which `bin` x `bin` are one of the page. */
function imageSystem({ tan, bin }) {
  const toSky = ([x, y]) => tan.toSky(...[x, y].map((v) => (v - 0.5) / bin - 0.5));
  const toPixel = (at) => tan.toPixel(...at);
  const side = (at) => tan.pixelSide(...toPixel(at)) / bin;
  return {
    position(first, second) {
      const pair = [number(first), number(second)];
      return pair.includes(null) ? null : toSky(pair);
    },
    size(at, word) {
      const pixels = number(word.replace(/[pi]$/, ""));
      return withUnit(word) ?? (pixels === null ? null : pixels * side(at));
    },
    turn(at) {
      const [x, y] = toPixel(at);
      return positionAngle(at, tan.toSky(x, y + 0.5));
    },
    coordinates: (at) => toPixel(at).map((v) => Number(((v + 0.5) * bin + 0.5).toFixed(6))),
    length: (at, arcsec) => String(Number((arcsec / side(at)).toFixed(6))),
  };
}

/** The system of a name, in the image of a cube; undefined where the name is none. */
export function systemNamed(name, cube) {
  return name === "image" && cube ? imageSystem(cube) : SKY[name];
}
