//! Searches and links, against a server that answers as the archive does, well and badly.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests panic and print")]

mod support;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use spx_archive::{
    ArchiveError, Coverage, LinkCache, SearchCircle, SearchResult, SearchService, SearchShape, Selection,
};
use spx_core::elementary::atan;
use spx_core::progress::{Progress, Silent};
use spx_core::sky::{Position, Rectangle};
use support::{Reply, Request, Server, options};

fn golden(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/votable").join(name);
    fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn at(ra: f64, dec: f64) -> Position {
    Position::new(ra, dec).unwrap()
}

fn selection() -> Selection {
    Selection::new(SearchShape::Point(at(304.69, 42.44)))
}

fn search(server: &Server) -> Result<SearchResult, ArchiveError> {
    server.client().search(&selection(), &Silent)
}

/// A VOTable that tells of an error.
fn refusal(message: &str) -> String {
    format!(
        "<VOTABLE><RESOURCE type='results'><INFO name='QUERY_STATUS' value='ERROR'>{message}</INFO></RESOURCE></VOTABLE>"
    )
}

/// A table of one row as TAP answers, with other values in some columns.
fn row(uri: &str, did: &str, band: &str) -> String {
    let columns = [
        ("uri", "char' arraysize='*", uri),
        ("obs_publisher_did", "char' arraysize='*", did),
        ("time_bounds_lower", "double", "61025.5"),
        ("time_bounds_upper", "double", "61025.6"),
        ("energy_bandpassname", "char' arraysize='*", band),
        ("energy_bounds_lower", "double", "1.6e-6"),
        ("energy_bounds_upper", "double", "2.4e-6"),
    ];
    let fields: String =
        columns.iter().map(|(n, t, _)| format!("<FIELD name='{n}' datatype='{t}'/>")).collect();
    let cells: String = columns.iter().map(|(_, _, v)| format!("<TD>{v}</TD>")).collect();
    format!(
        "<VOTABLE><RESOURCE type='results'><TABLE>{fields}<DATA><TABLEDATA><TR>{cells}</TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"
    )
}

#[test]
fn answers_of_every_kind_become_observations() {
    for file in ["answer_tabledata.xml", "answer_binary2.xml"] {
        let server = Server::start(move |r| {
            assert_eq!(r.target, "/TAP/sync");
            assert!(r.body.contains("LANG=ADQL&QUERY=SELECT+a.uri"), "{}", r.body);
            assert!(r.body.contains("POINT%28%27ICRS%27%2C+304.69%2C+42.44%29"), "{}", r.body);
            Reply::ok(golden(file))
        });
        let found = search(&server).unwrap();
        assert_eq!(found.service, SearchService::TapSync);
        let listed: Vec<_> = found
            .observations
            .iter()
            .map(|o| format!("{} {} {}", o.obs_id, o.detector, o.processing.unwrap()))
            .collect();
        assert_eq!(
            listed,
            ["2025W51_1A_0684_2 D3 l2b-v22-2026-010", "2025W51_1A_0684_2 D4 l2b-v21-2025-354"]
        );
        let first = &found.observations[0];
        assert!(
            (first.wavelength_min - 1.6301).abs() < 1e-12 && (first.wavelength_max - 2.4346).abs() < 1e-12
        );
        assert!((first.mjd() - 61025.5 - 113.58 / 86400.0 / 2.0).abs() < 1e-9);
        assert_eq!(found.superseded.len(), 1);
        assert!(found.superseded[0].file_name().contains("v21-2025-354"));
        assert!(found.rejected.is_empty());
        assert_eq!(server.log().len(), 1);
    }
}

#[test]
fn the_selection_is_applied_to_what_is_found() {
    let server = Server::start(|_| Reply::ok(golden("answer_tabledata.xml")));
    let client = server.client();
    let mut wanted = selection();
    wanted.bands = vec!["D4".parse().unwrap()];
    assert_eq!(client.search(&wanted, &Silent).unwrap().observations.len(), 1);
    wanted.mjd_range = Some("61025.501,61026".parse().unwrap());
    assert!(client.search(&wanted, &Silent).unwrap().observations.is_empty());
    let mut few = selection();
    few.max_images = Some(1);
    let error = client.search(&few, &Silent).unwrap_err();
    assert!(matches!(error, ArchiveError::TooMany { found: 2, limit: 1 }), "{error}");
    few.max_images = Some(2);
    assert!(client.search(&few, &Silent).is_ok(), "older processings do not count");
    few.release = "qr3".parse().unwrap();
    assert!(client.search(&few, &Silent).unwrap().observations.is_empty());
}

#[test]
fn errors_are_errors_whatever_the_status() {
    for status in [200, 400, 500] {
        let server =
            Server::start(move |_| Reply::Good(status, vec![], refusal("no such table &amp; more").into()));
        let error = search(&server).unwrap_err().to_string();
        assert!(error.contains("no such table & more") && error.contains("/TAP/sync"), "{status}: {error}");
        // Only a server's own failure is worth another try.
        assert_eq!(server.log().len(), if status == 500 { 5 } else { 1 }, "{status}");
    }
    let plain = Server::start(|_| Reply::Good(400, vec![], "Unknown column `q`".into()));
    assert!(search(&plain).unwrap_err().to_string().contains("400: Unknown column `q`"));
}

#[test]
fn what_may_pass_is_asked_again() {
    let answers: [fn() -> Reply; 4] = [
        || Reply::ok("<!DOCTYPE html><html><body>One moment</body></html>"),
        || Reply::status(503),
        || Reply::ok(&golden("answer_tabledata.xml")[..1500]),
        || {
            Reply::Raw(
                "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n".into(),
                b"<VOTABLE>".to_vec(),
                Duration::ZERO,
            )
        },
    ];
    let server = Server::start(move |r| {
        answers.get(r.time - 1).map_or_else(|| Reply::ok(golden("answer_tabledata.xml")), |a| a())
    });
    assert_eq!(search(&server).unwrap().observations.len(), 2);
    let never = Server::start(|_| Reply::ok("<html>nothing</html>"));
    assert!(search(&never).unwrap_err().to_string().contains("it begins with <html>"));
}

/// A server whose jobs go through these phases; the last one stays.
fn jobs(phases: &'static [&'static str], sync: impl Fn() -> Reply + Send + Sync + 'static) -> Server {
    Server::start(move |r| match (r.method.as_str(), r.target.as_str()) {
        (_, "/TAP/sync") => sync(),
        ("POST", "/TAP/async") => {
            assert!(r.body.contains("QUERY=SELECT"), "{}", r.body);
            Reply::Good(303, vec![("Location", format!("/TAP/async/job{}", r.time))], vec![])
        }
        ("POST", target) if target.ends_with("/phase") => {
            assert_eq!(r.body, "PHASE=RUN");
            Reply::Good(303, vec![("Location", target.trim_end_matches("/phase").to_owned())], vec![])
        }
        ("DELETE", _) => Reply::ok(""),
        (_, target) if target.ends_with("/phase") => Reply::ok(phases[(r.time - 1).min(phases.len() - 1)]),
        (_, target) if target.ends_with("/results/result") => {
            Reply::Good(303, vec![("Location", "/results/1.xml".into())], vec![])
        }
        (_, "/results/1.xml") => Reply::ok(golden("answer_binary2.xml")),
        (_, target) if target.ends_with("/error") => Reply::ok(refusal("disk full")),
        _ => Reply::ok("<uws:job/>"),
    })
}

#[test]
fn jobs_do_what_cannot_be_done_at_once() {
    let reasons: [fn() -> Reply; 6] = [
        || Reply::status(413),
        || Reply::status(504),
        || Reply::ok(golden("answer_binary.xml")), // an overflow
        || Reply::Good(400, vec![], refusal("Use async for this").into()),
        || Reply::ok(refusal("query timed out")),
        || Reply::Raw(String::new(), vec![], Duration::from_secs(3)),
    ];
    for reason in reasons {
        let server = jobs(&["PENDING", "QUEUED", "EXECUTING", "COMPLETED"], reason);
        let found = search(&server).unwrap();
        assert_eq!((found.service, found.observations.len()), (SearchService::TapAsync, 2));
        let log = server.log();
        assert_eq!(log.iter().filter(|l| *l == "POST /TAP/sync").count(), 1, "{log:?}");
        assert_eq!(log.last().unwrap(), "DELETE /TAP/async/job1", "{log:?}");
    }
}

#[test]
fn jobs_that_fail_say_why() {
    let failed = jobs(&["EXECUTING", "ERROR"], || Reply::status(413));
    let error = search(&failed).unwrap_err().to_string();
    assert!(error.contains("/TAP/async/job1 ended as ERROR: disk full"), "{error}");
    assert_eq!(failed.log().last().unwrap(), "DELETE /TAP/async/job1");
    let start = Instant::now();
    let slow = jobs(&["EXECUTING"], || Reply::status(413));
    let error = search(&slow).unwrap_err();
    assert!(matches!(error, ArchiveError::JobDeadline { .. }), "{error}");
    assert!(start.elapsed() < Duration::from_secs(6));
    assert_eq!(slow.log().last().unwrap(), "DELETE /TAP/async/job1");
    let odd = jobs(&["<html>", "EXECUTING", "COMPLETED"], || Reply::status(413));
    assert!(search(&odd).is_ok());
}

#[test]
fn forgotten_jobs_are_made_again() {
    let forgets = |r: &Request| r.target.starts_with("/TAP/async/job1");
    let inner = move |r: &Request| match r.target.as_str() {
        "/TAP/sync" => Reply::status(413),
        "/TAP/async" => Reply::Good(303, vec![("Location", format!("/TAP/async/job{}", r.time))], vec![]),
        _ if forgets(r) => Reply::status(404),
        target if target.ends_with("/phase") => Reply::ok("COMPLETED"),
        target if target.ends_with("/result") => Reply::ok(golden("answer_binary2.xml")),
        _ => Reply::ok(""),
    };
    assert_eq!(search(&Server::start(inner)).unwrap().observations.len(), 2);
    let elsewhere = Server::start(|r| match r.target.as_str() {
        "/TAP/async" => Reply::Good(303, vec![("Location", "/somewhere".into())], vec![]),
        "/TAP/sync" => Reply::status(413),
        _ => Reply::ok(""),
    });
    assert!(search(&elsewhere).unwrap_err().to_string().contains("did not say where the job is"));
}

#[test]
fn an_overflow_that_stays_is_an_error() {
    let server = Server::start(|r| match r.target.as_str() {
        "/TAP/async" => Reply::Good(303, vec![("Location", "/TAP/async/1".into())], vec![]),
        t if t.ends_with("/phase") => Reply::ok("COMPLETED"),
        _ => Reply::ok(golden("answer_binary.xml")),
    });
    let error = search(&server).unwrap_err();
    assert!(matches!(error, ArchiveError::Overflow { rows: 3, .. }), "{error}");
}

#[test]
fn hostile_rows_are_refused_by_name() {
    let did = "ivo://irsa.ipac/spherex_qr2?2025W51_1A_0684_2/D3";
    let good = "ibe/data/spherex/qr2/level2/level2_2025W51_1A_0684_2D3_spx_l2b-v21-2025-354.fits";
    for (uri, did, band, words) in [
        (
            "ibe/data/spherex/../../../../etc/cron.d/x.fits",
            did,
            "SPHEREx-D3",
            "\"ibe/data/spherex/../../../../etc/cron.d/x.fits\", which is refused",
        ),
        ("/etc/passwd", did, "SPHEREx-D3", "not below ibe/data/spherex/"),
        (good, "ivo://x?../../x/D3", "SPHEREx-D3", "observation id \"../../x\" is refused"),
        (good, "ivo://x?2025W51_1A_0685_2/D3", "SPHEREx-D3", "is listed as observation 2025W51_1A_0685_2 D3"),
        (good, did, "SPHEREx-D4", "is listed as observation 2025W51_1A_0684_2 D4"),
        (good, did, "SPHEREx-D7", "band \"SPHEREx-D7\" is not one of"),
    ] {
        let table = row(uri, did, band);
        let server = Server::start(move |_| Reply::ok(table.clone()));
        let found = search(&server).unwrap();
        assert_eq!((found.observations.len(), found.rejected.len()), (0, 1));
        assert!(found.rejected[0].cause.contains(words), "{}", found.rejected[0].cause);
    }
    let table = row(good, did, "SPHEREx-D3");
    assert_eq!(search(&Server::start(move |_| Reply::ok(table.clone()))).unwrap().observations.len(), 1);
}

#[test]
fn columns_that_are_missing_are_named() {
    let server = Server::start(|_| Reply::ok(String::from_utf8(golden("tabledata.xml")).unwrap()));
    assert!(search(&server).unwrap_err().to_string().contains("the table has no column uri"));
}

/// Rows that IRSA gave: two releases, sizes in kB, columns that nobody needs.
#[test]
fn real_rows_of_sia_are_all_found() {
    let server = Server::start(|_| Reply::ok(golden("sia2_m31_real_rows.xml")));
    let client = server.client();
    let mut wanted = Selection::new(SearchShape::Point(at(10.6847, 41.2688)));
    let found = client.search_sia(&wanted, &Silent).unwrap();
    assert!(found.rejected.is_empty() && found.superseded.is_empty(), "{found:?}");
    let listed: Vec<String> =
        found.observations.iter().map(|o| format!("{} {} {}", o.obs_id, o.detector, o.identity())).collect();
    assert_eq!(
        listed,
        [
            "2025W51_1A_0684_2 D3 qr2 l2b-v21-2025-354",
            "2025W51_2A_0258_2 D6 qr2 l2b-v21-2025-357",
            "2026W30_1B_0051_1 D6 qr3 l2b-v27-2026-222",
        ]
    );
    assert_eq!(found.observations[2].size, Some(65_912_000));
    let collections = found.observations.iter().map(|o| o.collection.as_deref());
    assert!(collections.eq([Some("spherex_qr2"), Some("spherex_qr2"), Some("spherex_qr3")]));
    for (release, count) in [("qr2", 2), ("qr3", 1), ("dr1", 0), ("any", 3)] {
        wanted.release = release.parse().unwrap();
        assert_eq!(client.search_sia(&wanted, &Silent).unwrap().observations.len(), count, "{release}");
    }
}

/// Rows of deep fields that come once as wide and once as deep.
#[test]
fn doubled_rows_are_one_observation() {
    let once = String::from_utf8(golden("answer_tabledata.xml")).unwrap();
    let (start, end) = (once.find("<TR>").unwrap(), once.rfind("</TR>").unwrap() + 5);
    let twice = format!("{}{}{}", &once[..end], &once[start..end], &once[end..]);
    let count = |text: String| {
        let found = search(&Server::start(move |_| Reply::ok(text.clone()))).unwrap();
        (found.observations.len(), found.superseded.len())
    };
    assert_eq!(count(twice), count(once));
}

#[test]
fn sia_is_the_second_way() {
    let table = row(
        "https://elsewhere.org/ibe/data/spherex/qr2/level2/level2_2025W51_1A_0684_2D3_spx_l2b-v21-2025-354.fits",
        "ivo://irsa.ipac/spherex_qr2?2025W51_1A_0684_2/D3",
        "SPHEREx-D3",
    );
    let table = [
        ("uri", "access_url"),
        ("time_bounds_lower", "t_min"),
        ("time_bounds_upper", "t_max"),
        ("energy_bounds_lower", "em_min"),
        ("energy_bounds_upper", "em_max"),
    ]
    .iter()
    .fold(table, |t, (tap, sia)| t.replace(&format!("'{tap}'"), &format!("'{sia}'")));
    let server = Server::start(move |_| Reply::ok(table.clone()));
    let client = server.client();
    let mut wanted =
        Selection::new(SearchShape::Circle(SearchCircle::new(at(10.0, -5.0), 0.5).unwrap(), Coverage::Any));
    wanted.mjd_range = Some("61000,61100".parse().unwrap());
    let found = client.search_sia(&wanted, &Silent).unwrap();
    assert_eq!((found.service, found.observations.len()), (SearchService::Sia, 1));
    assert_eq!(found.observations[0].uri.release(), "qr2");
    let collections = ["qr2", "qr2_deep", "qr3", "qr3_deep", "dr1", "dr1_deep"];
    let collections = collections.map(|name| format!("COLLECTION=spherex_{name}")).join("&");
    let expected =
        format!("GET /SIA?{collections}&POS=circle+10+-5+0.5&TIME=61000+61100&RESPONSEFORMAT=votable");
    assert_eq!(server.log()[0], expected);
    wanted.shape = SearchShape::Rectangle(Rectangle::new(at(0.0, 0.0), 60.0, 80.0).unwrap());
    client.search_sia(&wanted, &Silent).unwrap();
    let asked = server.log()[1].clone();
    let radius: f64 = asked.split("circle+0+0+").nth(1).unwrap().split('&').next().unwrap().parse().unwrap();
    let diagonal = atan((50.0_f64 / 60.0).to_radians()).to_degrees();
    assert!((radius - diagonal).abs() < 1e-9, "{radius} {diagonal}");
}

#[test]
fn links_are_kept() {
    let table = "<VOTABLE><RESOURCE type='results'><TABLE><FIELD name='ID' datatype='char' arraysize='*'/>\
        <FIELD name='access_url' datatype='char' arraysize='*'/><FIELD name='service_def' datatype='char' arraysize='*'/>\
        <FIELD name='semantics' datatype='char' arraysize='*'/><FIELD name='content_length' datatype='long'/><DATA><TABLEDATA>\
        <TR><TD>x</TD><TD>https://a/b.fits</TD><TD/><TD>#this</TD><TD>71591040</TD></TR>\
        <TR><TD>x</TD><TD/><TD>ibe-cutout</TD><TD>#cutout</TD><TD/></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>";
    let server = Server::start(move |_| Reply::ok(table));
    let (client, directory) = (server.client(), tempfile::tempdir().unwrap());
    let did = "ivo://irsa.ipac/spherex_qr2?2025W51_1A_0684_2/D3";
    let cache = LinkCache { directory: directory.path().into(), expiry: Duration::from_secs(3600) };
    let cold = client.links(did, Some(&cache), &Silent).unwrap();
    assert_eq!((cold[0].semantics.as_str(), cold[0].content_length), ("#this", Some(71_591_040)));
    assert_eq!((cold[1].service_def.as_deref(), cold[1].access_url.as_deref()), (Some("ibe-cutout"), None));
    assert_eq!(client.links(did, Some(&cache), &Silent).unwrap(), cold);
    assert_eq!(
        server.log(),
        ["GET /datalink/links/spherex?ID=ivo%3A%2F%2Firsa.ipac%2Fspherex_qr2%3F2025W51_1A_0684_2%2FD3"]
    );
    client.links(did, None, &Silent).unwrap();
    assert_eq!(server.log().len(), 2);
}

#[test]
fn searches_can_be_stopped() {
    struct Stopped;
    impl Progress for Stopped {
        fn cancelled(&self) -> bool {
            true
        }
    }
    let server = Server::start(|_| Reply::status(503));
    let error = server.client_with(options()).search(&selection(), &Stopped).unwrap_err();
    assert!(matches!(error, ArchiveError::Cancelled), "{error}");
    assert!(server.log().is_empty());
}
