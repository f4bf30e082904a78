//! Files, ranges and cutouts.

use spx_core::fits::FitsReader;
use spx_core::image::PixelPlanes;
use spx_core::mef::MefFile;
use spx_serve::ServeOptions;
use spx_sim::{FrameExtent, SimulatedRelease};
use spx_wcs::CelestialWcs;

use crate::client::{get, request};
use crate::fixture::{around, center, plan, serve, small, write};

#[test]
fn files_arrive_whole_and_in_parts() {
    let dir = small();
    let archive = serve(dir.path(), ServeOptions::default());
    let path = plan(2)[1].archive_path(SimulatedRelease::Qr2);
    let original = std::fs::read(dir.path().join(&path)).unwrap();
    for target in [format!("/ibe/data/spherex/{path}"), format!("/cloud/{path}")] {
        let whole = get(&archive.url(), &target);
        assert_eq!((whole.status, whole.body == original), (200, true));
        let part = request(&archive.url(), "GET", &target, &[("Range", "bytes=1000-1999")], "");
        assert_eq!((part.status, &part.body[..]), (206, &original[1000..2000]));
        assert_eq!(part.header("content-range"), format!("bytes 1000-1999/{}", original.len()));
        let rest = format!("bytes={}-", original.len() - 7);
        let (tag, old) = (whole.header("etag").to_owned(), "\"old\"");
        let rest = |tag| request(&archive.url(), "GET", &target, &[("Range", &rest), ("If-Range", tag)], "");
        assert_eq!((rest(&tag).status, rest(&tag).body.len()), (206, 7));
        assert_eq!((rest(old).status, rest(old).body.len()), (200, original.len()));
        let beyond = format!("bytes={}-", original.len());
        let beyond = request(&archive.url(), "GET", &target, &[("Range", &beyond)], "");
        assert_eq!((beyond.status, beyond.body.len()), (416, 0));
        assert_eq!(beyond.header("content-range"), format!("bytes */{}", original.len()));
        let head = request(&archive.url(), "HEAD", &target, &[], "");
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert_eq!(head.header("content-length"), original.len().to_string());
    }
}

#[test]
fn nothing_else_can_be_reached() {
    let dir = small();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret.fits"), "SIMPLE").unwrap();
    std::fs::write(dir.path().join("notes.txt"), "secret").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(outside.path(), dir.path().join("qr2/link")).unwrap();
    let archive = serve(dir.path(), ServeOptions::default());
    let name = outside.path().file_name().unwrap().to_str().unwrap();
    for path in [
        format!("../{name}/secret.fits"),
        format!("%2e%2e/{name}/secret.fits"),
        format!("qr2/..%2f..%2f{name}%2fsecret.fits"),
        format!("/{}/secret.fits", outside.path().display()),
        "qr2/link/secret.fits".into(),
        "notes.txt".into(),
        String::new(),
        "%00".into(),
    ] {
        for base in ["/ibe/data/spherex/", "/cloud/"] {
            let answer = get(&archive.url(), &format!("{base}{path}"));
            assert!([400, 404].contains(&answer.status), "{base}{path}: {}", answer.status);
        }
    }
}

fn planes(path: &std::path::Path) -> (MefFile, PixelPlanes) {
    let file = MefFile::open(path).unwrap();
    let [ny, _] = file.metadata().shape;
    let planes = MefFile::open(path).unwrap().read(0..ny, PixelPlanes::default()).unwrap().planes;
    (file, planes)
}

#[test]
fn a_cutout_is_a_part_of_its_parent() {
    for release in [SimulatedRelease::Qr2, SimulatedRelease::Qr3] {
        let dir = tempfile::tempdir().unwrap();
        let pointing = &plan(2)[1];
        let parent = write(dir.path(), pointing, release, FrameExtent::Full, false);
        let archive = serve(dir.path(), ServeOptions::default());
        let path = pointing.archive_path(release);
        let target = format!(
            "/ibe/data/spherex/{path}?center={},{}deg&size=60,40px&gzip=false",
            center().ra(),
            center().dec()
        );
        let answer = get(&archive.url(), &target);
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        let cutout = dir.path().join("cutout.bin");
        std::fs::write(&cutout, &answer.body).unwrap();
        let ((whole, all), (part, some)) = (planes(&parent), planes(&cutout));
        assert_eq!(part.metadata().shape, [40, 60]);
        let [x0, y0] = part.metadata().parent_offset().unwrap();
        let sky = CelestialWcs::from_header(&part.metadata().header).unwrap();
        let parent_sky = CelestialWcs::from_header(&whole.metadata().header).unwrap();
        let [x, y] = sky.sky_to_pixel(center()).unwrap();
        assert!((x - 29.5).abs() <= 0.5 && (y - 19.5).abs() <= 0.5, "{x} {y}");
        assert_eq!(sky.pixel_to_sky(3.0, 7.0), parent_sky.pixel_to_sky(3.0 + x0, 7.0 + y0));
        let first = (0..2040 * 2040_usize).find(|&k| [(k % 2040) as f64, (k / 2040) as f64] == [x0, y0]);
        for j in 0..40 {
            for i in 0..60 {
                let (k, parent) = (j * 60 + i, first.unwrap() + j * 2040 + i);
                assert_eq!(some.image[k].to_bits(), all.image[parent].to_bits());
                assert_eq!(some.variance[k].to_bits(), all.variance[parent].to_bits());
                assert_eq!(some.zodi[k].to_bits(), all.zodi[parent].to_bits());
                assert_eq!(some.flags[k], all.flags[parent]);
            }
        }
        headers_differ_in_few_cards(&parent, &cutout, [x0, y0]);
    }
}

/// Every HDU is there, and only NAXIS and CRPIX have changed.
fn headers_differ_in_few_cards(parent: &std::path::Path, cutout: &std::path::Path, offset: [f64; 2]) {
    let (mut parent, mut cutout) = (FitsReader::open(parent).unwrap(), FitsReader::open(cutout).unwrap());
    assert_eq!(parent.hdu_names().unwrap(), cutout.hdu_names().unwrap());
    for hdu in 0..parent.hdu_count().unwrap() {
        parent.move_to_index(hdu).unwrap();
        cutout.move_to_index(hdu).unwrap();
        let (before, after) = (parent.header().unwrap(), cutout.header().unwrap());
        let names =
            |h: &spx_core::header::Header| h.cards().iter().map(|c| c.keyword.clone()).collect::<Vec<_>>();
        assert_eq!(names(&before), names(&after), "HDU {hdu}");
        for (old, new) in before.cards().iter().zip(after.cards()) {
            assert_eq!((&old.keyword, &old.comment), (&new.keyword, &new.comment));
            if old == new {
                continue;
            }
            assert!((1..=4).contains(&hdu), "{old:?}");
            match old.keyword.strip_prefix("CRPIX") {
                Some(axis) => {
                    let moved = before.real(&old.keyword).unwrap() - after.real(&old.keyword).unwrap();
                    assert_eq!(moved, offset[usize::from(axis.starts_with('2'))], "{old:?}");
                    assert!(matches!(new.value, Some(spx_core::header::CardValue::Real(_))));
                }
                None => assert!(["NAXIS1", "NAXIS2"].contains(&old.keyword.as_str()), "{old:?} {new:?}"),
            }
        }
    }
}

#[test]
fn cutouts_in_all_units() {
    let dir = tempfile::tempdir().unwrap();
    let pointing = &plan(2)[1];
    write(dir.path(), pointing, SimulatedRelease::Qr2, around(300), false);
    let archive = serve(dir.path(), ServeOptions::default());
    let path = format!("/ibe/data/spherex/{}", pointing.archive_path(SimulatedRelease::Qr2));
    let shape = |query: &str| {
        let answer = get(&archive.url(), &format!("{path}?{query}"));
        assert_eq!(answer.status, 200, "{query}: {}", String::from_utf8_lossy(&answer.body));
        let file = dir.path().join("cutout.bin");
        std::fs::write(&file, &answer.body).unwrap();
        MefFile::open(&file).unwrap().metadata().shape
    };
    let at = format!("center={},{}", center().ra(), center().dec());
    let rad = format!("center={},{}rad", center().ra().to_radians(), center().dec().to_radians());
    assert_eq!(shape(&format!("{at}&size=0.2")), [117, 117], "as the archive's own example");
    assert_eq!(shape(&format!("{at}deg&size=12arcmin")), [117, 117]);
    assert_eq!(shape(&format!("{at}&size=720arcsec&gzip=false")), [117, 117]);
    assert_eq!(shape(&format!("{rad}&size=0.00349066,0.00172rad")), [58, 117]);
    assert_eq!(shape("center=150.5,150.5px&size=20pix"), [20, 20]);
    assert_eq!(shape("center=1,300pixels&size=20px"), [10, 11], "clipped");
    assert_eq!(shape(&format!("{at}&size=5000px")), [300, 300]);
    for bad in
        ["center=-500,5px&size=20px", "center=1,1&size=0.1", "center=5,95&size=1", "center=5,5", "size=1"]
    {
        assert_eq!(get(&archive.url(), &format!("{path}?{bad}")).status, 400, "{bad}");
    }
    assert_eq!(get(&archive.url(), &format!("{path}x?{at}&size=1")).status, 404);
    let ranged =
        request(&archive.url(), "GET", &format!("{path}?{at}&size=9px"), &[("Range", "bytes=0-9")], "");
    assert_eq!((ranged.status, ranged.header("content-type")), (200, "application/gzip"));
    assert!(ranged.body.len() > 10 && ranged.body.starts_with(&[0x1f, 0x8b]));
}

#[test]
fn a_gzipped_parent_gives_the_same_cutouts() {
    for release in [SimulatedRelease::Qr2, SimulatedRelease::Qr3] {
        let (plain, zipped) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let pointing = &plan(2)[1];
        let parent = write(plain.path(), pointing, release, around(120), false);
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, &std::fs::read(&parent).unwrap()).unwrap();
        let name = format!("{}.gz", pointing.file_name(release));
        std::fs::write(zipped.path().join(name), encoder.finish().unwrap()).unwrap();
        let cut = |dir: &std::path::Path, end: &str| {
            let archive = serve(dir, ServeOptions::default());
            let path = format!("{}{end}", pointing.archive_path(release));
            let answer =
                get(&archive.url(), &format!("/ibe/data/spherex/{path}?center=60,60px&size=30px&gzip=false"));
            assert_eq!(answer.status, 200, "{path}");
            answer.body
        };
        assert!(cut(plain.path(), "") == cut(zipped.path(), ".gz"), "{release:?}");
    }
}
