//! The explorer as a user works with it, against what the command line says of the same cube.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::chromium::Browser;
use super::{BrowserSetup, View, check};

/// The window of the checks.
const SIZE: [u32; 2] = [1366, 768];

type Check = (&'static str, fn(&mut Page<'_>) -> Result<()>);

const CHECKS: [Check; 15] = [
    ("wrong tokens and host names are refused", wrong_tokens),
    ("slider, strip and play", slider),
    ("a click gives the spectrum of a circle, or of a pixel", click),
    ("a drag gives the spectrum of its circle", circle),
    ("several spectra, renamed and removed", several),
    ("positions are those of the command line", positions),
    ("zoom and pan", zoom),
    ("stretches, color maps, limits", stretches),
    ("a color composite", composite),
    ("flags and counts", layers),
    ("a catalog over the image", catalogue),
    ("going to a position", go_to),
    ("downloads", downloads),
    ("the keyboard alone", keyboard),
    ("light and dark", themes),
];

/// Runs the checks on a served page; gives the names of those that failed.
pub(super) fn run(setup: &BrowserSetup) -> Result<Vec<String>> {
    let stars = setup.stars.display().to_string();
    let view = View::start(&setup.spx, &setup.cube, &["--catalog", &stars])?;
    let browser = Browser::start(&setup.program, &setup.folder.0, SIZE)?;
    let mut page = Page { setup, url: view.url.clone(), browser };
    let mut failed = Vec::new();
    for (name, run) in CHECKS {
        let done = page.open().and_then(|()| run(&mut page));
        failed.extend(check(name, done));
    }
    failed.extend(check("no error in the console", page.no_errors()));
    failed.extend(check("no request leaves the machine", page.only_from(&[&view.url, "blob:", "data:"])));
    Ok(failed)
}

/// The page in the browser.
pub(super) struct Page<'a> {
    pub(super) setup: &'a BrowserSetup,
    pub(super) url: String,
    pub(super) browser: Browser,
}

/// Fields of a spectrum in the page, and where it was taken.
pub(super) struct Shown {
    /// The arguments by which the command finds the same place.
    pub(super) place: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Page<'_> {
    /// Opens the page afresh and waits until it shows a plane.
    pub(super) fn open(&mut self) -> Result<()> {
        let url = self.url.clone();
        self.browser.open(&url)?;
        self.browser.wait("document.getElementById('picture')?.dataset.shown")?;
        self.rest()
    }

    /// Waits until nothing is in progress.
    pub(super) fn rest(&mut self) -> Result<()> {
        self.browser.wait("document.body.getAttribute('aria-busy') === 'false'")
    }

    /// Waits until the image shows this.
    pub(super) fn shows(&mut self, what: &str) -> Result<()> {
        self.browser.wait(&format!("document.getElementById('picture').dataset.shown === '{what}'"))?;
        self.rest()
    }

    /// Does something in the page and waits until the image has changed by it.
    fn changes(&mut self, act: &str) -> Result<()> {
        let before = self.image()?;
        self.browser.value(act)?;
        self.until_image_is_not(&before).with_context(|| act.to_owned())
    }

    fn until_image_is_not(&mut self, before: &str) -> Result<()> {
        let end = Instant::now() + Duration::from_secs(5);
        while self.image()? == before {
            ensure!(Instant::now() < end, "the image does not change");
        }
        self.rest()
    }

    /// The image and what lies over it.
    fn image(&mut self) -> Result<String> {
        self.browser
            .text("['picture', 'overlay'].map((id) => document.getElementById(id).toDataURL()).join()")
    }

    /// Where a pixel position lies on the screen.
    pub(super) fn place(&mut self, [x, y]: [f64; 2]) -> Result<[f64; 2]> {
        let rect = self.browser.value(
            "(() => { const r = document.getElementById('overlay').getBoundingClientRect(); \
             return [r.left, r.top, r.width, r.height]; })()",
        )?;
        let [left, top, width, height] = numbers(&rect)?;
        let view = self.browser.text("document.getElementById('picture').dataset.view")?;
        let [x0, y0, scale] = numbers(&serde_json::from_str(&view)?)?;
        Ok([left + width / 2.0 + (x - x0) * scale, top + height / 2.0 - (y - y0) * scale])
    }

    /// Sets a field as a user does.
    pub(super) fn set(&mut self, id: &str, value: &str) -> Result<()> {
        self.browser.value(&setting(id, value))?;
        Ok(())
    }

    /// Waits for so many spectra, and reads the numbers of the last.
    pub(super) fn spectrum(&mut self, count: usize) -> Result<Shown> {
        self.browser.wait(&format!("document.querySelectorAll('#spectra li').length === {count}"))?;
        self.rest()?;
        let region =
            self.browser.text("[...document.querySelectorAll('#spectra li')].at(-1).dataset.region")?;
        let rows = self.browser.value(
            "[...document.querySelectorAll('#table tr')].slice(1).map((row) => [...row.cells].map((c) => c.textContent))",
        )?;
        let rows = serde_json::from_value(rows)?;
        Ok(Shown { place: vec![format!("--region={region}")], rows })
    }

    /// No message of the console is a warning or an error, no exception was left.
    pub(super) fn no_errors(&self) -> Result<()> {
        let bad = |event: &&Value| match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Runtime.consoleAPICalled") => {
                ["error", "warning", "assert"].iter().any(|kind| event["params"]["type"] == *kind)
            }
            Some("Log.entryAdded") => {
                ["error", "warning"].iter().any(|level| event["params"]["entry"]["level"] == *level)
            }
            _ => false,
        };
        match self.browser.events.iter().find(bad) {
            Some(event) => bail!("{}", event["params"]),
            None => Ok(()),
        }
    }

    /// Every request of the page went to an address with one of these beginnings.
    pub(super) fn only_from(&self, allowed: &[&str]) -> Result<()> {
        let requests =
            self.browser.events.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        let urls: Vec<&str> =
            requests.filter_map(|event| event["params"]["request"]["url"].as_str()).collect();
        ensure!(!urls.is_empty(), "no request was recorded");
        match urls.iter().find(|url| !allowed.iter().any(|start| url.starts_with(start))) {
            Some(other) => bail!("{other}"),
            None => Ok(()),
        }
    }
}

pub(super) fn numbers<const N: usize>(value: &Value) -> Result<[f64; N]> {
    let list: Vec<f64> = serde_json::from_value(value.clone())?;
    list.try_into().map_err(|list: Vec<f64>| anyhow::anyhow!("{list:?} are not {N} numbers"))
}

/// Sets a field and says that it has changed.
pub(super) fn setting(id: &str, value: &str) -> String {
    format!(
        "(() => {{ const e = document.getElementById('{id}'); \
         if (e.type === 'checkbox') e.checked = {value:?} === 'true'; else e.value = {value:?}; \
         for (const kind of ['input', 'change']) e.dispatchEvent(new Event(kind, {{ bubbles: true }})); }})()"
    )
}

/// The radius \[arcsec\] of the circle that a spectrum was taken in.
fn radius_of(shown: &Shown) -> Result<f64> {
    let region = &shown.place[0];
    let numbers = region.split_once("circle(").and_then(|(_, rest)| rest.split_once('"'));
    let radius = numbers.and_then(|(numbers, _)| numbers.rsplit(',').next());
    Ok(radius.with_context(|| region.clone())?.parse()?)
}

/// The page shows what the command prints, to the last digit.
pub(super) fn equals(shown: &Shown, printed: &[Vec<String>]) -> Result<()> {
    ensure!(shown.rows.len() == printed.len() - 1, "{} rows, not {}", shown.rows.len(), printed.len() - 1);
    for (found, expected) in shown.rows.iter().zip(&printed[1..]) {
        ensure!(found.len() == expected.len(), "{found:?} {expected:?}");
        for (found, expected) in found.iter().zip(expected) {
            let equal = match (found.parse::<f64>(), expected.parse::<f64>()) {
                (Ok(found), Ok(expected)) => found.to_bits() == expected.to_bits(),
                _ => found == expected,
            };
            ensure!(equal, "{:?}: the page shows {found}, the command prints {expected}", shown.place);
        }
    }
    Ok(())
}

fn wrong_tokens(page: &mut Page<'_>) -> Result<()> {
    let (_, rest) = page.url.split_once("//").context("no address")?;
    let (host, token) = rest.split_once('/').context("no token")?;
    let ask = |path: &str, name: &str| -> Result<String> {
        let mut stream = TcpStream::connect(host)?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.split(' ').nth(1).unwrap_or_default().to_owned())
    };
    ensure!(ask(&format!("/{token}"), host)? == "200", "the right token is refused");
    for path in ["/", "/meta", "/00000000000000000000000000000000/", "/main.js"] {
        ensure!(ask(path, host)? == "403", "{path} is let in");
    }
    ensure!(ask(&format!("/{token}"), "rebound.example")? == "403", "another host name is let in");
    Ok(())
}

fn slider(page: &mut Page<'_>) -> Result<()> {
    page.shows("sci 8")?;
    let before = page.image()?;
    page.browser.value("document.getElementById('slider').focus()")?;
    page.browser.key("ArrowRight")?;
    page.shows("sci 9")?;
    ensure!(page.image()? != before, "another plane, the same image");
    page.set("slider", "3")?;
    page.shows("sci 3")?;
    let strip = page.browser.value(
        "(() => { const r = document.getElementById('strip').getBoundingClientRect(); \
         return [r.left + r.width * 12.5 / 17, r.top + r.height / 2]; })()",
    )?;
    page.browser.click(numbers(&strip)?)?;
    page.shows("sci 12")?;
    let label = page.browser.text("document.getElementById('plane').textContent")?;
    ensure!(label.contains("plane 12"), "{label}");
    page.browser.value("document.getElementById('play').click()")?;
    page.shows("sci 14")?;
    page.browser.value("document.getElementById('play').click()")?;
    page.rest()
}

fn click(page: &mut Page<'_>) -> Result<()> {
    for (k, (pixel, radius)) in [([48.2, 50.1], Some("")), ([60.0, 94.4], None)].into_iter().enumerate() {
        let at = page.place(pixel)?;
        page.browser.click(at)?;
        let shown = page.spectrum(k + 1)?;
        match radius {
            // Two pixels of 6.15".
            Some(next) => {
                ensure!((radius_of(&shown)? - 12.3).abs() < 1e-9, "{:?}", shown.place);
                page.set("radius", next)?;
            }
            None => ensure!(shown.place[0].contains("=point("), "{:?}", shown.place),
        }
        equals(&shown, &page.setup.spectrum(&page.setup.cube, &shown.place)?)?;
    }
    Ok(())
}

fn circle(page: &mut Page<'_>) -> Result<()> {
    // The second reaches beyond the edge of the cube.
    for (k, (from, to)) in [([48.0, 48.0], [55.0, 52.0]), ([1.0, 20.0], [9.0, 20.0])].into_iter().enumerate()
    {
        let (from, to) = (page.place(from)?, page.place(to)?);
        page.browser.drag(from, to, false)?;
        let shown = page.spectrum(k + 1)?;
        let radius = radius_of(&shown)?;
        ensure!((45.0..55.0).contains(&radius), "{radius} is not 8 pixels of 6.15\"");
        equals(&shown, &page.setup.spectrum(&page.setup.cube, &shown.place)?)?;
    }
    let message = page.browser.text("document.getElementById('message').textContent")?;
    ensure!(message.contains("beyond the edge"), "{message}");
    // A radius for clicks.
    page.set("radius", "21.5")?;
    let at = page.place([70.0, 30.0])?;
    page.browser.click(at)?;
    let shown = page.spectrum(3)?;
    ensure!((radius_of(&shown)? - 21.5).abs() < 1e-9, "{:?}", shown.place);
    equals(&shown, &page.setup.spectrum(&page.setup.cube, &shown.place)?)
}

fn several(page: &mut Page<'_>) -> Result<()> {
    for (k, pixel) in [[20.0, 20.0], [40.0, 60.0], [80.0, 30.0]].into_iter().enumerate() {
        let at = page.place(pixel)?;
        page.browser.click(at)?;
        page.spectrum(k + 1)?;
    }
    let colors = page.browser.value(
        "new Set([...document.querySelectorAll('#spectra .swatch')].map((s) => s.style.background)).size",
    )?;
    ensure!(colors == 3, "{colors} colors for 3 spectra");
    page.browser.value(
        "(() => { const e = document.querySelector('#spectra .name'); e.value = 'core'; \
         e.dispatchEvent(new Event('change')); })()",
    )?;
    let name = page.browser.text("document.querySelector('#spectra .name').value")?;
    ensure!(name == "core", "{name}");
    let plot = "document.getElementById('plot').toDataURL()";
    let before = page.browser.text(plot)?;
    page.browser.value("[...document.querySelectorAll('#spectra button')].at(-1).click()")?;
    page.browser.wait("document.querySelectorAll('#spectra li').length === 2")?;
    ensure!(page.browser.text(plot)? != before, "the plot still has the third");
    page.browser.value("document.getElementById('clear').click()")?;
    page.browser.wait("document.querySelectorAll('#spectra li').length === 0")
}

/// What the page says of a pixel position, and what the command line says of the sky position.
fn positions(page: &mut Page<'_>) -> Result<()> {
    for pixel in [[5.0, 7.0], [48.0, 48.0], [90.5, 12.25], [33.0, 95.0]] {
        let at = page.place(pixel)?;
        page.browser.mouse("mouseMoved", at, false)?;
        page.browser.wait("document.getElementById('at-value').textContent.includes('counts')")?;
        let sky = page.browser.text("document.getElementById('at-degrees').textContent")?;
        let shown = page.browser.text("document.getElementById('at-pixel').textContent")?;
        let shown: Vec<f64> = shown.split(", ").map(str::parse).collect::<Result<_, _>>()?;
        let plain = sky.replace('−', "-");
        let (ra, dec) = plain.split_once(' ').context("no position")?;
        let place = [format!("--ra={ra}"), format!("--dec={dec}")];
        let mut command = std::process::Command::new(&page.setup.spx);
        command.args(["cube", "spectrum", "--json"]).arg(&page.setup.cube).args(&place);
        let report: Value = serde_json::from_str(&crate::process::output(&mut command)?)?;
        let [x, y]: [f64; 2] = numbers(&report["pixel"])?;
        // The page shows two decimals of a pixel, and positions to 1e-6 degree, 0.0006 pixels.
        ensure!((x - shown[0]).abs() < 0.0062 && (y - shown[1]).abs() < 0.0062, "{shown:?} is not {x}, {y}");
        ensure!((x - pixel[0]).abs() < 0.1 && (y - pixel[1]).abs() < 0.1, "{x}, {y} is not {pixel:?}");
    }
    Ok(())
}

fn zoom(page: &mut Page<'_>) -> Result<()> {
    // Wheel events have whole numbers.
    let at = page.place([60.0, 30.0])?.map(f64::round);
    page.browser.mouse("mouseMoved", at, false)?;
    let before = page.browser.text("document.getElementById('at-pixel').textContent")?;
    let image = page.image()?;
    page.browser.wheel(at, -400.0)?;
    page.until_image_is_not(&image)?;
    page.browser.mouse("mouseMoved", at, false)?;
    let after = page.browser.text("document.getElementById('at-pixel').textContent")?;
    ensure!(before == after, "the pixel under the pointer stays, {before} became {after}");
    let image = page.image()?;
    page.browser.drag(at, [at[0] - 80.0, at[1] + 40.0], true)?;
    page.until_image_is_not(&image)?;
    page.browser.mouse("mouseMoved", [at[0] - 80.0, at[1] + 40.0], false)?;
    let moved = page.browser.text("document.getElementById('at-pixel').textContent")?;
    ensure!(moved == before, "the image moves with the pointer, {before} became {moved}");
    ensure!(
        page.browser.value("document.querySelectorAll('#spectra li').length")? == 0,
        "moving takes no spectrum"
    );
    page.browser.value("document.getElementById('tool-pan').click()")?;
    let image = page.image()?;
    page.browser.drag(at, [at[0] + 30.0, at[1]], false)?;
    page.until_image_is_not(&image)?;
    page.changes("document.getElementById('fit').click()")?;
    page.changes("document.getElementById('zoom-in').click()")
}

fn stretches(page: &mut Page<'_>) -> Result<()> {
    for stretch in ["linear", "log", "sqrt", "rank", "asinh"] {
        page.changes(&setting("stretch", stretch))?;
    }
    for map in ["magma", "gray"] {
        page.changes(&setting("map", map))?;
    }
    page.changes(&setting("reversed", "true"))?;
    page.changes(&setting("high-percent", "90"))?;
    page.set("fixed", "true")?;
    page.changes(&setting("high", "0.8"))?;
    page.set("slider", "10")?;
    page.shows("sci 10")?;
    let high = page.browser.text("document.getElementById('high').value")?;
    ensure!(high == "0.8", "fixed limits hold for other planes, not {high}");
    for array in ["error", "snr", "count"] {
        page.set("array", array)?;
        page.shows(&format!("{array} 10"))?;
    }
    Ok(())
}

fn composite(page: &mut Page<'_>) -> Result<()> {
    page.changes(&setting("mode", "colors"))?;
    page.shows("colors")?;
    let colored = page.browser.value(
        "(() => { const c = document.getElementById('picture'); \
         const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let n = 0; \
         for (let k = 0; k < d.length; k += 4) \
         if (Math.max(d[k], d[k + 1], d[k + 2]) - Math.min(d[k], d[k + 1], d[k + 2]) > 40) n += 1; return n; })()",
    )?;
    ensure!(colored.as_u64().is_some_and(|n| n > 200), "{colored} colored pixels");
    page.changes(&setting("red-from", "2.2"))?;
    page.changes(&setting("q", "8"))?;
    page.set("blue-from", "9")?;
    let message = page.browser.text("document.getElementById('message').textContent")?;
    ensure!(message.starts_with("Blue: no plane"), "{message}");
    page.browser.key("]")?;
    page.shows("sci 9")
}

fn layers(page: &mut Page<'_>) -> Result<()> {
    let plain = page.image()?;
    page.changes(&setting("fewer", "100"))?;
    page.changes(&setting("fewer", ""))?;
    ensure!(page.image()? == plain, "without the layer the image is as before");
    page.changes(&setting("mask", "or_mask"))?;
    let flagged = page.image()?;
    page.changes(&setting("flag", "1"))?;
    ensure!(page.image()? != flagged, "one flag looks like any flag");
    page.set("flag", "")?;
    page.set("mask", "")?;
    page.until_image_is_not(&flagged)
}

fn catalogue(page: &mut Page<'_>) -> Result<()> {
    page.browser.wait("document.getElementById('objects').textContent.includes('truth.csv')")?;
    let text = page.browser.text("document.getElementById('objects').textContent")?;
    let rows = fs::read_to_string(&page.setup.stars)?.lines().count() - 1;
    ensure!(text.contains(&format!("of {rows} in the image")), "{text}, {rows} rows");
    page.changes(&setting("show-objects", "false"))?;
    page.changes(&setting("show-objects", "true"))?;

    let file = page.setup.folder.0.join("other.csv");
    fs::write(&file, "\"name\",RAJ2000,DEJ2000\n\"a, b\",186.4536,33.5468\nc,10,20\n")?;
    page.browser.choose_file("#catalog", &file)?;
    page.browser.wait("document.getElementById('objects').textContent.includes('1 of 2 in the image')")?;
    page.browser.key("n")?;
    page.browser.wait("document.getElementById('message').textContent === 'a, b'")?;
    let sky = page.browser.text("document.getElementById('at-degrees').textContent")?;
    ensure!(sky == "186.453600 +33.546800", "{sky}");

    fs::write(&file, "x,y\n1,2\n")?;
    page.browser.choose_file("#catalog", &file)?;
    page.browser.wait("document.getElementById('message').textContent.includes('needs columns ra and dec')")
}

fn go_to(page: &mut Page<'_>) -> Result<()> {
    for (text, expected) in [
        ("186.4536 33.5468", "186.453600 +33.546800"),
        ("12:25:50 +33:32:10", "186.458333 +33.536111"),
        ("12h25m50s +33d32m10s", "186.458333 +33.536111"),
        ("12 25 50 33 32 10", "186.458333 +33.536111"),
    ] {
        page.browser.value(&format!(
            "(() => {{ document.getElementById('position').value = {text:?}; \
             document.getElementById('goto').requestSubmit(); }})()"
        ))?;
        let sky = page.browser.text("document.getElementById('at-degrees').textContent")?;
        ensure!(sky == expected, "{text}: {sky}");
    }
    for (text, message) in
        [("10 20", "outside the cube"), ("north", "two numbers"), ("12:65:50 +33:32:10", "two numbers")]
    {
        page.browser.value(&format!(
            "(() => {{ document.getElementById('position').value = {text:?}; \
             document.getElementById('goto').requestSubmit(); }})()"
        ))?;
        let said = page.browser.text("document.getElementById('message').textContent")?;
        ensure!(said.contains(message), "{text}: {said}");
    }
    Ok(())
}

/// Waits for the file that a download makes.
pub(super) fn downloaded(page: &Page<'_>, name: &str) -> Result<PathBuf> {
    let path = page.setup.folder.0.join(name);
    let end = Instant::now() + Duration::from_secs(10);
    let length = || fs::metadata(&path).map_or(0, |data| data.len());
    while length() == 0 {
        ensure!(Instant::now() < end, "{name} is not downloaded");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(path)
}

fn downloads(page: &mut Page<'_>) -> Result<()> {
    let (from, to) = (page.place([48.0, 48.0])?, page.place([54.0, 48.0])?);
    page.browser.drag(from, to, false)?;
    let shown = page.spectrum(1)?;
    let printed = page.setup.spectrum(&page.setup.cube, &shown.place)?;
    let press = |words: &str| {
        format!(
            "[...document.querySelectorAll('#spectra button')].find((b) => b.textContent === '{words}').click()"
        )
    };
    page.browser.value(&press("CSV"))?;
    let csv = fs::read_to_string(downloaded(page, "drizzle_D3_S1.csv")?)?;
    let rows: Vec<Vec<String>> =
        csv.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect();
    ensure!(rows[0] == printed[0], "{:?}", rows[0]);
    equals(&Shown { place: shown.place.clone(), rows: rows[1..].to_vec() }, &printed)?;

    page.browser.value(&press("ECSV"))?;
    let ecsv = fs::read_to_string(downloaded(page, "drizzle_D3_S1.ecsv")?)?;
    ensure!(ecsv.starts_with("# %ECSV 1.0\n# ---\n"), "{ecsv}");
    ensure!(ecsv.ends_with(&csv) && ecsv.contains("name: flux, unit: uJy, datatype: float32"), "{ecsv}");

    ensure!(ecsv.contains("description: \"number of the plane, from 0\""), "commas need quotes: {ecsv}");

    page.browser.value("document.getElementById('save-view').click()")?;
    let png = fs::read(downloaded(page, "drizzle_D3_8.png")?)?;
    ensure!(png.starts_with(b"\x89PNG\r\n\x1a\n") && png.len() > 10_000, "{} bytes", png.len());
    Ok(())
}

/// From a fresh page to a spectrum, a composite and back without a mouse.
fn keyboard(page: &mut Page<'_>) -> Result<()> {
    page.browser.key("?")?;
    page.browser.wait("document.getElementById('help').open")?;
    page.browser.key("Escape")?;
    page.browser.wait("!document.getElementById('help').open")?;
    page.browser.key("i")?;
    page.browser.wait("document.activeElement.id === 'overlay'")?;
    page.browser.key("ArrowRight")?;
    page.browser.key("ArrowUp")?;
    page.browser.key("ArrowUp")?;
    let at = page.browser.text("document.getElementById('at-pixel').textContent")?;
    ensure!(at == "49.00, 50.00", "{at}");
    page.browser.key("Enter")?;
    let shown = page.spectrum(1)?;
    equals(&shown, &page.setup.spectrum(&page.setup.cube, &shown.place)?)?;
    page.browser.key("]")?;
    page.shows("sci 9")?;
    page.browser.key("End")?;
    page.shows("sci 16")?;
    page.browser.key("m")?;
    page.shows("colors")?;
    page.browser.key("m")?;
    page.shows("sci 16")?;
    for key in ["+", "0", "-"] {
        let before = page.image()?;
        page.browser.key(key)?;
        page.until_image_is_not(&before).with_context(|| key.to_owned())?;
    }
    page.browser.key("r")?;
    for key in ["1", "2", "Tab"] {
        page.browser.key(key)?;
    }
    page.browser.key("g")?;
    for key in "186.4536 33.5468".chars() {
        page.browser.key(&key.to_string())?;
    }
    page.browser.key("Enter")?;
    page.browser.key("Tab")?;
    // The focus has left the field, so that keys are commands again.
    page.browser.key("i")?;
    page.browser.key("Enter")?;
    let shown = page.spectrum(2)?;
    let place = "--region=circle(186.4536,33.5468,12\") # text={S2}";
    ensure!(shown.place == [place], "{:?}", shown.place);
    equals(&shown, &page.setup.spectrum(&page.setup.cube, &shown.place)?)?;
    // Whatever the Tab key reaches has a visible focus and a name.
    for _ in 0..60 {
        page.browser.key("Tab")?;
        let problem = page.browser.value(
            "(() => { const e = document.activeElement; if (e === document.body) return ''; \
             const name = e.ariaLabel || e.textContent.trim() || e.labels?.[0]?.textContent.trim(); \
             const seen = e.matches(':focus-visible') && getComputedStyle(e).outlineStyle !== 'none'; \
             return name && seen ? '' : e.outerHTML.slice(0, 200); })()",
        )?;
        ensure!(problem == "", "without name or visible focus: {problem}");
    }
    Ok(())
}

fn themes(page: &mut Page<'_>) -> Result<()> {
    let color = "getComputedStyle(document.body).backgroundColor";
    let light = page.browser.text(color)?;
    page.browser.key("t")?;
    let dark = page.browser.text(color)?;
    ensure!(light != dark, "{light}");
    page.browser.key("t")?;
    ensure!(page.browser.text(color)? == light, "light again");
    page.browser.resize(SIZE, true)?;
    page.open()?;
    ensure!(page.browser.text(color)? == dark, "dark where the system is");
    page.browser.resize(SIZE, false)
}
