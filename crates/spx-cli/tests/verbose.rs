//! `-v` tells what was chosen where the user left it open, command by command.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

mod tools;

use std::fs;

use tempfile::tempdir;
use tools::local::{PLACE, archive};
use tools::{input, spx};

const SEARCH: [&str; 1] = ["release newest, fields all; 6 attempts, timeout 60 s"];
const PHOTOMETRY: [&str; 6] = [
    "photometry: aperture, 2.5 FWHM of the psf wide; background annulus; bad flags photometry",
    "zodiacal light: fit",
    "pixel area: map where there is one, else local",
    "wavelengths: those of the files, QR2 shifted to the scale of QR3",
    "flux corrections: none, fluxes are on the scale of each file",
    "PSF: that of each file",
];
const CUBE: [&str; 4] = ["weight = ", "exclude_flags = \"photometry\"", "kernel ", "zodiacal light: fit"];

#[test]
fn what_was_chosen_is_told_to_those_who_ask_for_more() {
    let (archive, folder) = (archive(), tempdir().unwrap());
    let here = folder.path();
    fs::copy(input("d3_a.fits"), here.join("image.fits")).unwrap();
    fs::write(here.join("c.csv"), "id,ra,dec\n1,186.4536,33.5468\n").unwrap();
    let url = format!("--archive-url={}", archive.url());
    let (asked, unity) = (format!("archive: {}", archive.url()), tools::unity());
    let (asked, url, unity) = (asked.as_str(), url.as_str(), unity.as_str());
    let cutouts = "files: cutouts of 20px around 186.4536,33.5468deg; from archive; 4 at a time";
    let of_pictures = ["--width=1", "--height=1", "--input=image.fits"];
    let [ra, dec] = PLACE;
    let chosen = [
        "photometry: psf, pixels within 3 px; background nodes",
        "zodiacal light: none",
        "flux corrections: l3_flux_corrections_D3_unity.fits",
    ];
    let photometry = ["photometry", "image.fits", ra, dec];
    let commands: [(Vec<&str>, Vec<&str>); 17] = [
        (vec!["query", url, ra, dec], [&SEARCH[..], &[asked]].concat()),
        (
            vec!["download", url, ra, dec, "--cutout-size=20px", "-o=d"],
            [&SEARCH[..], &[asked, cutouts]].concat(),
        ),
        (
            vec!["run", url, ra, dec, "--cutout-size=20px", "-o=r"],
            [&SEARCH[..], &PHOTOMETRY, &[asked, cutouts]].concat(),
        ),
        (photometry.to_vec(), PHOTOMETRY.to_vec()),
        ([&photometry[..], &["--method=psf", "--background=none", unity]].concat(), chosen.to_vec()),
        (
            vec!["batch", "--catalog=c.csv", "--input=image.fits", "-o=b"],
            [&PHOTOMETRY[..], &["catalog: 1 sources; tables as csv"]].concat(),
        ),
        (
            [&["drizzle", "--detector=3", "-o=z", ra, dec], &of_pictures[..]].concat(),
            [&CUBE[..], &["z_shrink = "]].concat(),
        ),
        ([&["mosaic", "--wave=1.6..2.4", "-o=m", ra, dec], &of_pictures[..]].concat(), CUBE.to_vec()),
        (
            vec!["hips", "--wave=1.6..2.4", "--order=3", "--input=image.fits", "-o=h"],
            [&CUBE[..], &["order 3, made by cells of order 3; 1.6 to 2.4 um", "pictures: "]].concat(),
        ),
        (
            vec!["survey", "plan", "--grid=hp8", "--radius=0.01", "--input=image.fits", "-o=s", ra, dec],
            vec!["tiles: grid hp8, within 0.01 deg; detectors D1", "drizzle: default settings"],
        ),
        (
            vec!["cube", "plot", "z/drizzle_D3.fits", "-o=p.png"],
            vec!["plane ", "scale: asinh from ", "MJy/sr); viridis"],
        ),
        (
            vec!["cube", "spectrum", "z/drizzle_D3.fits", ra, dec],
            vec!["pixels of ", "errors for voxels that share input pixels"],
        ),
        (vec!["cube", "collapse", "z/drizzle_D3.fits", "--wave=1.6..2.4", "-o=m.fits"], vec!["planes "]),
        (
            vec!["cube", "cut", "z/drizzle_D3.fits", "--wave=1.6..2.4", "-o=q.fits"],
            vec!["planes; columns 0 to "],
        ),
        (
            vec!["spectrum", "b/lightcurves/1.csv"],
            vec!["measured by: spx", "1 measurements in the means, 0 outliers, 0 not good"],
        ),
        (vec!["lightcurve", "1", "b"], vec!["measured by: spx", "1: 1 measurements, 1 of them good"]),
        (vec!["inspect", "image.fits"], vec!["flags: ", "zodiacal scale: "]),
    ];
    for (command, expected) in commands {
        let more = spx(here, &[&command[..], &["-v", "--threads=2"]].concat());
        assert_eq!(more.code, Some(0), "{command:?}: {}", more.stderr);
        assert!(more.stderr.contains("threads: 2, as requested\n"), "{command:?}: {}", more.stderr);
        if let Some(out) = command.iter().find_map(|word| word.strip_prefix("-o=")) {
            fs::rename(here.join(out), here.join(format!("{out}_verbose"))).unwrap();
        }
        let again = spx(here, &command);
        assert_eq!(again.code, Some(0), "{command:?}: {}", again.stderr);
        assert!(!again.stderr.contains("threads: "), "{}", again.stderr);
        for line in expected {
            assert!(more.stderr.contains(line), "{command:?}: `{line}` is not in\n{}", more.stderr);
            assert!(!again.stderr.contains(line), "{command:?}: {line}");
        }
    }
}
