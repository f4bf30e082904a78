//! Light curves from tables, in every form and with little memory.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;

use proptest::prelude::*;
use spx_core::progress::Silent;

use super::*;
use crate::{ImageRecord, ImageTables};

const IDS: [&str; 9] = ["../../etc/passwd", "a/b", "CON", "con", "🚀", "00012", "12", "a,\"b\"", "x y"];

/// Tables of so many images in which every source has a row.
fn tables(directory: &Path, images: usize, ids: &[String], format: ImageTableFormat) -> Vec<PathBuf> {
    let table = |image: usize| {
        let name = format!("i{image}.fits");
        let rows: Vec<BatchRow<'_>> = ids
            .iter()
            .enumerate()
            .map(|(k, id)| BatchRow {
                target_id: id.into(),
                // Neither in the order of the images nor without ties.
                mjd: 61_000.0 + ((image * 7) % images / 2) as f64,
                obs_id: format!("o{image}").into(),
                flux: k as f64 - 1.5,
                mag_ab: f64::NAN,
                filename: name.clone().into(),
                ..BatchRow::default()
            })
            .collect();
        let tables = ImageTables::new(directory, &name);
        tables.write(rows.iter().cloned(), ImageRecord::new(&name, "1 byte", "c", "p"), format).unwrap();
        tables.best(format)
    };
    (0..images).map(table).collect()
}

/// All files below a directory with their contents.
fn tree(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(tree(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found
}

fn options(format: ImageTableFormat) -> AggregateOptions {
    AggregateOptions { buckets: 5, format, memory: 1 << 20, ..AggregateOptions::default() }
}

fn sorted(rows: &[BatchRow<'_>]) -> bool {
    rows.is_sorted_by(|a, b| (&a.target_id, a.mjd, &a.obs_id) <= (&b.target_id, b.mjd, &b.obs_id))
}

#[test]
fn every_source_has_its_own_whole_light_curve() {
    let dir = tempfile::tempdir().unwrap();
    let mut ids: Vec<String> = IDS.map(str::to_owned).into();
    ids.push("é".repeat(300));
    let tables = tables(dir.path(), 6, &ids, ImageTableFormat::Both);
    for format in [ImageTableFormat::Csv, ImageTableFormat::Parquet] {
        let out = dir.path().join(format!("{format:?}"));
        let made = aggregate(&tables, &out, &options(format), &Silent).unwrap();
        assert_eq!(made, Aggregated { rows: 60, sources: 10 });
        for (k, id) in ids.iter().enumerate() {
            let rows = light_curve(&out, id).unwrap();
            assert_eq!(rows.len(), 6, "{id}");
            assert!(sorted(&rows) && rows.iter().all(|r| r.target_id == *id && r.flux == k as f64 - 1.5));
        }
        assert!(light_curve(&out, "nobody").unwrap().is_empty());
        assert_eq!(fs::read_dir(&out).unwrap().count(), 1, "nothing hidden is left");
    }
    assert_eq!(fs::read_dir(dir.path().join("Csv/lightcurves")).unwrap().count(), 10);
    assert!(light_curve(dir.path(), "12").is_err(), "no light curves at all");
}

#[test]
fn five_thousand_consecutive_ids_give_five_thousand_files() {
    let dir = tempfile::tempdir().unwrap();
    let first = 39_633_458_707_826_492u64;
    let ids: Vec<String> = (first..first + 5000).map(|id| id.to_string()).collect();
    let tables = tables(dir.path(), 2, &ids, ImageTableFormat::Csv);
    aggregate(&tables, dir.path(), &AggregateOptions::default(), &Silent).unwrap();
    let curves = tree(&dir.path().join(LIGHT_CURVES));
    assert_eq!(curves.len(), 5000);
    for (path, text) in curves {
        let text = String::from_utf8(text).unwrap();
        let id = path.file_stem().unwrap().to_str().unwrap();
        assert_eq!(text.lines().filter(|line| line.starts_with(&format!("{id},"))).count(), 2);
    }
}

#[test]
fn one_bucket_is_opened_for_one_source() {
    let dir = tempfile::tempdir().unwrap();
    let ids = IDS.map(str::to_owned);
    let tables = tables(dir.path(), 3, &ids, ImageTableFormat::Csv);
    aggregate(&tables, dir.path(), &options(ImageTableFormat::Parquet), &Silent).unwrap();
    let data_set = dir.path().join(DATA_SET);
    assert_eq!(fs::read_dir(&data_set).unwrap().count(), 5, "empty buckets are there, too");
    let wanted = crate::bucket_of("a/b", 5);
    for bucket in (0..5).filter(|bucket| *bucket != wanted) {
        fs::write(data_file(&data_set, bucket), "spoiled").unwrap();
    }
    assert_eq!(light_curve(dir.path(), "a/b").unwrap().len(), 3);
    let spoiled = ids.iter().find(|id| crate::bucket_of(id, 5) != wanted).unwrap();
    assert!(light_curve(dir.path(), spoiled).is_err());
}

#[test]
fn the_bytes_depend_neither_on_threads_nor_on_memory_nor_on_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut ids: Vec<String> = (0..300).map(|n| format!("s{n}")).collect();
    ids.push("a source, in quotes".into());
    let mut tables = tables(dir.path(), 40, &ids, ImageTableFormat::Csv);
    let mut results = Vec::new();
    for (threads, memory) in [(1, 64 << 20), (1, 1 << 20), (3, 1 << 20)] {
        let out = dir.path().join("out");
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        // One bucket of some megabytes: with little memory it is sorted in pieces.
        let options = AggregateOptions {
            buckets: 1,
            keep_buckets: true,
            format: ImageTableFormat::Both,
            memory,
            ..AggregateOptions::default()
        };
        pool.install(|| aggregate(&tables, &out, &options, &Silent)).unwrap();
        results.push(tree(&out));
        fs::remove_dir_all(&out).unwrap();
        tables.reverse();
    }
    assert_eq!(results[0].len(), 301 + 1 + 1);
    assert!(results[0].values().map(Vec::len).max() > Some(1 << 20));
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn a_new_run_replaces_an_old_one_and_leaves_what_is_not_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let ids = IDS.map(str::to_owned);
    let old = tables(dir.path(), 2, &ids, ImageTableFormat::Csv);
    let out = dir.path().join("out");
    aggregate(&old, &out, &options(ImageTableFormat::Both), &Silent).unwrap();
    fs::write(out.join("lightcurves/notes.txt"), "mine").unwrap();
    fs::write(out.join("lightcurves/mine.csv"), "a,b\n").unwrap();
    let new = tables(&dir.path().join("out"), 3, &ids[..4], ImageTableFormat::Csv);
    let few = AggregateOptions { buckets: 2, ..options(ImageTableFormat::Both) };
    aggregate(&new, &out, &few, &Silent).unwrap();
    assert_eq!(fs::read_dir(out.join(LIGHT_CURVES)).unwrap().count(), 4 + 2);
    assert_eq!(fs::read_dir(out.join(DATA_SET)).unwrap().count(), 2);
    assert_eq!(light_curve(&out, IDS[0]).unwrap().len(), 3);
    aggregate(&new, &out, &options(ImageTableFormat::Csv), &Silent).unwrap();
    assert!(!out.join(DATA_SET).exists(), "what would be out of date is removed");
}

#[test]
fn a_run_that_fails_leaves_the_light_curves_as_they_were() {
    struct After(AtomicUsize);
    impl Progress for After {
        fn cancelled(&self) -> bool {
            self.0.fetch_add(1, Ordering::Relaxed) > 5
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let mut tables = tables(dir.path(), 3, &IDS.map(str::to_owned), ImageTableFormat::Csv);
    let out = dir.path().join("out");
    aggregate(&tables, &out, &options(ImageTableFormat::Both), &Silent).unwrap();
    let before = tree(&out);
    let cancelled = aggregate(&tables, &out, &options(ImageTableFormat::Both), &After(AtomicUsize::new(0)));
    assert!(matches!(cancelled, Err(BatchError::Cancelled)));
    for text in ["", "a,b\n1,2\n", &format!("{}\n1,2", row::header()), &format!("{}\n1,2\n", row::header())] {
        let bad = dir.path().join("bad.csv");
        fs::write(&bad, text).unwrap();
        tables.push(bad);
        let result = aggregate(&tables, &out, &options(ImageTableFormat::Both), &Silent);
        assert_eq!(result.is_ok(), text.is_empty(), "{text}: {result:?}");
        tables.pop();
        assert_eq!(tree(&out).keys().count(), before.len());
    }
    assert!(tree(&out) == before);
    assert!(
        aggregate(&tables, &out, &AggregateOptions { buckets: 0, ..Default::default() }, &Silent).is_err()
    );
}

proptest! {
    #[test]
    fn integers_sort_as_their_numbers_do(a in prop::num::f64::ANY, b in prop::num::f64::ANY) {
        let [x, y] = [a, b].map(super::sort::ascending);
        prop_assert_eq!(x.cmp(&y), a.total_cmp(&b));
    }
}
