//! Mosaics and a HiPS by `spx survey`: the same bytes as `spx mosaic` and `spx hips` make, by any
//! number of processes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod tools;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::tempdir;
use tools::{Run, done, input, names, spx, table};

const REGION: [&str; 5] = ["--grid=hp11", "--ra=186.4536", "--dec=33.5468", "--radius=0.02", "--detectors=3"];

fn deliver(folder: &Path, frames: &[&str]) {
    fs::create_dir_all(folder.join("frames")).unwrap();
    for name in frames {
        fs::copy(input(name), folder.join("frames").join(name)).unwrap();
    }
}

fn plan(folder: &Path, more: &[&str]) -> Run {
    let start = ["survey", "plan", "-q", "--json", "--no-cubes", "--input=frames"];
    spx(folder, &[&start[..], &REGION, more].concat())
}

fn do_jobs(folder: &Path, more: &[&str]) -> Run {
    spx(folder, &[&["survey", "do", "survey", "-q", "--json"], more].concat())
}

fn jobs(folder: &Path) -> Vec<BTreeMap<String, String>> {
    table(&fs::read_to_string(folder.join("survey/jobs.tsv")).unwrap().replace('\t', ","))
}

#[test]
fn mosaics_are_those_of_spx_mosaic() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    deliver(folder, &["d3_a.fits", "d3_b.fits"]);
    plan(folder, &[]).fails(2, &["without cubes, --mosaic, --hips, --photometry or --catalog is needed"]);
    fs::write(folder.join("mosaic.toml"), "wave = \"1.9..2.1\"\nplanes = [\"wavelength\"]\n").unwrap();
    let run = plan(folder, &["--mosaic=mosaic.toml"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(do_jobs(folder, &["--shard=0/2"]).code, Some(0));
    deliver(folder, &["d3_c.fits", "d3_d.fits"]);
    assert_eq!(plan(folder, &["--mosaic=mosaic.toml"]).code, Some(0));
    let run = do_jobs(folder, &[]);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    done(folder, &["survey", "status", "survey"]);
    let mut made = 0;
    for job in jobs(folder).iter().filter(|job| folder.join("survey").join(&job["output"]).exists()) {
        assert_eq!((job["kind"].as_str(), job["detector"].as_str()), ("mosaic", "3"));
        assert_eq!(job["job"], format!("mosaic_{}_D3", job["tile"]));
        let place: Vec<String> =
            ["ra", "dec", "width", "height", "detector"].map(|key| format!("--{key}={}", job[key])).into();
        let place: Vec<&str> = place.iter().map(String::as_str).collect();
        let list = format!("@survey/jobs/{}.list", job["job"]);
        let options =
            ["mosaic", "-q", "--config=mosaic.toml", "--overwrite", "-o", "alone", "--input", &list];
        done(folder, &[&options[..], &place].concat());
        let [ours, theirs] = [format!("survey/{}", job["output"]), "alone/mosaic.fits".to_owned()]
            .map(|file| fs::read(folder.join(file)).unwrap());
        assert!(ours == theirs, "{}", job["job"]);
        made += 1;
    }
    assert!(made > 1, "{made} mosaics");
    // Detectors that do not see the range have no job.
    fs::write(folder.join("mosaic.toml"), "wave = \"4.5..4.6\"\n").unwrap();
    assert_eq!(plan(folder, &["--mosaic=mosaic.toml"]).json()["jobs"], 0);
    fs::write(folder.join("mosaic.toml"), "wave = \"1.9..2.1\"\nprojection = 'SIN'\n").unwrap();
    plan(folder, &["--mosaic=mosaic.toml"])
        .fails(2, &["mosaic.toml", "other grids are not supported in a survey"]);
}

/// All files of a HiPS that follow from frames and settings; of the properties all but the date.
fn hips_files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in walkdir::WalkDir::new(root).into_iter().map(Result::unwrap) {
        let path = entry.path().strip_prefix(root).unwrap().to_owned();
        let is_own = path.starts_with("cells") || path.starts_with("zodi") || path.ends_with("hips.toml");
        if entry.file_type().is_file() && !is_own {
            let mut bytes = fs::read(entry.path()).unwrap();
            if path.ends_with("properties") {
                let text = String::from_utf8(bytes).unwrap();
                let lines = text.lines().filter(|line| !line.starts_with("hips_release_date"));
                bytes = lines.map(|line| format!("{line}\n")).collect::<String>().into_bytes();
            }
            found.insert(path, bytes);
        }
    }
    found
}

#[test]
fn a_hips_is_that_of_spx_hips() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let settings = "wave = \"1.9..2.1\"\norder = 4\n";
    fs::write(folder.join("hips.toml"), settings).unwrap();
    let alone = |place: &str| {
        let region = ["--ra=186.4536", "--dec=33.5468", "--radius=0.02"];
        let options = ["hips", "-q", "--config=hips.toml", "--input=frames", "-o", place];
        done(folder, &[&options[..], &region].concat());
        hips_files(&folder.join(place))
    };
    let root = folder.join("survey/hips");
    deliver(folder, &["d3_a.fits", "d3_b.fits"]);
    let run = plan(folder, &["--hips=hips.toml"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let all = jobs(folder);
    assert!(all.iter().all(|job| job["kind"] == "hips" && job["job"] == format!("hips_{}", job["tile"])));
    assert!(all.iter().all(|job| job["tile"].starts_with("hp3-")));
    for (number, job) in all.iter().enumerate() {
        assert!(!root.join("properties").exists(), "{number} of {}", all.len());
        let run = do_jobs(folder, &["--job", &job["job"]]);
        assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    }
    let first = hips_files(&root);
    assert!(first == alone("alone") && first.contains_key(Path::new("Moc.fits")));

    // A frame that comes later; the pictures keep their limits.
    deliver(folder, &["d3_c.fits"]);
    assert_eq!(plan(folder, &["--hips=hips.toml"]).code, Some(0));
    assert_eq!(spx(folder, &["survey", "status", "survey"]).code, Some(4));
    assert_eq!(do_jobs(folder, &[]).code, Some(0));
    let second = hips_files(&root);
    assert!(second == alone("alone") && second != first);

    // As a run leaves it that was killed before it was through, or with a cell.
    fs::remove_file(root.join("properties")).unwrap();
    fs::remove_file(root.join("Norder3/Allsky.png")).unwrap();
    fs::remove_file(root.join("Norder2/Dir0/Npix111.fits")).unwrap();
    let skipped = do_jobs(folder, &[]);
    assert!(skipped.json().as_array().unwrap().iter().all(|job| job["outcome"] == "skipped"));
    assert!(hips_files(&root) == second);
    for name in names(&folder.join("survey/done")) {
        fs::remove_file(folder.join("survey/done").join(name)).unwrap();
    }
    assert_eq!(do_jobs(folder, &[]).code, Some(0));
    assert!(hips_files(&root) == second);

    // Titles change nothing but the properties; other tiles need another directory.
    fs::write(folder.join("hips.toml"), format!("{settings}title = \"Coma\"\n")).unwrap();
    assert_eq!(plan(folder, &["--hips=hips.toml"]).code, Some(0));
    done(folder, &["survey", "status", "survey"]);
    assert_eq!(do_jobs(folder, &[]).code, Some(0));
    let properties = fs::read_to_string(root.join("properties")).unwrap();
    assert!(properties.contains("obs_title            = Coma\n"), "{properties}");
    fs::write(folder.join("hips.toml"), "wave = \"1.9..2.1\"\norder = 5\n").unwrap();
    let refused = plan(folder, &["--hips=hips.toml"]);
    assert!(
        refused.code == Some(2) && refused.stderr.contains("made with other settings"),
        "{}",
        refused.stderr
    );
    fs::remove_dir_all(&root).unwrap();
    assert_eq!(plan(folder, &["--hips=hips.toml"]).code, Some(0));
    assert_eq!(spx(folder, &["survey", "status", "survey"]).code, Some(4));
}
