//! `spx survey`: planned, done, added to, interrupted by what may go wrong, and the same bytes in
//! the end.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod tools;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::{TempDir, tempdir};
use tools::{Run, input, names, spx, table, unity_file};

/// In order of time.
const FILES: [&str; 6] = ["d3_a.fits", "d3_b.fits", "d3_c.fits", "d3_d.fits", "d3_e.fits.gz", "d3_f.fits"];

/// A folder with the first frames in `frames/` and settings of the drizzle.
fn folder_with(frames: &[&str]) -> TempDir {
    let folder = tempdir().unwrap();
    fs::create_dir(folder.path().join("frames")).unwrap();
    deliver(folder.path(), frames);
    let settings = format!("flux_corrections = [{:?}]\n", unity_file());
    fs::write(folder.path().join("drizzle.toml"), settings).unwrap();
    folder
}

fn deliver(folder: &Path, frames: &[&str]) {
    for name in frames {
        fs::copy(input(name), folder.join("frames").join(name)).unwrap();
    }
}

fn plan(folder: &Path, more: &[&str]) -> Run {
    let region = ["--grid=hp11", "--ra=186.4536", "--dec=33.5468", "--radius=0.02", "--detectors=3"];
    let start = ["survey", "plan", "-q", "--json", "--drizzle=drizzle.toml", "--input=frames"];
    let given = |option: &str| more.iter().any(|other| other.split('=').next() == option.split('=').next());
    let replaced = |option: &str| given(option) || option.starts_with("--input") && given("--frames");
    let arguments: Vec<&str> = start.into_iter().chain(region).filter(|option| !replaced(option)).collect();
    spx(folder, &[&arguments[..], more].concat())
}

fn do_jobs(folder: &Path, more: &[&str]) -> Run {
    spx(folder, &[&["survey", "do", "survey", "-q", "--json"], more].concat())
}

/// How often each outcome stands in a report.
fn outcomes(run: &Run) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for job in run.json().as_array().unwrap() {
        *found.entry(job["outcome"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    found
}

fn status(folder: &Path, more: &[&str]) -> Run {
    spx(folder, &[&["survey", "status", "survey"], more].concat())
}

/// Cubes and sums by their names.
fn products(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for kind in ["out", "sums"] {
        for name in names(&folder.join("survey").join(kind)) {
            let path = Path::new(kind).join(name);
            found.insert(path.clone(), fs::read(folder.join("survey").join(path)).unwrap());
        }
    }
    found
}

/// What one process makes of these frames in one go.
fn at_once(frames: &[&str]) -> BTreeMap<PathBuf, Vec<u8>> {
    let folder = folder_with(frames);
    assert_eq!(plan(folder.path(), &[]).code, Some(0));
    assert_eq!(do_jobs(folder.path(), &[]).code, Some(0));
    products(folder.path())
}

#[test]
fn week_by_week_and_in_shards_is_all_at_once() {
    let expected = at_once(&FILES);
    assert!(expected.len() >= 8, "{:?}", expected.keys());
    let folder = folder_with(&FILES[..3]);
    let folder = folder.path();
    let planned = plan(folder, &[]).json();
    let jobs = usize::try_from(planned["jobs"].as_u64().unwrap()).unwrap();
    assert_eq!((&planned["frames"], &planned["changed"]), (&3.into(), &jobs.into()));
    assert_eq!(status(folder, &[]).code, Some(4));
    let dry = do_jobs(folder, &["--dry-run"]);
    assert_eq!(outcomes(&dry), BTreeMap::from([("planned".to_owned(), jobs)]));
    assert_eq!(names(&folder.join("survey/done")), [""; 0]);
    let first = do_jobs(folder, &["--shard=0/2"]);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    assert_eq!(do_jobs(folder, &["--shard=1/2"]).code, Some(0));
    let all = status(folder, &[]);
    assert_eq!(all.code, Some(0), "{}", all.stdout);
    let before = products(folder);
    assert_eq!(outcomes(&do_jobs(folder, &[])), BTreeMap::from([("skipped".to_owned(), jobs)]));
    assert!(products(folder) == before);

    deliver(folder, &FILES[3..]);
    let planned = plan(folder, &["--config=survey/survey.toml"]).json();
    assert_eq!(planned["frames"], 6);
    assert_eq!(status(folder, &[]).code, Some(4));
    let stale = status(folder, &["--list=stale"]).stdout;
    let stale: Vec<&str> = stale.lines().collect();
    assert!(planned["changed"] == stale.len() && !stale.is_empty(), "{planned}");
    let one = do_jobs(folder, &["--job", stale[0]]).json();
    assert_eq!((&one[0]["outcome"], &one[0]["added"]), (&"done".into(), &3.into()));
    assert_eq!(do_jobs(folder, &[]).code, Some(0));
    assert_eq!(status(folder, &["--json"]).json()["complete"], planned["jobs"]);
    assert!(products(folder) == expected);
    assert_eq!(names(&folder.join("survey/work")), [""; 0]);
    // A list that has not changed is not written again.
    let time = |job: &str| fs::metadata(folder.join("survey/jobs").join(job)).unwrap().modified().unwrap();
    let list = format!("{}.list", stale[0]);
    let before = time(&list);
    assert_eq!(plan(folder, &[]).json()["changed"], 0);
    assert_eq!(time(&list), before);
}

/// Sets the scale of the zodiacal light in all fits that are kept, and counts them.
fn set_kept_scales(folder: &Path, scale: f64) -> usize {
    let all = walkdir::WalkDir::new(folder.join("survey/zodi")).into_iter().map(Result::unwrap);
    let files = all.filter(|entry| entry.file_type().is_file());
    let set = |entry: walkdir::DirEntry| {
        let text = fs::read_to_string(entry.path()).unwrap();
        let set = |line: &str| match line.strip_prefix("scale = ") {
            Some(_) => format!("scale = {scale:?}\n"),
            None => format!("{line}\n"),
        };
        fs::write(entry.path(), text.lines().map(set).collect::<String>()).unwrap();
    };
    files.map(set).count()
}

#[test]
fn the_zodiacal_light_of_a_frame_is_fitted_once_for_all_jobs() {
    let folder = folder_with(&FILES);
    let folder = folder.path();
    assert_eq!(plan(folder, &[]).code, Some(0));
    let table_of_jobs = fs::read_to_string(folder.join("survey/jobs.tsv")).unwrap();
    let jobs: Vec<&str> = table_of_jobs.lines().skip(1).filter_map(|line| line.split('\t').next()).collect();
    for job in &jobs {
        // No job finds what another has fitted.
        fs::remove_dir_all(folder.join("survey/zodi")).ok();
        assert_eq!(do_jobs(folder, &["--job", job]).code, Some(0));
    }
    let alone = products(folder);
    let again = || {
        for made in ["out", "sums", "done"] {
            let made = folder.join("survey").join(made);
            fs::remove_dir_all(&made).unwrap();
            fs::create_dir(made).unwrap();
        }
        let run = do_jobs(folder, &[]);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        products(folder)
    };
    assert!(again() == alone);
    let fits = set_kept_scales(folder, 2.0);
    assert!(fits > 0 && fits <= FILES.len() && jobs.len() > 1, "{fits} fits for {} jobs", jobs.len());
    // They are what the jobs subtract.
    assert!(again() != alone);
    // A frame that was written again is fitted again.
    for name in FILES {
        let file = fs::File::options().append(true).open(folder.join("frames").join(name)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)).unwrap();
    }
    assert!(again() == alone);
}

#[test]
fn frames_that_are_gone_and_other_settings_make_cubes_anew() {
    let expected = at_once(&FILES[1..]);
    let folder = folder_with(&FILES);
    let folder = folder.path();
    assert_eq!(plan(folder, &[]).code, Some(0));
    assert_eq!(do_jobs(folder, &[]).code, Some(0));
    fs::remove_file(folder.join("frames").join(FILES[0])).unwrap();
    assert_eq!(plan(folder, &[]).code, Some(0));
    assert_eq!(status(folder, &[]).code, Some(4));
    assert_eq!(do_jobs(folder, &[]).code, Some(0));
    assert!(products(folder) == expected);
    let settings = folder.join("drizzle.toml");
    let text = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, format!("{text}xy_shrink = 0.5\n")).unwrap();
    assert_eq!(plan(folder, &[]).json()["changed"], 0);
    let again = do_jobs(folder, &[]);
    assert_eq!(outcomes(&again).keys().collect::<Vec<_>>(), ["done"]);
    let other = products(folder);
    assert!(other.keys().eq(expected.keys()) && other != expected);
    fs::write(&settings, text).unwrap();
    assert_eq!(plan(folder, &[]).code, Some(0));
    assert_eq!(do_jobs(folder, &[]).code, Some(0));
    assert!(products(folder) == expected);
}

#[test]
fn a_frame_that_cannot_be_read_fails_its_jobs_until_it_can() {
    let folder = folder_with(&FILES);
    let folder = folder.path();
    assert_eq!(plan(folder, &[]).code, Some(0));
    let frame = folder.join("frames").join(FILES[5]);
    let whole = fs::read(&frame).unwrap();
    fs::write(&frame, &whole[..whole.len() / 2]).unwrap();
    let run = do_jobs(folder, &[]);
    assert_eq!(run.code, Some(1), "{}", run.stdout);
    let reason = run.json()[0]["reason"].to_string();
    assert!(reason.contains("1 frames could not be read: d3_f.fits"), "{reason}");
    assert_eq!(status(folder, &[]).code, Some(1));
    assert!(status(folder, &["--list=failed"]).stdout.starts_with("hp11-"));
    fs::write(&frame, &whole).unwrap();
    assert_eq!(do_jobs(folder, &[]).code, Some(0));
    assert_eq!(status(folder, &[]).code, Some(0));
    assert!(products(folder) == at_once(&FILES));
    // A job that fails as a whole says why.
    let name = names(&folder.join("survey/sums")).remove(0);
    let sums = folder.join("survey/sums").join(&name);
    fs::write(&sums, b"no sums").unwrap();
    fs::remove_file(folder.join("survey/out").join(&name)).unwrap();
    let job = name.trim_end_matches(".fits");
    let run = do_jobs(folder, &["--job", job]);
    assert_eq!(run.code, Some(1), "{}", run.stdout);
    let told = fs::read_to_string(folder.join(format!("survey/failed/{job}.txt"))).unwrap();
    assert!(told.contains(&name), "{told}");
    fs::remove_file(sums).unwrap();
    assert_eq!(do_jobs(folder, &["--job", job]).code, Some(0));
    assert_eq!(status(folder, &[]).code, Some(0));
}

#[test]
fn exit_codes_tell_engines_what_to_do() {
    let folder = folder_with(&FILES[..2]);
    let folder = folder.path();
    do_jobs(folder, &[]).fails(2, &["drizzle.toml", "`spx survey plan` makes it"]);
    plan(folder, &["--ra=10"]).fails(3, &["none of 2 frames", "tiles"]);
    plan(folder, &["--grid=hp99"]).fails(2, &["unknown grid `hp99`"]);
    assert_eq!(plan(folder, &[]).code, Some(0));
    do_jobs(folder, &["--job=hp11-1_D3"]).fails(2, &["job `hp11-1_D3` is not in", "jobs.tsv"]);
    do_jobs(folder, &["--shard=auto"]).fails(2, &["SLURM_ARRAY_TASK_COUNT is not set"]);
    let list = names(&folder.join("survey/jobs")).remove(0);
    let job = list.trim_end_matches(".list");
    let lock = spx_pipeline::stages::lock(&folder.join("survey/jobs").join(&list)).unwrap();
    let busy = do_jobs(folder, &["--job", job]);
    assert_eq!((busy.code, busy.json()[0]["outcome"].as_str()), (Some(75), Some("busy")));
    drop(lock);
    let settings = folder.join("drizzle.toml");
    let text = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, format!("{text}max_memory = 1e-6\n")).unwrap();
    assert_eq!(plan(folder, &[]).code, Some(0));
    let refused = do_jobs(folder, &["--job", job]);
    assert_eq!((refused.code, refused.json()[0]["outcome"].as_str()), (Some(5), Some("refused")));
    assert_eq!(names(&folder.join("survey/failed")), [""; 0]);
    fs::write(&settings, format!("{text}projection = 'SIN'\n")).unwrap();
    plan(folder, &[]).fails(2, &["drizzle.toml", "other grids are not supported in a survey"]);
}

#[test]
fn an_index_of_frames_stands_for_the_files() {
    let folder = folder_with(&FILES);
    let folder = folder.path();
    assert_eq!(plan(folder, &[]).code, Some(0));
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let jobs = read("survey/jobs.tsv");
    assert!(jobs.starts_with(
        "job\tkind\ttile\tdetector\tra\tdec\twidth\theight\tn_frames\tbytes_in\tmem_mb\tcpu_s\t"
    ));
    let run = plan(folder, &["--frames=survey/frames.tsv", "-o", "other"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(read("other/jobs.tsv"), jobs);
    assert!(!folder.join("other/frames.tsv").exists());
}

/// What `spx lightcurve` tells of a source.
fn light_curve(folder: &Path, id: &str, directory: &str) -> Vec<serde_json::Value> {
    let run = spx(folder, &["lightcurve", id, directory, "--json"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    run.json().as_array().unwrap().clone()
}

/// Images in `frames/`; a catalog of their sources, which have ids from 1000 on downwards, and
/// their number.
fn simulated(folder: &Path) -> (String, usize) {
    let simulate = ["simulate", "-q", "--ra=186.4536", "--dec=33.5468", "--detectors=D2,D3", "--stars=12"];
    let images = ["--radius=0.03", "--exposures=5", "--size=200", "-o", "frames"];
    assert_eq!(spx(folder, &[&simulate[..], &images].concat()).code, Some(0));
    let mut sources = csv::Reader::from_path(folder.join("frames/truth.csv")).unwrap();
    let mut catalog = String::from("targetid,ra,dec\n");
    let mut count = 0;
    for (number, source) in sources.records().enumerate() {
        let source = source.unwrap();
        catalog.push_str(&format!("{},{},{}\n", 1000 - number, &source[2], &source[3]));
        count += 1;
    }
    fs::write(folder.join("drizzle.toml"), "").unwrap();
    (catalog, count)
}

/// The parts of a data set of light curves, by their paths in it.
fn parts(survey: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let dataset = survey.join("catalog/dataset");
    let all = walkdir::WalkDir::new(&dataset).into_iter().map(Result::unwrap);
    let files = all.filter(|entry| entry.path().extension().is_some_and(|end| end == "parquet"));
    let read = |entry: walkdir::DirEntry| {
        (entry.path().strip_prefix(&dataset).unwrap().to_owned(), fs::read(entry.path()).unwrap())
    };
    files.map(read).collect()
}

/// A job holds only sources that its frames can reach: others make no difference to a bit, and
/// hardly any to the memory that it asks for.
#[test]
fn sources_that_no_frame_reaches_make_no_difference() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let (catalog, _) = simulated(folder);
    // The second source of an id does not count, wherever the two are.
    let mut whole = format!("targetid,ra,dec\n-5,10,20\n{}", catalog.split_once('\n').unwrap().1);
    whole.push_str("-5,186.4536,33.5468\n");
    for number in 0..60_000_u32 {
        let (ra, dec) = (f64::from(number) * 0.006, f64::from(number % 1700) / 10.0 - 85.0);
        if !(170.0..200.0).contains(&ra) {
            whole.push_str(&format!("{},{ra},{dec}\n", 5000 + number));
        }
    }
    for (name, catalog) in [("few", &catalog), ("many", &whole)] {
        fs::write(folder.join(format!("{name}.csv")), catalog).unwrap();
        fs::write(folder.join(format!("{name}.toml")), format!("catalog = \"{name}.csv\"\n")).unwrap();
        let settings = format!("--photometry={name}.toml");
        let options = ["--detectors=2,3", settings.as_str(), "--no-cubes", "--group=3", "-o", name];
        assert_eq!(plan(folder, &options).code, Some(0));
        assert_eq!(spx(folder, &["survey", "do", name, "-q"]).code, Some(0));
    }
    let (few, many) = (parts(&folder.join("few")), parts(&folder.join("many")));
    assert_eq!(few.keys().collect::<Vec<_>>(), many.keys().collect::<Vec<_>>());
    assert!(few == many && few.len() >= 4);
    let memory = |name: &str| -> u64 {
        let jobs = table(&fs::read_to_string(folder.join(name).join("jobs.tsv")).unwrap().replace('\t', ","));
        jobs.iter().map(|job| job["mem_mb"].parse::<u64>().unwrap()).max().unwrap()
    };
    // Whole row groups count.
    assert!(memory("many") <= memory("few") + 5, "{} {}", memory("few"), memory("many"));
    // The copy of the catalog is what jobs and light curves read.
    fs::remove_file(folder.join("many.csv")).unwrap();
    assert!(!light_curve(folder, "1000", "many").is_empty());
    fs::remove_file(folder.join("few/sources.parquet")).unwrap();
    fs::remove_dir_all(folder.join("few/done")).unwrap();
    let run = spx(folder, &["survey", "do", "few", "-q"]);
    assert!(run.code == Some(1) && run.stderr.contains("sources.parquet"), "{}", run.stderr);
}

#[test]
fn light_curves_are_those_of_spx_batch() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let (catalog, count) = simulated(folder);
    fs::write(folder.join("c.csv"), &catalog).unwrap();
    fs::write(folder.join("batch.toml"), "catalog = \"c.csv\"\n").unwrap();
    let run = spx(folder, &["batch", "-q", "--config=batch.toml", "--input=frames", "-o", "batch"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let options = ["--detectors=2,3", "--photometry=batch.toml", "--no-cubes", "--group=3"];
    let planned = plan(folder, &options).json();
    assert_eq!((&planned["jobs"], &planned["listed"]), (&4.into(), &10.into()), "{planned}");
    let run = do_jobs(folder, &["--shard=0/2"]);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    assert_eq!(do_jobs(folder, &["--shard=1/2"]).code, Some(0));
    assert_eq!(status(folder, &[]).code, Some(0));
    let mut rows = 0;
    for number in 0..count {
        let id = (1000 - number).to_string();
        let (ours, theirs) = (light_curve(folder, &id, "survey"), light_curve(folder, &id, "batch"));
        assert_eq!(ours.len(), theirs.len(), "{id}");
        rows += ours.len();
        for (a, b) in ours.iter().zip(&theirs) {
            for exact in ["target_id", "obs_id", "band", "mjd", "flag", "is_good"] {
                assert_eq!(a[exact], b[exact], "{id} {exact}");
            }
            for single in ["flux", "flux_error", "wavelength", "bg_level", "x", "zodi_scale", "mag_ab"] {
                let numbers = [a, b].map(|row| row[single].as_f64());
                let same = match numbers {
                    [Some(a), Some(b)] => (a - b).abs() <= 1e-6 * b.abs(),
                    [a, b] => a == b,
                };
                assert!(same, "{id} {single}: {numbers:?}");
            }
        }
    }
    assert!(rows > 5 * count, "{rows}");
    let properties = fs::read_to_string(folder.join("survey/catalog/hats.properties")).unwrap();
    assert!(properties.contains(&format!("hats_nrows={rows}\n")), "{properties}");
    spx(folder, &["lightcurve", "none", "survey"]).fails(3, &["no measurement of `none`"]);
    let spectrum = |directory: &str| {
        let run = spx(folder, &["spectrum", "-q", directory, "--source=1000"]);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        table(&run.stdout)
    };
    let (ours, theirs) = (spectrum("survey"), spectrum("batch"));
    assert_eq!((ours.len(), theirs.len()), (102, 102));
    assert!(ours.iter().any(|channel| channel["n_used"] != "0"));
    for (a, b) in ours.iter().zip(&theirs) {
        assert_eq!(a["n_used"], b["n_used"]);
        let [a, b] = [a, b].map(|channel| channel["flux"].parse::<f64>().unwrap_or(f64::NAN));
        assert!((a - b).abs() <= 1e-6 * b.abs() || a.is_nan() && b.is_nan(), "{a} {b}");
    }
    // What a killed process has left of a file goes when the file is made again.
    let parts = walkdir::WalkDir::new(folder.join("survey/catalog/dataset")).into_iter().flatten();
    let part =
        parts.map(walkdir::DirEntry::into_path).find(|p| p.extension().is_some_and(|e| e == "parquet"));
    let part = part.unwrap();
    let [name, job] = [part.file_name(), part.file_stem()].map(|name| name.unwrap().to_str().unwrap());
    let left = part.with_file_name(format!(".{name}.77-0.part"));
    fs::write(&left, "half").unwrap();
    fs::remove_file(folder.join(format!("survey/done/{job}.toml"))).unwrap();
    assert_eq!(do_jobs(folder, &[]).code, Some(0));
    assert!(part.exists() && !left.exists());
    // Made one file a cell, the store shows the same.
    let curve = |id: &str| spx(folder, &["lightcurve", id, "survey"]).stdout;
    let files = |folder: &Path| {
        let all = walkdir::WalkDir::new(folder.join("survey/catalog/dataset")).into_iter().flatten();
        all.filter(|entry| entry.path().extension().is_some_and(|end| end == "parquet")).count()
    };
    let (before, many) = ([curve("1000"), curve("995")], files(folder));
    let compact = || spx(folder, &["batch", "compact", "survey", "--json"]).json();
    let first = compact();
    assert_eq!((&first["rewritten"], &first["rows"]), (&first["cells"], &rows.into()), "{first}");
    assert_eq!(first["cells"], files(folder), "{many} files before");
    assert!(many > files(folder) && compact()["files"] == 0);
    assert_eq!([curve("1000"), curve("995")], before);
    assert_eq!(status(folder, &[]).code, Some(0));
    spx(folder, &["batch", "compact", "frames"]).fails(2, &["has no store of light curves"]);
    // Another catalog makes the parts anew.
    fs::write(
        folder.join("c.csv"),
        catalog.lines().take(3).map(|line| format!("{line}\n")).collect::<String>(),
    )
    .unwrap();
    assert_eq!(plan(folder, &options).json()["changed"], 0);
    assert_eq!(set_kept_scales(folder, 0.5), 10);
    assert_eq!(outcomes(&do_jobs(folder, &[])), BTreeMap::from([("done".to_owned(), 4)]));
    let again = light_curve(folder, "1000", "survey");
    assert!(!again.is_empty() && again.iter().all(|row| row["zodi_scale"] == 0.5), "{again:?}");
    spx(folder, &["lightcurve", "998", "survey"]).fails(3, &["no measurement of `998`"]);
}
