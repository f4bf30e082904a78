//! Jobs, SIA2, DataLink, and what is in the index.

use std::time::Duration;

use spx_serve::ServeOptions;
use spx_sim::SimulatedRelease;

use crate::client::{Answer, encode, get, request};
use crate::fixture::{around, plan, serve, small, write};

const QUERY: &str = "SELECT uri FROM spherex.artifact ORDER BY uri";

fn post(url: &str, target: &str, form: &str) -> Answer {
    request(url, "POST", target, &[], form)
}

/// Makes a job and gives its path.
fn create(url: &str, form: &str) -> String {
    let made = post(url, "/TAP/async", &format!("LANG=ADQL&FORMAT=csv&{form}"));
    assert_eq!(made.status, 303);
    made.header("location").strip_prefix(url).unwrap().to_owned()
}

#[test]
fn a_job_from_its_creation_to_its_end() {
    let dir = small();
    let duration = Duration::from_millis(600);
    let archive = serve(dir.path(), ServeOptions { job_duration: duration, ..ServeOptions::default() });
    let url = archive.url();
    let job = create(&url, &format!("QUERY={}", encode("SELECT nothing")));
    let part = |part: &str| get(&url, &format!("{job}/{part}"));
    assert_eq!(part("phase").text(), "PENDING");
    assert_eq!(part("results/result").status, 404);
    assert_eq!(post(&url, &format!("{job}/parameters"), &format!("QUERY={}", encode(QUERY))).status, 303);
    assert!(
        part("parameters").text().contains(&format!("<uws:parameter id=\"QUERY\">{QUERY}</uws:parameter>"))
    );
    assert_eq!(post(&url, &format!("{job}/phase"), "PHASE=RUN").status, 303);
    assert_eq!(part("phase").text(), "QUEUED");
    assert!(get(&url, &format!("{job}?WAIT=5&PHASE=QUEUED")).text().contains(">EXECUTING<"), "WAIT blocks");
    assert!(get(&url, &format!("{job}?WAIT=5")).text().contains(">COMPLETED<"));
    assert_eq!(part("results/result").text().lines().count(), 5);
    assert!(part("results").text().contains(&format!("xlink:href=\"{url}{job}/results/result\"")));
    for part_name in ["quote", "executionduration", "destruction", "owner"] {
        assert_eq!(part(part_name).status, 200, "{part_name}");
    }
    assert_eq!(post(&url, &format!("{job}/executionduration"), "EXECUTIONDURATION=60").status, 303);
    assert_eq!(part("executionduration").text(), "60");
    assert!(get(&url, "/TAP/async").text().contains("<uws:jobref id="));
    assert_eq!(request(&url, "DELETE", &job, &[], "").status, 303);
    assert_eq!(get(&url, &job).status, 404);
}

#[test]
fn jobs_fail_stop_and_expire() {
    let dir = small();
    let options = ServeOptions { job_lifetime: Duration::from_secs(2), ..ServeOptions::default() };
    let archive = serve(dir.path(), options);
    let url = archive.url();
    let wrong = create(&url, &format!("PHASE=RUN&QUERY={}", encode("SELECT nonsense FROM spherex.plane")));
    let text = get(&url, &format!("{wrong}?WAIT=5")).text();
    let text = if text.contains(">ERROR<") { text } else { get(&url, &format!("{wrong}?WAIT=5")).text() };
    assert!(text.contains("<uws:message>there is no column nonsense"), "{text}");
    assert!(get(&url, &format!("{wrong}/error")).text().contains("value=\"ERROR\""));
    let stopped = create(&url, "QUERY=SELECT");
    post(&url, &format!("{stopped}/phase"), "PHASE=ABORT");
    assert_eq!(get(&url, &format!("{stopped}/phase")).text(), "ABORTED");
    assert_eq!(post(&url, &format!("{stopped}/phase"), "PHASE=RUN").status, 400, "it stays so");
    std::thread::sleep(Duration::from_millis(2100));
    assert_eq!(get(&url, &stopped).status, 404);
}

fn sia(url: &str, query: &str) -> Vec<String> {
    let answer = get(url, &format!("/SIA?RESPONSEFORMAT=CSV&{query}"));
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    answer.text().lines().skip(1).map(str::to_owned).collect()
}

#[test]
fn images_by_place_time_and_wavelength() {
    let dir = small();
    let cal = dir.path().join("qr2/spectral_wcs/cal-wcs-v4-2025-254/3");
    std::fs::create_dir_all(&cal).unwrap();
    std::fs::write(cal.join("spectral_wcs_D3_spx_cal-wcs-v4-2025-254.fits"), "SIMPLE").unwrap();
    let archive = serve(dir.path(), ServeOptions::default());
    let count = |query: &str| sia(&archive.url(), query).len();
    assert_eq!(count(""), 5, "four images and a calibration file");
    assert_eq!(count("COLLECTION=spherex_qr2"), 4);
    assert_eq!(count("collection=spherex_qr2_cal"), 1);
    assert_eq!(count("POS=circle+186.4536+33.5468+0.01"), 4);
    assert_eq!(count("POS=circle+86.4536+33.5468+0.01&POS=CIRCLE%20186.4536%2033.5468%200.01"), 4);
    assert_eq!(count("POS=range+186.4+186.5+33.5+33.6"), 4);
    assert_eq!(count("POS=polygon+186.4+33.5+186.5+33.5+186.5+33.6"), 4);
    assert_eq!(count("BAND=1.5e-6+%2BInf"), 2, "D3");
    assert_eq!(count("BAND=-Inf+1.5e-6"), 2, "D1");
    let [first, second] = [plan(2)[0].mjd, plan(2)[2].mjd];
    assert_eq!(count(&format!("TIME={first}+{}", first + 0.001)), 2);
    assert_eq!(count(&format!("TIME={first}%2B{second}")), 4);
    assert_eq!(count("DPTYPE=cube"), 0);
    assert_eq!(count("MAXREC=2"), 2);
    for bad in ["POS=circle+1", "TIME=x", "MAXREC=-1", "RESPONSEFORMAT=xlsx", "CALIB=x"] {
        assert_eq!(get(&archive.url(), &format!("/SIA?{bad}")).status, 400, "{bad}");
    }
}

#[test]
fn links_lead_to_the_file_and_to_its_cutouts() {
    let dir = small();
    let older = plan(2)[1].archive_path(SimulatedRelease::Qr2);
    let newer = older.replace("2025-354", "2025-360").replace("l2b-v21", "l2b-v22");
    std::fs::create_dir_all(dir.path().join(&newer).parent().unwrap()).unwrap();
    std::fs::copy(dir.path().join(&older), dir.path().join(&newer)).unwrap();
    let archive = serve(dir.path(), ServeOptions::default());
    assert_eq!(archive.images(), 5);
    let id = format!("ivo://irsa.ipac/spherex_qr2?{}/{}", plan(2)[1].obs_id, plan(2)[1].detector);
    let links = |ids: &str| get(&archive.url(), &format!("/datalink/links/spherex?{ids}")).text();
    let text = links(&format!("ID={}", encode(&id)));
    let this = format!("<TD>{}/ibe/data/spherex/{newer}</TD><TD></TD><TD></TD><TD>#this</TD>", archive.url());
    assert!(text.contains(&this), "the newest version: {text}");
    assert!(text.contains("<TD>ibe-cutout</TD><TD></TD><TD>#cutout</TD>"));
    assert!(text.contains("ID=\"ibe-cutout\"") && text.contains("<PARAM name=\"center\""));
    let text = links(&format!("ID={}&ID=ivo://irsa.ipac/x?y", encode(&id)));
    assert!(text.contains("<TD>NotFoundFault: no such ID</TD>"));
    assert_eq!(links("").matches("<TR>").count(), 0);
}

#[test]
fn the_index_takes_what_is_good_and_leaves_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let [first, second] = [&plan(2)[0], &plan(2)[1]];
    write(dir.path(), first, SimulatedRelease::Qr2, around(40), false);
    write(&dir.path().join("deep/er"), second, SimulatedRelease::Qr3, around(40), false);
    std::fs::write(dir.path().join("empty.fits"), "").unwrap();
    std::fs::write(dir.path().join("page.fits"), "<html>").unwrap();
    let good = std::fs::read(dir.path().join(first.file_name(SimulatedRelease::Qr2))).unwrap();
    std::fs::write(dir.path().join("short.fits"), &good[..good.len() / 2]).unwrap();
    let archive = serve(dir.path(), ServeOptions::default());
    let found = sia(&archive.url(), "");
    assert_eq!(found.len(), 2, "{found:?}");
    for (pointing, release) in [(first, SimulatedRelease::Qr2), (second, SimulatedRelease::Qr3)] {
        let path = pointing.archive_path(release);
        assert!(found.iter().any(|line| line.contains(&path)), "{path}");
        assert_eq!(get(&archive.url(), &format!("/ibe/data/spherex/{path}")).status, 200);
    }
    let nothing = tempfile::tempdir().unwrap();
    assert_eq!(serve(nothing.path(), ServeOptions::default()).images(), 0);
    let missing = spx_serve::LocalArchive::start(&nothing.path().join("x"), ServeOptions::default());
    assert!(missing.is_err());
}

#[test]
fn pages_of_other_sites_are_refused() {
    let dir = small();
    let archive = serve(dir.path(), ServeOptions::default());
    let (url, host) = (archive.url(), archive.url().replace("http://", ""));
    let port = host.rsplit(':').next().unwrap();
    let status =
        |name: &str, value: &str| request(&url, "GET", "/TAP/availability", &[(name, value)], "").status;
    assert_eq!(status("Origin", &url), 200);
    for origin in ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1"] {
        assert_eq!(status("Origin", origin), 403, "{origin}");
    }
    // A page whose name is made to resolve to this machine has its own name in Host.
    let mut stream = std::net::TcpStream::connect(&host).unwrap();
    let rebound = format!("GET /SIA HTTP/1.1\r\nHost: evil.example:{port}\r\nConnection: close\r\n\r\n");
    std::io::Write::write_all(&mut stream, rebound.as_bytes()).unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
}

#[test]
fn jobs_are_bounded() {
    let dir = small();
    let archive = serve(dir.path(), ServeOptions::default());
    let url = archive.url();
    let make = |form: &str| request(&url, "POST", "/TAP/async", &[], form).status;
    let pending = "LANG=ADQL&QUERY=SELECT+planeid+FROM+spherex.plane";
    let made = (0..210).map(|_| make(pending)).collect::<Vec<_>>();
    assert_eq!((made[..200].iter().all(|s| *s == 303), made[200..].iter().all(|s| *s == 503)), (true, true));
    assert_eq!(request(&url, "POST", "/TAP/async/00000001/phase", &[], "PHASE=ABORT").status, 303);
    assert_eq!(make(pending), 303, "jobs that have ended give way");
}
