//! TAP.

use spx_sim::serve::ServeOptions;

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
