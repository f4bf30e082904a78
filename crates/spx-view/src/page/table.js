// Tables as text: catalogues that are read, spectra that are written (CSV and ECSV), and files that are saved.

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
];

/** A spectrum as CSV; what has no value is empty. */
export function toCsv(report) {
  const names = COLUMNS.map(([name]) => name);
  const rows = report.points.map((point) => names.map((name) => point[name] ?? "").join(","));
  return [names.join(","), ...rows, ""].join("\n");
}

/** A spectrum as ECSV 1.0 (astropy APE 6), with the place that it was taken at in its header. */
export function toEcsv(report) {
  const column = ([name, unit, type, description]) =>
    `# - {name: ${name},${unit && ` unit: ${unit},`} datatype: ${type}, description: ${JSON.stringify(description)}}`;
  const meta = Object.entries({
    file: JSON.stringify(report.file),
    detector: JSON.stringify(report.detector),
    ra_deg: report.ra,
    dec_deg: report.dec,
    radius_arcsec: report.radius_arcsec ?? "null",
    pixel_area_arcsec2: report.pixel_area_arcsec2,
  });
  const head = ["# %ECSV 1.0", "# ---", "# delimiter: ','", "# datatype:", ...COLUMNS.map(column), "# meta:"];
  return [...head, ...meta.map(([key, value]) => `#   ${key}: ${value}`), toCsv(report)].join("\n");
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
    else if (c === delimiter) endField();
    else if (c === "\n") endRow();
    else if (c !== "\r") field += c;
  }
  endRow();
  return rows;
}

const RA_NAMES = ["ra", "ra_deg", "radeg", "raj2000", "_raj2000", "ra_icrs", "ra_j2000"];
const DEC_NAMES = ["dec", "dec_deg", "decdeg", "de", "dej2000", "_dej2000", "decj2000", "de_icrs", "dec_icrs", "dec_j2000"];
const LABEL_NAMES = ["name", "label", "id", "source_id", "designation", "object", "main_id", "objid"];

/** The objects `{ra, dec, label}` of a catalogue; throws what the user should read. */
export function parseCatalogue(text) {
  const [header = [], ...rows] = parseCsv(text);
  const names = header.map((name) => name.trim().toLowerCase());
  const find = (known) => names.findIndex((name) => known.includes(name));
  const [ra, dec, label] = [RA_NAMES, DEC_NAMES, LABEL_NAMES].map(find);
  if (ra < 0 || dec < 0) throw new Error(`the catalogue needs columns ra and dec [deg]; it has ${header.join(", ")}`);
  return rows.map((row, k) => {
    const [a, d] = [row[ra], row[dec]].map((word) => (word?.trim() ? Number(word) : NaN));
    if (!(a >= 0 && a <= 360 && Math.abs(d) <= 90)) {
      throw new Error(`row ${k + 1} of the catalogue: ra ${row[ra]}, dec ${row[dec]} is no position in degrees`);
    }
    return { ra: a, dec: d, label: row[label] ?? String(k + 1) };
  });
}

/** Hands a file to the user. */
export function save(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
