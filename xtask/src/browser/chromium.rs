//! Driving Chromium: the DevTools protocol over a pair of pipes (`--remote-debugging-pipe`),
//! messages ended by NUL.
//!
//! The shell ties Chromium's descriptors 3 and 4 to our pipes, so that neither a port nor a
//! websocket is needed.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// Longer than any step may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Names under which Chromium is installed.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
/// Chromium does nothing by itself, and finds no host but this machine.
const OPTIONS: [&str; 9] = [
    "--headless=new",
    "--no-sandbox",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

/// The Chromium of this machine: that of `CHROMIUM`, or the first in PATH.
pub(crate) fn find() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("CHROMIUM") {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    let candidates = std::env::split_paths(&path).flat_map(|folder| NAMES.map(|name| folder.join(name)));
    candidates.into_iter().find(|candidate| candidate.is_file())
}

/// A running Chromium with one page; it ends when it is dropped.
pub(crate) struct Browser {
    process: Child,
    input: ChildStdin,
    answers: Receiver<Value>,
    profile: PathBuf,
    session: Option<String>,
    serial: u64,
    /// What happened in the page: requests, messages, downloads.
    pub(crate) events: Vec<Value>,
}

impl Browser {
    /// Starts Chromium with an empty page of `width` x `height` pixels; downloads go to a folder.
    pub(crate) fn start(program: &Path, folder: &Path, [width, height]: [u32; 2]) -> Result<Self> {
        let profile = folder.join("chromium-profile");
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null 2>/dev/null"]);
        command.arg(program).args(OPTIONS).arg(format!("--user-data-dir={}", profile.display()));
        command.arg(format!("--window-size={width},{height}"));
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let input = process.stdin.take().context("no pipe to Chromium")?;
        let output = process.stdout.take().context("no pipe from Chromium")?;
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(output).split(0).map_while(Result::ok) {
                let Ok(value) = serde_json::from_slice(&message) else { return };
                if sender.send(value).is_err() {
                    return;
                }
            }
        });
        let mut browser =
            Self { process, input, answers, profile, session: None, serial: 0, events: Vec::new() };
        let target = browser.call("Target.createTarget", &json!({ "url": "about:blank" }))?;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", &attach)?;
        let download = json!({ "behavior": "allow", "downloadPath": folder, "eventsEnabled": true });
        browser.call("Browser.setDownloadBehavior", &download)?;
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Network", "Log", "DOM"] {
            browser.call(&format!("{domain}.enable"), &json!({}))?;
        }
        browser.resize([width, height], false)?;
        Ok(browser)
    }

    /// Calls a method and waits for its answer.
    pub(crate) fn call(&mut self, method: &str, params: &Value) -> Result<Value> {
        self.serial += 1;
        let mut message = json!({ "id": self.serial, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = serde_json::to_vec(&message)?;
        bytes.push(0);
        self.input.write_all(&bytes).context("Chromium has ended")?;
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let mut answer =
                self.answers.recv_timeout(left).with_context(|| format!("no answer to {method}"))?;
            if answer["id"] != json!(self.serial) {
                self.events.push(answer);
            } else if answer["error"].is_object() {
                bail!("{method}: {}", answer["error"]["message"]);
            } else {
                return Ok(answer["result"].take());
            }
        }
    }

    /// Shows the page with that many CSS pixels, in light or dark.
    pub(crate) fn resize(&mut self, [width, height]: [u32; 2], dark: bool) -> Result<()> {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", &size)?;
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", &media)?;
        Ok(())
    }

    /// Fingers instead of a mouse, as on telephones and tablets.
    pub(crate) fn use_touch(&mut self) -> Result<()> {
        self.call("Emulation.setTouchEmulationEnabled", &json!({ "enabled": true, "maxTouchPoints": 2 }))?;
        Ok(())
    }

    /// Fingers that come down (`touchStart`), move (`touchMove`) or, without any, go up
    /// (`touchEnd`).
    pub(crate) fn touch(&mut self, kind: &str, fingers: &[[f64; 2]]) -> Result<()> {
        let point = |(id, [x, y]): (usize, &[f64; 2])| json!({ "x": x, "y": y, "id": id });
        let points: Vec<Value> = fingers.iter().enumerate().map(point).collect();
        self.call("Input.dispatchTouchEvent", &json!({ "type": kind, "touchPoints": points }))?;
        Ok(())
    }

    /// Goes to an address.
    pub(crate) fn open(&mut self, url: &str) -> Result<()> {
        let answer = self.call("Page.navigate", &json!({ "url": url }))?;
        match answer["errorText"].as_str() {
            Some(problem) => bail!("{url}: {problem}"),
            None => Ok(()),
        }
    }

    /// The value of an expression in the page; promises are waited for.
    pub(crate) fn value(&mut self, expression: &str) -> Result<Value> {
        let params = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let mut answer = self.call("Runtime.evaluate", &params)?;
        if answer["exceptionDetails"].is_object() {
            bail!("{expression}: {}", answer["exceptionDetails"]["exception"]["description"]);
        }
        Ok(answer["result"]["value"].take())
    }

    /// The text of an expression.
    pub(crate) fn text(&mut self, expression: &str) -> Result<String> {
        let value = self.value(expression)?;
        value.as_str().map(str::to_owned).with_context(|| format!("{expression} is {value}, no text"))
    }

    /// Waits until an expression is true.
    pub(crate) fn wait(&mut self, expression: &str) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while self.value(&format!("Boolean({expression})"))? != json!(true) {
            if Instant::now() > end {
                let message = self.text("document.getElementById('message')?.textContent ?? ''")?;
                bail!("waited in vain for {expression}; the page says `{message}`");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Moves, presses or releases the left button: `mouseMoved`, `mousePressed`, `mouseReleased`.
    pub(crate) fn mouse(&mut self, kind: &str, [x, y]: [f64; 2], shift: bool) -> Result<()> {
        let buttons = u8::from(kind != "mouseReleased");
        let button = if kind == "mouseMoved" { "none" } else { "left" };
        let modifiers = if shift { 8 } else { 0 };
        let event = json!({ "type": kind, "x": x, "y": y, "button": button, "buttons": buttons,
                            "clickCount": 1, "modifiers": modifiers });
        self.call("Input.dispatchMouseEvent", &event)?;
        Ok(())
    }

    /// Presses at one place and releases at another, moving in between.
    pub(crate) fn drag(&mut self, from: [f64; 2], to: [f64; 2], shift: bool) -> Result<()> {
        self.mouse("mousePressed", from, shift)?;
        for k in 1..=4 {
            let part = f64::from(k) / 4.0;
            let at = [0, 1].map(|axis| from[axis] + part * (to[axis] - from[axis]));
            self.mouse("mouseMoved", at, shift)?;
        }
        self.mouse("mouseReleased", to, shift)
    }

    /// Clicks at a place.
    pub(crate) fn click(&mut self, at: [f64; 2]) -> Result<()> {
        self.mouse("mousePressed", at, false)?;
        self.mouse("mouseReleased", at, false)
    }

    /// Turns the wheel at a place.
    pub(crate) fn wheel(&mut self, [x, y]: [f64; 2], by: f64) -> Result<()> {
        let event =
            json!({ "type": "mouseWheel", "x": x.round(), "y": y.round(), "deltaX": 0, "deltaY": by });
        self.call("Input.dispatchMouseEvent", &event)?;
        Ok(())
    }

    /// Presses and releases a key: a character, or a name such as `Enter`.
    pub(crate) fn key(&mut self, key: &str) -> Result<()> {
        self.key_with(key, 0)
    }

    /// The same with modifiers: 2 is Ctrl, 8 is Shift.
    pub(crate) fn key_with(&mut self, key: &str, modifiers: u8) -> Result<()> {
        let (code, text) = match key {
            "Enter" => (13, Some("\r")),
            "Escape" => (27, None),
            "Tab" => (9, None),
            "PageUp" => (33, None),
            "PageDown" => (34, None),
            "Delete" => (46, None),
            "End" => (35, None),
            "Home" => (36, None),
            "ArrowLeft" => (37, None),
            "ArrowUp" => (38, None),
            "ArrowRight" => (39, None),
            "ArrowDown" => (40, None),
            _ if modifiers == 2 => (0, None),
            character => (0, Some(character)),
        };
        let mut event = json!({ "type": "keyDown", "key": key, "windowsVirtualKeyCode": code,
                                "modifiers": modifiers });
        if let Some(text) = text {
            event["text"] = json!(text);
        }
        self.call("Input.dispatchKeyEvent", &event)?;
        event["type"] = json!("keyUp");
        self.call("Input.dispatchKeyEvent", &event)?;
        Ok(())
    }

    /// Gives a file to an input element.
    pub(crate) fn choose_file(&mut self, selector: &str, file: &Path) -> Result<()> {
        let document = self.call("DOM.getDocument", &json!({}))?;
        let query = json!({ "nodeId": document["root"]["nodeId"], "selector": selector });
        let node = self.call("DOM.querySelector", &query)?;
        let files = json!({ "nodeId": node["nodeId"], "files": [file] });
        self.call("DOM.setFileInputFiles", &files)?;
        Ok(())
    }

    /// The page as PNG, base64.
    pub(crate) fn screenshot(&mut self) -> Result<String> {
        self.captured(&json!({ "format": "png" }))
    }

    /// The same, larger or smaller by a factor.
    pub(crate) fn scaled_screenshot(&mut self, [width, height]: [u32; 2], scale: f64) -> Result<String> {
        let clip = json!({ "x": 0, "y": 0, "width": width, "height": height, "scale": scale });
        self.captured(&json!({ "format": "png", "clip": clip }))
    }

    fn captured(&mut self, options: &Value) -> Result<String> {
        let answer = self.call("Page.captureScreenshot", options)?;
        Ok(answer["data"].as_str().context("no picture")?.to_owned())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Err(error) = self.process.kill().and_then(|()| self.process.wait()) {
            eprintln!("Chromium does not end: {error}");
        }
        std::fs::remove_dir_all(&self.profile).ok();
    }
}
