//! What the system brings: pipes that nobody writes into, proxies, the home directory, files under
//! odd names.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use tools::{command, input, spx};

mod tools;

/// Runs a command with a variable of the environment.
fn with(folder: &Path, variable: (&str, &Path), arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = command(folder, arguments).env(variable.0, variable.1).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[cfg(unix)]
#[test]
fn a_list_or_catalog_that_never_comes_can_be_stopped() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("c.csv"), "id,ra,dec\n1,186.45,33.55\n").unwrap();
    let made = std::process::Command::new("mkfifo").arg(folder.path().join("pipe.csv")).status();
    assert!(made.unwrap().success());
    let place = ["--ra=186.45", "--dec=33.55", "--width=2", "--height=2", "--detector=3", "-o", "out"];
    for arguments in [
        [&["drizzle", "-v"], &place[..], &["--input", "-"]].concat(),
        [&["drizzle", "-v"], &place[..], &["--input", "@pipe.csv"]].concat(),
        vec!["photometry", "-v", "--ra=186.45", "--dec=33.55", "-"],
        vec!["batch", "-v", "--catalog=c.csv", "--input", "-", "-o", "out"],
        vec!["batch", "-v", "--catalog=pipe.csv", "--input", "c.csv", "-o", "out"],
    ] {
        let mut child = command(folder.path(), &arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let _silent = child.stdin.take();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        // It says what it waits for before it waits.
        while !line.contains("reading ") {
            line.clear();
            assert!(said.read_line(&mut line).unwrap() > 0, "{arguments:?}");
        }
        let id = child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(130), "{arguments:?}");
    }
}

/// Commands that do not attend to signals end by them with the exit code of all others.
#[cfg(unix)]
#[test]
fn every_signal_has_the_same_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.csv");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for signal in ["-INT", "-TERM", "-HUP"] {
        let arguments = ["cube", "view", "c.fits", "--catalog=pipe.csv", "--html=o.html"];
        let mut child = command(folder.path(), &arguments).spawn().unwrap();
        // This waits until the command has opened the other end, of which it then waits for a word.
        let _silent = std::fs::OpenOptions::new().write(true).open(&pipe).unwrap();
        let id = child.id().to_string();
        assert!(std::process::Command::new("kill").args([signal, &id]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(130), "{signal}");
    }
}

#[test]
fn a_proxy_is_used_or_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let query = ["query", "--ra=1", "--dec=2", "--retries=0"];
    for (variable, proxy, words) in [
        ("ALL_PROXY", "socks5h://127.0.0.1:9", "through the proxy socks5h://127.0.0.1:9 of ALL_PROXY"),
        ("HTTPS_PROXY", "http://me:secret@127.0.0.1:9", "of HTTPS_PROXY"),
        ("ALL_PROXY", "ftp://127.0.0.1:9", "the proxy ftp://127.0.0.1:9/ of ALL_PROXY cannot be used"),
    ] {
        let (code, _, said) = with(folder.path(), (variable, Path::new(proxy)), &query);
        assert!(code == Some(1) && said.contains(words) && !said.contains("secret"), "{said}");
        let doctor = ["doctor", "--offline"];
        let (_, told, _) = with(folder.path(), (variable, Path::new(proxy)), &doctor);
        assert!(told.contains(&format!("of {variable}")) && !told.contains("secret"), "{told}");
    }
}

#[test]
fn a_tilde_is_the_home_directory_wherever_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    std::fs::create_dir_all(home.join("data")).unwrap();
    std::fs::copy(input("d3_a.fits"), home.join("data/a.fits")).unwrap();
    std::fs::write(home.join("list"), home.join("data/a.fits").display().to_string()).unwrap();
    let configuration = "ra = 186.4536\ndec = 33.5468\nwidth = 2.0\nheight = 2.0\ncalibration = '~/none'\n";
    std::fs::write(folder.path().join("c.toml"), configuration).unwrap();
    let words = ["drizzle", "-q", "--config=c.toml", "--output-dir=~/cubes", "--input=@~/list"];
    let (code, _, said) = with(folder.path(), ("HOME", &home), &words);
    assert!(code == Some(2) && said.contains(&format!("{}/none", home.display())), "{said}");
    let (code, _, said) =
        with(folder.path(), ("HOME", &home), &[&words[..], &["--calibration=none"]].concat());
    assert_eq!((code, said.as_str()), (Some(0), ""));
    assert!(home.join("cubes/drizzle_D3.fits").is_file() && !folder.path().join("~").exists());
    std::fs::write(home.join("c.toml"), configuration).unwrap();
    let mut other =
        command(folder.path(), &["drizzle", "-q", "-o=~/others", "--input=~/data", "--calibration=none"]);
    let done = other.env("HOME", &home).env("SPX_CONFIG", "~/c.toml").output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(home.join("others/drizzle_D3.fits").is_file());
}

#[test]
fn infinities_and_unknown_words_are_refused_by_the_option() {
    let folder = tempfile::tempdir().unwrap();
    let path = input("d3_a.fits").display().to_string();
    for (option, value, words) in [
        ("--bg-sigma-clip-sigma", "inf", "finite"),
        ("--zodi-scale-max", "-inf", "finite"),
        ("--sigma-threshold", "-1", "at least 0"),
        ("--ref-epoch", "-NaN", "finite"),
    ] {
        let run = spx(folder.path(), &["photometry", "--ra=186", "--dec=33", option, value, &path]);
        assert!(
            run.code == Some(2) && [option, words].iter().all(|w| run.stderr.contains(w)),
            "{}",
            run.stderr
        );
    }
    let batch = ["batch", "--catalog=c.csv", "--input", &path, "-o", "out", "--coverage-mode=fully"];
    let run = spx(folder.path(), &batch);
    assert!(run.code == Some(2) && run.stderr.contains("did you mean `full`?"), "{}", run.stderr);
}
