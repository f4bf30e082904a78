// Tables as text: catalogs that are read, spectra that are written (CSV and ECSV), and files that are saved.

import { parseAngle } from "./wcs.js";

/** The columns of a spectrum: name, unit, type, description. */
export const COLUMNS = [
  ["plane", "", "int32", "number of the plane, from 0"],
  ["wavelength", "um", "float64", "center"],
  ["wavelength_min", "um", "float64", "lower edge"],
  ["wavelength_max", "um", "float64", "upper edge"],
  ["surface_brightness", "MJy / sr", "float32", "mean over the pixels with data"],
  ["surface_brightness_error", "MJy / sr", "float32", "its standard deviation"],
  ["flux", "uJy", "float32", "sum over the pixels with data"],
  ["flux_error", "uJy", "float32", "its standard deviation"],
  ["n_pixels", "", "int32", "pixels with data"],
  ["n_pixels_total", "", "int32", "pixels in the aperture"],
  ["count", "", "int64", "contributions to the voxels"],
  ["and_mask", "", "int64", "flags that all contributions to all pixels with data had"],
  ["or_mask", "", "int64", "flags that any contribution had"],
  ["background", "MJy / sr", "float32", "median of the ring, which was subtracted"],
  ["background_error", "MJy / sr", "float32", "its standard deviation"],
  ["background_pixels", "", "int32", "pixels of the ring with data"],
  ["detector", "", "string", "detector of the cube"],
  ["label", "", "string", "name of the region"],
];

/** Spectra of a region, one a cube, as rows of the table. */
export function tableRows(reports) {
  return reports.flatMap((report) =>
    report.points.map((point) => COLUMNS.map(([name]) => point[name] ?? report[name] ?? "")),
  );
}

/** Spectra of a region as CSV; what has no value is empty. */
export function toCsv(reports) {
  const quoted = (value) => (/[",\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : value);
  const rows = tableRows(reports).map((row) => row.map(quoted).join(","));
  return [COLUMNS.map(([name]) => name).join(","), ...rows, ""].join("\n");
}

/** The same as ECSV 1.0 (astropy APE 6), with the place that it was taken at in its header. */
export function toEcsv(reports) {
  const column = ([name, unit, type, description]) =>
    `# - {name: ${name},${unit && ` unit: ${unit},`} datatype: ${type}, description: ${JSON.stringify(description)}}`;
  const [report] = reports;
  const meta = Object.entries({
    file: JSON.stringify(reports.map(({ file }) => file).join(" ")),
    region: JSON.stringify(report.region),
    ra_deg: report.ra,
    dec_deg: report.dec,
    radius_arcsec: report.radius_arcsec ?? "null",
    annulus: JSON.stringify(report.annulus ?? null),
    pixel_area_arcsec2: report.pixel_area_arcsec2,
  });
  const head = ["# %ECSV 1.0", "# ---", "# delimiter: ','", "# datatype:", ...COLUMNS.map(column), "# meta:"];
  return [...head, ...meta.map(([key, value]) => `#   ${key}: ${value}`), toCsv(reports)].join("\n");
}

/** The rows of a CSV text as arrays of strings; quotes as in RFC 4180, lines that begin with # are left out. */
export function parseCsv(text) {
  const lines = text.replace(/^\uFEFF/, "").replace(/^#.*\r?\n/gm, "");
  const first = lines.slice(0, lines.search(/\r?\n|$/));
  const delimiter = [",", "\t", ";"].find((d) => first.includes(d)) ?? " ";
  const rows = [];
  let [row, field, quoted] = [[], "", false];
  const endField = () => row.push(field) && (field = "");
  const endRow = () => {
    endField();
    if (row.length > 1 || row[0] !== "") rows.push(row);
    row = [];
  };
  for (let k = 0; k < lines.length; k += 1) {
    const c = lines[k];
    if (quoted) {
      if (c !== '"') field += c;
      else if (lines[k + 1] === '"') field += lines[(k += 1)];
      else quoted = false;
    } else if (c === '"') quoted = true;
    else if (c === delimiter && c === " " && field === "") continue; // Columns may be aligned by spaces.
    else if (c === delimiter) endField();
    else if (c === "\n") endRow();
    else if (c !== "\r") field += c;
  }
  endRow();
  return rows;
}

const RA_NAMES = ["ra", "ra_deg", "radeg", "raj2000", "_raj2000", "_ra", "ra_icrs", "ra_j2000", "alpha_j2000", "right_ascension"];
const DEC_NAMES = ["dec", "dec_deg", "decdeg", "de", "dej2000", "_dej2000", "_de", "decj2000", "de_icrs", "dec_icrs", "dec_j2000", "delta_j2000", "declination"];
const LABEL_NAMES = ["name", "label", "id", "source_id", "designation", "object", "main_id", "objid"];

/** Whether a field holds no number: of rows without a position, or the units and dashes that VizieR puts below the names. */
function hasNoNumber(word = "") {
  return !/\d/.test(word);
}

/**
 * The objects `{ra, dec, label}` of a catalog, positions in degrees or sexagesimal, and how many rows have no position; throws
 * what the user should read.
 */
export function parseCatalog(text) {
  const [header = [], ...all] = parseCsv(text);
  const names = header.map((name) => name.trim().toLowerCase());
  const find = (known) => names.findIndex((name) => known.includes(name));
  const [ra, dec, label] = [RA_NAMES, DEC_NAMES, LABEL_NAMES].map(find);
  if (ra < 0 || dec < 0) throw new Error(`the catalog needs columns ra and dec; it has ${header.join(", ")}`);
  const isEmpty = (row) => hasNoNumber(row[ra]) && hasNoNumber(row[dec]);
  const rows = all.slice(Math.max(0, all.findIndex((row) => !isEmpty(row))));
  const objects = rows.flatMap((row, k) => {
    if (isEmpty(row)) return [];
    const [a, d] = [parseAngle(row[ra] ?? "", true), parseAngle(row[dec] ?? "", false)];
    if (a === null || d === null) {
      throw new Error(`row ${k + 1} of the catalog: ra ${row[ra]}, dec ${row[dec]} is no position`);
    }
    return { ra: a % 360, dec: d, label: row[label]?.trim() || String(k + 1) };
  });
  return { objects, without: rows.length - objects.length };
}

/** Hands a file to the user. */
export function save(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
