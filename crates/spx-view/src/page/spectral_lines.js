// Spectral features between 0.6 and 5 um: lines (vacuum wavelengths, um), and bands as pairs of ends.
//
// Hydrogen from the Rydberg formula; H2, [Fe II], [S III] and He I as in the lists of NIST and of Black & van Dishoeck (1987,
// ApJ 322, 412); PAH and ices as in Boogert, Gerakines & Whittet (2015, ARA&A 53, 541).

/** Rydberg's constant of hydrogen [1/um]. */
const RYDBERG = 10.9677583;

const hydrogen = (name, low, high) => [name, 1 / (RYDBERG * (1 / low ** 2 - 1 / high ** 2))];

/** Groups by name; of each feature its name, and a wavelength or two ends. */
export const FEATURES = {
  "H I": [
    hydrogen("Hα", 2, 3),
    hydrogen("Paδ", 3, 7),
    hydrogen("Paγ", 3, 6),
    hydrogen("Paβ", 3, 5),
    hydrogen("Paα", 3, 4),
    hydrogen("Brγ", 4, 7),
    hydrogen("Brβ", 4, 6),
    hydrogen("Brα", 4, 5),
    hydrogen("Pfγ", 5, 8),
    hydrogen("Pfβ", 5, 7),
  ],
  "H₂": [
    ["1–0 S(3)", 1.9576],
    ["1–0 S(1)", 2.1218],
    ["1–0 Q(1)", 2.4066],
    ["1–0 O(3)", 2.8025],
    ["1–0 O(5)", 3.235],
    ["0–0 S(11)", 4.181],
    ["0–0 S(9)", 4.6946],
  ],
  "other lines": [
    ["[S III]", 0.90711],
    ["[S III]", 0.95332],
    ["He I", 1.08332],
    ["[Fe II]", 1.257],
    ["[Fe II]", 1.644],
  ],
  PAH: [
    ["PAH", [3.24, 3.34]],
    ["aliphatic", [3.38, 3.42]],
  ],
  ices: [
    ["H₂O", [2.8, 3.3]],
    ["CO₂", [4.2, 4.34]],
    ["¹³CO₂", [4.37, 4.4]],
    ["OCN⁻", [4.59, 4.64]],
    ["CO", [4.65, 4.7]],
  ],
  "CO bands": [
    ["CO 2–0", [2.2935, 2.4]],
  ],
};

/** The features of some groups as they are seen: {group, name, ends: [from, to]} [um]. */
export function featuresAt(groups, redshift) {
  return groups.flatMap((group) =>
    (FEATURES[group] ?? []).map(([name, at]) => ({
      group,
      name,
      isBand: Array.isArray(at),
      ends: (Array.isArray(at) ? at : [at, at]).map((wavelength) => wavelength * (1 + redshift)),
    })),
  );
}
