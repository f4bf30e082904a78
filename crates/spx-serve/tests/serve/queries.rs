//! TAP.

use spx_serve::ServeOptions;

use crate::client::{encode, get, request};
use crate::fixture::{serve, small};

const JOIN: &str = "SELECT a.uri, p.obs_publisher_did, p.time_bounds_lower, p.time_bounds_upper, \
    p.energy_bandpassname, p.energy_bounds_lower, p.energy_bounds_upper \
    FROM spherex.artifact a JOIN spherex.plane p ON a.planeid = p.planeid \
    WHERE CONTAINS(POINT('ICRS', 186.4536, 33.5468), p.poly) = 1 ORDER BY p.time_bounds_lower";

fn csv(url: &str, query: &str) -> Vec<Vec<String>> {
    let target = format!("/TAP/sync?REQUEST=doQuery&LANG=ADQL&FORMAT=csv&QUERY={}", encode(query));
    let answer = get(url, &target);
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    answer.text().lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

#[test]
fn the_archives_own_query() {
    let dir = small();
    let archive = serve(dir.path(), ServeOptions::default());
    assert_eq!(archive.images(), 4);
    let rows = csv(&archive.url(), JOIN);
    assert_eq!(rows.len(), 5);
    assert_eq!(rows[0][0], "uri");
    assert!(rows[1][0].starts_with("ibe/data/spherex/qr2/level2/2025W51_1A/l2b-v21-2025-354/"), "{rows:?}");
    assert!(rows[1][1].starts_with("ivo://irsa.ipac/spherex_qr2?2025W51_1A_0000_1/D"));
    assert!(rows.iter().skip(1).all(|row| get(&archive.url(), &format!("/{}", row[0])).status == 200));
    let form = format!("LANG=ADQL&QUERY={}&RESPONSEFORMAT=votable%2Fb2", encode(JOIN));
    let answer = request(&archive.url(), "POST", "/TAP/sync", &[], &form);
    assert_eq!(answer.header("content-type"), "application/x-votable+xml;serialization=BINARY2");
    assert!(answer.text().contains("<BINARY2><STREAM encoding=\"base64\">"));
}

#[test]
fn regions_select_as_on_the_sky() {
    let dir = small();
    let archive = serve(dir.path(), ServeOptions::default());
    // Frames of 100 px are 10 arcmin wide and centered on the field.
    let count = |condition: &str| {
        csv(&archive.url(), &format!("SELECT COUNT(*) FROM spherex.plane p WHERE {condition}"))[1][0].clone()
    };
    let near = "ICRS', 186.4536, 33.64";
    assert_eq!(count(&format!("CONTAINS(POINT('{near}), p.poly) = 1")), "2", "rolled frames: two reach it");
    assert_eq!(count("INTERSECTS(p.poly, CIRCLE('ICRS', 186.4536, 33.5468, 0.001)) = 1"), "4");
    assert_eq!(count("CONTAINS(CIRCLE('ICRS', 186.4536, 33.5468, 0.08), p.poly) = 1"), "4");
    assert_eq!(count("CONTAINS(CIRCLE('ICRS', 186.4536, 33.5468, 0.09), p.poly) = 1"), "0");
    assert_eq!(count("CONTAINS(p.poly, CIRCLE('ICRS', 186.4536, 33.5468, 0.13)) = 1"), "4");
    assert_eq!(count("INTERSECTS(POLYGON('ICRS', 186, 33, 187, 33, 187, 34, 186, 34), p.poly) = 1"), "4");
    assert_eq!(count("INTERSECTS(p.poly, CIRCLE('ICRS', 6.4536, -33.5468, 10)) = 1"), "0", "the antipodes");
    let obscore = "SELECT COUNT(*) FROM ivoa.obscore WHERE CONTAINS(POINT(186.4536, 33.5468), s_region) = 1";
    assert_eq!(csv(&archive.url(), obscore)[1][0], "4");
}

#[test]
fn overflow_and_errors_are_told() {
    let dir = small();
    let archive = serve(dir.path(), ServeOptions::default());
    let ask = |rest: &str| get(&archive.url(), &format!("/TAP/sync?LANG=ADQL&{rest}"));
    let all = format!("QUERY={}", encode("SELECT uri FROM spherex.artifact"));
    let answer = ask(&format!("{all}&MAXREC=3"));
    assert!(answer.text().contains("<INFO name=\"QUERY_STATUS\" value=\"OVERFLOW\"/>"));
    assert_eq!(answer.text().matches("<TR>").count(), 3);
    assert!(!ask(&format!("{all}&MAXREC=4")).text().contains("OVERFLOW"));
    assert!(ask(&format!("{all}&MAXREC=0")).text().contains("OVERFLOW"));
    for wrong in [
        "QUERY=SELECT",
        "",
        &format!("{all}&FORMAT=xlsx"),
        &format!("{all}&MAXREC=x"),
        &format!("{all}&REQUEST=doNothing"),
        &format!("{all}&UPLOAD=x"),
    ] {
        let answer = ask(wrong);
        assert_eq!(answer.status, 400, "{wrong}");
        assert!(answer.text().contains("<INFO name=\"QUERY_STATUS\" value=\"ERROR\">"), "{wrong}");
    }
    assert_eq!(get(&archive.url(), &format!("/TAP/sync?LANG=SQL&{all}")).status, 400);
    let lenient = serve(dir.path(), ServeOptions { errors_with_200: true, ..ServeOptions::default() });
    assert_eq!(get(&lenient.url(), "/TAP/sync?LANG=ADQL&QUERY=SELECT").status, 200);
}

#[test]
fn the_schema_describes_all_tables() {
    let dir = small();
    let archive = serve(dir.path(), ServeOptions::default());
    for row in &csv(&archive.url(), "SELECT table_name, schema_name FROM TAP_SCHEMA.tables")[1..] {
        let table = &row[0];
        let header = csv(&archive.url(), &format!("SELECT * FROM {table}")).swap_remove(0);
        let described = format!("SELECT column_name FROM TAP_SCHEMA.columns WHERE table_name = '{table}'");
        let described: Vec<String> = csv(&archive.url(), &described).drain(1..).flatten().collect();
        assert_eq!(header, described, "{table}");
        let vosi = get(&archive.url(), &format!("/TAP/tables/{table}")).text();
        assert!(described.iter().all(|name| vosi.contains(&format!("<column><name>{name}</name>"))));
    }
}

#[test]
fn tables_of_sources_come_from_files() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gaia.csv");
    let rows =
        "source_id,ra,dec,pmra,name\n4611686018427387904,10.0,20.0,1.5,a\n7,10.3,20.0,,\n8,10.0,20.2,-3,c\n";
    std::fs::write(&file, rows).unwrap();
    let tables = vec![("gaia_dr3_source".to_owned(), file.clone())];
    let archive = serve(dir.path(), ServeOptions { tables, ..ServeOptions::default() });
    let query = "SELECT source_id, pmra, name FROM gaia_dr3_source WHERE \
                 CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', 10.1, 20, 0.21)) = 1";
    assert_eq!(csv(&archive.url(), query)[1..], [["4611686018427387904", "1.5", "a"], ["7", "", ""]]);
    let columns = "SELECT column_name, datatype FROM TAP_SCHEMA.columns WHERE table_name = 'gaia_dr3_source'";
    let found = csv(&archive.url(), columns);
    let types =
        [["source_id", "long"], ["ra", "double"], ["dec", "double"], ["pmra", "double"], ["name", "char"]];
    assert_eq!(found[1..], types);
    for (name, text, problem) in
        [("a b", rows, "letters, digits"), ("x", "a,b\n1\n", "found record with 1 field")]
    {
        std::fs::write(&file, text).unwrap();
        let tables = vec![(name.to_owned(), file.clone())];
        let error =
            spx_serve::LocalArchive::start(dir.path(), ServeOptions { tables, ..ServeOptions::default() });
        assert!(error.err().unwrap().to_string().contains(problem));
    }
}
