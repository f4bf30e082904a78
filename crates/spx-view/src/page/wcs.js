// Pixels and sky: the projections of spx_wcs::SkyProjection (Calabretta & Greisen 2002, A&A 395, 1077) with the
// numbers of spx_wcs::ProjectionNumbers, and positions as text. Pixels are 0-based with integers at their centers, angles
// degrees.

const DEGREE = Math.PI / 180;

/** Native direction of a point of the plane, point of a direction (null of none), and area of the plane over that of the sky. */
const PROJECTIONS = {
  TAN: {
    direction: ([x, y]) => [x, y, 1],
    point: ([a, b, c]) => (c > 0 ? [a / c, b / c] : null),
    area: ([x, y]) => (1 + x * x + y * y) ** 1.5,
  },
  SIN: {
    direction: ([x, y]) => [x, y, Math.sqrt(1 - x * x - y * y)],
    point: ([a, b, c]) => (c > 0 ? [a, b] : null),
    area: ([x, y]) => Math.sqrt(1 - x * x - y * y),
  },
  ZEA: {
    direction: ([x, y]) => {
      const quarter = (x * x + y * y) / 4;
      return [x * Math.sqrt(1 - quarter), y * Math.sqrt(1 - quarter), 1 - 2 * quarter];
    },
    point: ([a, b, c]) => (c > -1 ? [a * Math.sqrt(2 / (1 + c)), b * Math.sqrt(2 / (1 + c))] : null),
    area: () => 1,
  },
  CAR: {
    direction: ([x, y]) => [Math.cos(y) * Math.cos(x), Math.cos(y) * Math.sin(x), Math.sin(y)],
    point: ([a, b, c]) => [Math.atan2(b, a), Math.atan2(c, Math.hypot(a, b))],
    area: ([, y]) => 1 / Math.cos(y),
  },
};

/** The projection of the cube. */
export class Projection {
  constructor({ projection, crpix, origin, matrix, to_sky }) {
    Object.assign(this, { crpix, origin, toSky3: to_sky, ...PROJECTIONS[projection] });
    this.matrix = matrix.map((row) => row.map((m) => m * DEGREE));
    const [[a, b], [c, d]] = this.matrix;
    const det = a * d - b * c;
    this.det = det;
    this.inverse = [[d / det, -b / det], [-c / det, a / det]];
  }

  /** [ra, dec] of a pixel position, ra in [0, 360). */
  toSky(x, y) {
    const native = this.direction(this.plane(x, y));
    const [sx, sy, sz] = this.toSky3.map((row) => row.reduce((sum, part, k) => sum + part * native[k], 0));
    const ra = Math.atan2(sy, sx) / DEGREE + this.origin;
    return [((ra % 360) + 360) % 360, Math.atan2(sz, Math.hypot(sx, sy)) / DEGREE];
  }

  /** [x, y] of a position; null where it has none, as 90 degrees or more away in TAN. */
  toPixel(ra, dec) {
    const [lon, lat] = [(ra - this.origin) * DEGREE, dec * DEGREE];
    const v = [Math.cos(lat) * Math.cos(lon), Math.cos(lat) * Math.sin(lon), Math.sin(lat)];
    const at = this.point([0, 1, 2].map((k) => v.reduce((sum, part, r) => sum + this.toSky3[r][k] * part, 0)));
    return at && this.inverse.map(([a, b], k) => this.crpix[k] + a * at[0] + b * at[1]);
  }

  /** Solid angle of a pixel [arcsec^2]. */
  pixelArea(x, y) {
    return (Math.abs(this.det) / this.area(this.plane(x, y))) * (3600 / DEGREE) ** 2;
  }

  /** Side of a pixel [arcsec]. */
  pixelSide(x, y) {
    return Math.sqrt(this.pixelArea(x, y));
  }

  plane(x, y) {
    const [u, v] = [x - this.crpix[0], y - this.crpix[1]];
    return this.matrix.map((row) => row[0] * u + row[1] * v);
  }
}

/**
 * Offsets to the east and north [arcsec] in the plane that touches the sky at a center, in which regions are drawn (as
 * spx_pipeline::cube::SkyRegion has it); null where the position is 90 degrees or more away.
 */
export function offsetOnPlane([ra0, dec0], [ra, dec]) {
  const [lon, lat, lat0] = [(ra - ra0) * DEGREE, dec * DEGREE, dec0 * DEGREE];
  const depth = Math.sin(lat0) * Math.sin(lat) + Math.cos(lat0) * Math.cos(lat) * Math.cos(lon);
  if (!(depth > 0)) return null;
  const arcsec = 3600 / DEGREE / depth;
  const north = Math.cos(lat0) * Math.sin(lat) - Math.sin(lat0) * Math.cos(lat) * Math.cos(lon);
  return [arcsec * Math.cos(lat) * Math.sin(lon), arcsec * north];
}

/** The position at offsets [arcsec] in that plane. */
export function onSky([ra0, dec0], [east, north]) {
  const [xi, eta, lat0] = [(east / 3600) * DEGREE, (north / 3600) * DEGREE, dec0 * DEGREE];
  const [x, z] = [Math.cos(lat0) - eta * Math.sin(lat0), Math.sin(lat0) + eta * Math.cos(lat0)];
  const ra = ra0 + Math.atan2(xi, x) / DEGREE;
  return [((ra % 360) + 360) % 360, Math.atan2(z, Math.hypot(xi, x)) / DEGREE];
}

/** Distance of two positions [deg], by the haversine formula. */
export function separation([ra1, dec1], [ra2, dec2]) {
  const ddec = Math.sin(((dec2 - dec1) * DEGREE) / 2);
  const dra = Math.sin(((ra2 - ra1) * DEGREE) / 2);
  const h = ddec * ddec + Math.cos(dec1 * DEGREE) * Math.cos(dec2 * DEGREE) * dra * dra;
  return (2 * Math.asin(Math.min(1, Math.sqrt(h)))) / DEGREE;
}

/** `12h25m48.864s +33d32m48.48s`, to the given decimals of the seconds of declination, one more of those of time. */
export function sexagesimal([ra, dec], decimals = 1) {
  const parts = (value, digits, width) => {
    const unit = 10 ** digits;
    const total = Math.round(value * 3600 * unit);
    const [whole, rest] = [Math.floor(total / (3600 * unit)), total % (3600 * unit)];
    const [minutes, seconds] = [Math.floor(rest / (60 * unit)), (rest % (60 * unit)) / unit];
    const padded = seconds.toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
    return [String(whole).padStart(width, "0"), String(minutes).padStart(2, "0"), padded];
  };
  const [h, m, s] = parts(ra / 15, decimals + 1, 2);
  const [d, dm, ds] = parts(Math.abs(dec), decimals, 2);
  return `${h === "24" ? "00" : h}h${m}m${s}s ${dec < 0 ? "−" : "+"}${d}°${dm}′${ds}″`;
}

/**
 * [ra, dec] of `186.45 33.55`, `12:25:48.9 +33:32:48`, `12h25m48.9s +33d32m48s`, `12 25 48.9 33 32 48`; null of
 * what is none of these. Sexagesimal right ascension is in hours.
 */
export function parsePosition(text) {
  const plain = text.trim().replace(/[−–]/g, "-");
  const words = plain.match(NUMBER) ?? [];
  const half = { 2: 1, 6: 3 }[words.length];
  if (!half) return null;
  // The right ascension ends where the number after its last begins.
  const numbers = [...plain.matchAll(NUMBER)];
  const cut = numbers[half].index;
  const angles = [parseAngle(plain.slice(0, cut), true), parseAngle(plain.slice(cut), false)];
  return angles.includes(null) ? null : [angles[0] % 360, angles[1]];
}

const NUMBER = /[+-]?\d+(?:\.\d*)?|[+-]?\.\d+/g;

/** An angle [deg]: decimal, or hours (of right ascension) or degrees, minutes, seconds; null of what is none. */
export function parseAngle(text, isRa) {
  const plain = text.trim().replace(/[−–]/g, "-");
  if (/[^\d\s.,:;+\-hmsde°'"′″]/i.test(plain)) return null;
  let value = Number(plain.replace(/(\d)[d°]?[\s,]*$/i, "$1"));
  if (plain === "" || Number.isNaN(value)) {
    const words = plain.match(NUMBER) ?? [];
    const [whole, minutes = 0, seconds = 0] = words.map((word) => Math.abs(Number(word)));
    if (words.length < 2 || words.length > 3 || !(minutes < 60 && seconds < 60)) return null;
    value = whole + minutes / 60 + seconds / 3600;
    if (isRa && !/^[+-]?[\d.]+\s*[d°]/i.test(plain)) value *= 15;
    if (words[0].startsWith("-")) value = -value;
  }
  return (isRa ? value >= 0 && value <= 360 : Math.abs(value) <= 90) ? value : null;
}
