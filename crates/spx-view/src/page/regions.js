// Regions of the sky: their outlines and handles, which positions they hold, and region files of DS9. Sizes are arcsec,
// angles degrees from west through north, as in spx_pipeline::cube::SkyRegion, which reads the same text.
//
// A region is {shape, ra, dec, sizes, angle, corners}: shape `point`, `circle` (sizes [radius]), `annulus` ([inner, outer]),
// `ellipse` (semi-axes), `box` (width, height) or `polygon` (corners [[ra, dec], ...]).

import { ICRS, systemNamed } from "./systems.js";
import { offsetOnPlane, onSky, separation } from "./wcs.js";

const SIZES = { point: 0, circle: 1, annulus: 2, ellipse: 2, box: 2 };
const TURN = Math.PI / 180;
/** Points of the outline of a curve. */
const POINTS = 72;

/** The offset [east, north] of a point that lies at [u, v] along the axes of a region turned by an angle. */
function turned([u, v], angle) {
  const [sin, cos] = [Math.sin(angle * TURN), Math.cos(angle * TURN)];
  return [-cos * u + sin * v, sin * u + cos * v];
}

/** The way back: [u, v] of an offset. */
function untwisted([east, north], angle) {
  const [sin, cos] = [Math.sin(angle * TURN), Math.cos(angle * TURN)];
  return [sin * north - cos * east, sin * east + cos * north];
}

export function circleAt([ra, dec], radius) {
  return radius === null ? { shape: "point", ra, dec } : { shape: "circle", ra, dec, sizes: [radius] };
}

/** A polygon; its center is the direction in the middle of its corners. */
export function polygonOf(corners) {
  const sum = [0, 0, 0];
  for (const [ra, dec] of corners) {
    const cos = Math.cos(dec * TURN);
    [cos * Math.cos(ra * TURN), cos * Math.sin(ra * TURN), Math.sin(dec * TURN)].forEach((part, k) => (sum[k] += part));
  }
  const ra = Math.atan2(sum[1], sum[0]) / TURN;
  return { shape: "polygon", ra: (ra + 360) % 360, dec: Math.atan2(sum[2], Math.hypot(sum[0], sum[1])) / TURN, corners };
}

/** Positions around a region, closed; of a point none. */
export function outline(region) {
  const center = [region.ra, region.dec];
  const around = ([a, b], angle = 0) =>
    Array.from({ length: POINTS + 1 }, (_, k) => {
      const t = (2 * Math.PI * k) / POINTS;
      return onSky(center, turned([a * Math.cos(t), b * Math.sin(t)], angle));
    });
  // On the plane a circle of the sky is wider by the tangent of its radius.
  const stretched = (radius) => (Math.tan((radius / 3600) * TURN) / TURN) * 3600;
  switch (region.shape) {
    case "circle":
    case "annulus":
      return region.sizes.filter((r) => r > 0).map((r) => around([stretched(r), stretched(r)]));
    case "ellipse":
      return [around(region.sizes, region.angle)];
    case "box": {
      const [w, h] = region.sizes.map((side) => side / 2);
      const corners = [[w, h], [-w, h], [-w, -h], [w, -h], [w, h]];
      return [corners.map((corner) => onSky(center, turned(corner, region.angle)))];
    }
    case "polygon":
      return [[...region.corners, region.corners[0]]];
    default:
      return [];
  }
}

/** Whether a position belongs to a region. */
export function holds(region, position) {
  const center = [region.ra, region.dec];
  const offset = () => offsetOnPlane(center, position);
  const distance = () => separation(position, center) * 3600;
  switch (region.shape) {
    case "circle":
      return distance() <= region.sizes[0];
    case "annulus":
      return distance() >= region.sizes[0] && distance() <= region.sizes[1];
    case "ellipse": {
      const at = offset();
      if (!at) return false;
      const [u, v] = untwisted(at, region.angle);
      return (u / region.sizes[0]) ** 2 + (v / region.sizes[1]) ** 2 <= 1;
    }
    case "box": {
      const at = offset();
      return at !== null && untwisted(at, region.angle).every((part, k) => 2 * Math.abs(part) <= region.sizes[k]);
    }
    case "polygon": {
      const at = offset();
      return at !== null && crossings(region.corners.map((corner) => offsetOnPlane(center, corner)), at) % 2 === 1;
    }
    default:
      return false;
  }
}

function crossings(corners, [x, y]) {
  return corners.filter(([x1, y1], k) => {
    const [x0, y0] = corners.at(k - 1);
    return y0 > y !== y1 > y && x < x0 + ((y - y0) / (y1 - y0)) * (x1 - x0);
  }).length;
}

/** No part lies farther from the center [arcsec]. */
export function reachOf({ shape, ra, dec, sizes, corners }) {
  if (shape === "polygon") return Math.max(...corners.map((corner) => Math.hypot(...offsetOnPlane([ra, dec], corner))));
  if (shape === "box") return Math.hypot(...sizes) / 2;
  return sizes ? Math.max(...sizes) : 0;
}

/** The handles by which a region is changed: positions, the first its center. */
export function handles(region) {
  const center = [region.ra, region.dec];
  const at = (u, v) => onSky(center, turned([u, v], region.angle ?? 0));
  switch (region.shape) {
    case "circle":
      return [center, at(region.sizes[0], 0)];
    case "annulus":
      return [center, at(region.sizes[0], 0), at(-region.sizes[1], 0)];
    case "ellipse":
      return [center, at(region.sizes[0], 0), at(0, region.sizes[1])];
    case "box":
      return [center, at(region.sizes[0] / 2, 0), at(0, region.sizes[1] / 2), at(region.sizes[0] / 2, region.sizes[1] / 2)];
    case "polygon":
      return [center, ...region.corners];
    default:
      return [center];
  }
}

/** The region after handle number `k` was brought to a position. */
export function changed(region, k, position) {
  const center = [region.ra, region.dec];
  if (k === 0) return moved(region, position);
  const offset = offsetOnPlane(center, position);
  if (!offset) return region;
  const size = (value) => Number(Math.max(value, 0.1).toFixed(2));
  const distance = size(separation(center, position) * 3600);
  switch (region.shape) {
    case "circle":
      return { ...region, sizes: [distance] };
    case "annulus":
      return { ...region, sizes: k === 1 ? [Math.min(distance, region.sizes[1] - 0.1), region.sizes[1]] : [region.sizes[0], Math.max(distance, region.sizes[0] + 0.1)] };
    case "polygon":
      return polygonOf(region.corners.with(k - 1, position.map((v) => Number(v.toFixed(6)))));
    default: {
      const full = region.shape === "box" ? 2 : 1;
      if (k === 1) {
        const angle = Math.atan2(offset[1], -offset[0]) / TURN;
        return { ...region, angle: Number(((angle + 360) % 360).toFixed(1)), sizes: [size(full * Math.hypot(...offset)), region.sizes[1]] };
      }
      const [u, v] = untwisted(offset, region.angle).map((part) => size(full * Math.abs(part)));
      return { ...region, sizes: k === 2 ? [region.sizes[0], v] : [u, v] };
    }
  }
}

function moved(region, position) {
  const [ra, dec] = position.map((v) => Number(v.toFixed(6)));
  if (region.shape !== "polygon") return { ...region, ra: ra % 360, dec };
  const offsets = region.corners.map((corner) => offsetOnPlane([region.ra, region.dec], corner));
  return polygonOf(offsets.map((offset) => onSky([ra, dec], offset).map((v) => Number(v.toFixed(6)))));
}

/** The region turned by so many degrees; circles and the like stay as they are. */
export function turnedBy(region, degrees) {
  if (region.angle !== undefined) return { ...region, angle: Number(((region.angle + degrees + 360) % 360).toFixed(1)) };
  if (region.shape !== "polygon") return region;
  const center = [region.ra, region.dec];
  const offsets = region.corners.map((corner) => turned(untwisted(offsetOnPlane(center, corner), 0), degrees));
  return polygonOf(offsets.map((offset) => onSky(center, offset).map((v) => Number(v.toFixed(6)))));
}

/** The outlines between which the background lies: `25,45`, radii, or `2x,4x`, multiples of the region, as BackgroundRing. */
export function ringOutlines(region, ring, side) {
  const { ra, dec, shape, sizes, corners } = region;
  return ring.split(",").map((word) => {
    const factor = parseFloat(word);
    if (!word.endsWith("x")) return { shape: "circle", ra, dec, sizes: [factor] };
    const times = (size) => factor * size;
    if (shape === "point") return { shape: "circle", ra, dec, sizes: [times(side)] };
    if (shape === "annulus") return { shape: "circle", ra, dec, sizes: [times(sizes[1])] };
    if (shape !== "polygon") return { ...region, sizes: sizes.map(times) };
    // Its center stays, whatever the mean of the new corners is.
    return { ...region, corners: corners.map((corner) => onSky([ra, dec], offsetOnPlane([ra, dec], corner).map(times))) };
  });
}

/** A region as DS9 writes it, without the name of its system; with its name and color where these are given. */
export function regionText({ shape, ra, dec, sizes = [], angle, corners }, label = "", color = "", system = ICRS) {
  const center = [ra, dec];
  const lengths = sizes.map((size) => system.length(center, size));
  const numbers = shape === "polygon" ? corners.flatMap((corner) => system.coordinates(corner)) : [...system.coordinates(center), ...lengths];
  if (angle !== undefined) numbers.push(system === ICRS ? angle : Number(((angle - system.turn(center) + 720) % 360).toFixed(6)));
  // Braces would end the text of a region.
  const properties = [label && `text={${label.replace(/[{}\n]/g, " ")}}`, color && `color=${color}`].filter(Boolean).join(" ");
  return `${shape}(${numbers.join(",")})${properties && ` # ${properties}`}`;
}

/** A region file of `{region, label, color}` in a system; `image` is that of a cube. */
export function toRegionFile(list, name = "icrs", cube = null) {
  const system = systemNamed(name, cube);
  const lines = list.map(({ region, label, color }) => regionText(region, label, color, system));
  return ["# Region file format: DS9 version 4.1", name, ...lines, ""].join("\n");
}

/**
 * The regions `{region, label, color}` of a text of DS9, in whose system `image` the pixels are those of a cube; throws what
 * the user should read where there is none. What cannot be used is told to `skip`, line by line; without it, it is an error
 * too.
 */
export function parseRegions(text, { skip = null, cube = null } = {}) {
  const found = [];
  let first = null;
  let system = ICRS;
  text.split("\n").forEach((line, k) => {
    for (const statement of line.match(/(?:\{[^}]*\}|=(?:"[^"]*"|'[^']*')|[^;{])+/g) ?? []) {
      try {
        const named = systemNamed(statement.split("#")[0].trim().toLowerCase(), cube);
        if (named) system = named;
        const region = named ? null : parseRegion(statement, system);
        if (region) found.push(region);
      } catch (error) {
        first ??= new Error(`line ${k + 1}: ${error.message}`);
        // Positions after another system would be read wrongly.
        if (!skip || error instanceof OtherSystem) throw new Error(`line ${k + 1}: ${error.message}`);
        skip(`line ${k + 1}`);
      }
    }
  });
  if (found.length === 0) throw first ?? new Error("no region was found");
  return found;
}

class OtherSystem extends Error {}

function parseRegion(statement, system) {
  const hash = statement.indexOf("#");
  const shape = (hash < 0 ? statement : statement.slice(0, hash)).replace(/\|\|\s*$/, "").trim();
  const properties = hash < 0 ? "" : statement.slice(hash);
  if (shape === "" || /^global/i.test(shape)) return null;
  const other = shape.match(/^(image$|physical|detector|amplifier|linear|fk4|b1950|ecliptic|wcs|tile)/i);
  if (other) throw new OtherSystem(`positions in the system ${other[0]} are not supported: save the regions as ICRS, FK5, galactic or image`);
  if (shape.startsWith("-")) throw new Error(`${shape}: excluded regions are not supported`);
  const [, name, rest] = shape.match(/^\+?([a-z]*)(.*)$/is);
  const words = rest.split(/[\s(),]+/).filter(Boolean);
  const label = properties.match(/text=(?:\{([^}]*)\}|"([^"]*)"|'([^']*)')/);
  const color = properties.match(/color=(#?\w+)/)?.[1] ?? null;
  return { region: shaped(name.toLowerCase(), words, shape, system), label: label?.slice(1).find((t) => t !== undefined) ?? "", color };
}

function shaped(name, words, shape, system) {
  const refuse = (why) => {
    throw new Error(`${shape}: ${why}`);
  };
  const place = (first, second) => system.position(first ?? "", second ?? "") ?? refuse("its position cannot be read");
  if (name === "polygon") {
    if (words.length < 6 || words.length % 2 === 1) refuse("a polygon needs three corners or more");
    return polygonOf(Array.from({ length: words.length / 2 }, (_, k) => place(words[2 * k], words[2 * k + 1])));
  }
  const count = SIZES[name] ?? refuse("expected point, circle, annulus, ellipse, box or polygon");
  const center = place(words[0], words[1]);
  const sizes = words.slice(2, 2 + count).map((word) => system.size(center, word) ?? refuse(`${word} is no size in this system`));
  const turns = name === "ellipse" || name === "box";
  const given = Number(words[2 + count] ?? 0);
  const positive = sizes.every((size, k) => size > 0 || (name === "annulus" && k === 0 && size === 0));
  if (sizes.length < count || words.length > 2 + count + (turns ? 1 : name === "point" ? 9 : 0)) refuse("it has too few or too many numbers");
  if (!positive || (turns && !Number.isFinite(given))) refuse("sizes must be above 0 and angles numbers");
  if (name === "annulus" && sizes[0] >= sizes[1]) refuse("the inner radius must be below the outer one");
  const angle = system === ICRS ? given : (given + system.turn(center) + 720) % 360;
  const [ra, dec] = center;
  return { shape: name, ra: ra % 360, dec, ...(count > 0 && { sizes }), ...(turns && { angle }) };
}

/** Where a spectrum was taken, in words. */
export function placeOf({ shape, ra, dec, sizes, angle, corners }) {
  const at = `${ra.toFixed(6)} ${dec < 0 ? "−" : "+"}${Math.abs(dec).toFixed(6)}`;
  const round = (value) => Number(value.toFixed(2));
  switch (shape) {
    case "point":
      return `${at}, 1 pixel`;
    case "circle":
      return `${at}, r\u00a0${round(sizes[0])}″`;
    case "polygon":
      return `${at}, ${corners.length} corners`;
    default:
      return `${at}, ${shape} ${sizes.map(round).join("″ × ")}″${angle ? ` at ${round(angle)}°` : ""}`;
  }
}
