//! What spx finds on this machine: whether the archive answers, memory, disk, calibration, settings
//! of the environment.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;
use spx_archive::{ArchiveClient, ArchiveUrl, ClientOptions, RetryOptions, SearchShape, Selection};
use spx_core::sky::Position;

use crate::amount::amount;
use crate::calibration::{CalibrationStatus, calibration_status};
use crate::output::check_directory;
use crate::{Listener, PipelineError};

const GIB: f64 = 1_073_741_824.0;
/// A full frame takes 16 bytes a pixel, a cube of 30' with all its sums 0.1 GiB.
const ENOUGH_MEMORY: f64 = 2.0 * GIB;
/// A hundred full frames take 7 GB.
const ENOUGH_DISK: f64 = 8.0 * GIB;

/// What is looked at.
#[derive(Debug, Clone)]
pub struct DoctorRequest {
    /// The archive that is asked; none is where `None`.
    pub archive: Option<ArchiveUrl>,
    /// Where output is to go.
    pub directory: PathBuf,
    /// Where calibration products are kept, if anywhere.
    pub calibration: Option<PathBuf>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DoctorReport {
    /// Version of spx.
    pub version: String,
    /// One after another.
    pub checks: Vec<DoctorCheck>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DoctorCheck {
    /// What it is.
    pub name: &'static str,
    /// How it is.
    pub status: DoctorStatus,
    /// What was found.
    pub found: String,
    /// What may be done about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DoctorStatus {
    /// As it should be.
    Fine,
    /// It works, but something is better known.
    Warning,
    /// It does not work.
    Failed,
}

impl DoctorReport {
    /// Whether something does not work.
    pub fn failed(&self) -> bool {
        self.checks.iter().any(|check| check.status == DoctorStatus::Failed)
    }
}

impl DoctorCheck {
    fn new(name: &'static str, status: DoctorStatus, found: String) -> Self {
        Self { name, status, found, advice: None }
    }

    fn advise(self, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..self }
    }
}

/// Looks at everything; nothing that is wrong ends it.
pub fn examine(request: &DoctorRequest, listener: &dyn Listener) -> DoctorReport {
    let mut checks = vec![machine(), memory(), disk(&request.directory)];
    checks.extend(request.calibration.as_deref().map(calibration));
    checks.extend([environment(), proxies()]);
    if let Some(url) = &request.archive {
        listener.start("ask the archive", 1);
        checks.push(archive(url, listener));
        listener.finish();
    }
    DoctorReport { version: env!("CARGO_PKG_VERSION").to_owned(), checks }
}

fn machine() -> DoctorCheck {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let found = format!("{os} {arch}, {processors} processors, {} threads", rayon::current_num_threads());
    DoctorCheck::new("machine", DoctorStatus::Fine, found)
}

fn memory() -> DoctorCheck {
    match spx_core::memory::available_memory() {
        Some(bytes) if bytes as f64 >= ENOUGH_MEMORY => {
            let found = format!("{:.1} GiB are available", bytes as f64 / GIB);
            DoctorCheck::new("memory", DoctorStatus::Fine, found)
        }
        Some(bytes) => {
            let found = format!("{:.1} GiB are available", bytes as f64 / GIB);
            let check = DoctorCheck::new("memory", DoctorStatus::Warning, found);
            check.advise("large cubes are refused; --threads 1 takes the least memory")
        }
        None => DoctorCheck::new("memory", DoctorStatus::Fine, "not known on this system".to_owned()),
    }
}

fn disk(directory: &Path) -> DoctorCheck {
    let shown = directory.display();
    if let Err(error) = check_directory(directory) {
        return DoctorCheck::new("disk", DoctorStatus::Failed, error.one_line());
    }
    // What is not there yet is made where its parent is.
    let existing = directory.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("."));
    let existing = if existing.as_os_str().is_empty() { Path::new(".") } else { existing };
    let probe = existing.join(format!(".spx-doctor-{}", std::process::id()));
    if let Err(error) = std::fs::File::create_new(&probe).and_then(|_| std::fs::remove_file(&probe)) {
        let check =
            DoctorCheck::new("disk", DoctorStatus::Failed, format!("{shown} cannot be written: {error}"));
        return check.advise("--output-dir names another directory");
    }
    match fs4::available_space(existing) {
        Ok(bytes) if bytes as f64 >= ENOUGH_DISK => {
            let found = format!("{} are free in {shown}", amount(bytes as f64));
            DoctorCheck::new("disk", DoctorStatus::Fine, found)
        }
        Ok(bytes) => {
            let found = format!("{} are free in {shown}", amount(bytes as f64));
            let check = DoctorCheck::new("disk", DoctorStatus::Warning, found);
            check.advise("a full frame takes 70 MB; cutouts (--cutout-size) take a hundredth")
        }
        Err(error) => DoctorCheck::new("disk", DoctorStatus::Warning, format!("{shown}: {error}")),
    }
}

fn calibration(directory: &Path) -> DoctorCheck {
    let name = "calibration";
    let shown = directory.display();
    let entries = match calibration_status(directory) {
        Ok(entries) => entries,
        Err(PipelineError::NothingFound(_)) => Vec::new(),
        Err(error) => return DoctorCheck::new(name, DoctorStatus::Failed, format!("{shown}: {error}")),
    };
    let count = |status| entries.iter().filter(|entry| entry.status == status).count();
    let (present, damaged) = (count(CalibrationStatus::Present), count(CalibrationStatus::Damaged));
    let fetch = "`spx calibration fetch` downloads what is missing";
    if damaged > 0 {
        let found = format!("{damaged} of {} products in {shown} are damaged", present + damaged);
        DoctorCheck::new(name, DoctorStatus::Failed, found).advise(fetch)
    } else if present == 0 {
        let found = format!("no products in {shown}, without which the two releases are not on one scale");
        DoctorCheck::new(name, DoctorStatus::Warning, found).advise(fetch)
    } else {
        DoctorCheck::new(name, DoctorStatus::Fine, format!("{present} products in {shown}"))
    }
}

/// Settings that come from the environment, which people forget.
fn environment() -> DoctorCheck {
    let settings = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok()?;
        name.starts_with("SPX_").then(|| format!("{name}={}", value.to_string_lossy()))
    });
    let mut settings: Vec<String> = settings.collect();
    settings.sort();
    let found = if settings.is_empty() { "sets nothing".to_owned() } else { settings.join(", ") };
    DoctorCheck::new("environment", DoctorStatus::Fine, found)
}

fn proxies() -> DoctorCheck {
    let except = ["NO_PROXY", "no_proxy"].iter().find_map(|name| std::env::var(name).ok());
    let except = except.filter(|hosts| !hosts.is_empty());
    let found = match (spx_archive::proxy_in_use(), except) {
        (None, _) => "none".to_owned(),
        (Some(proxy), None) => proxy,
        (Some(proxy), Some(hosts)) => format!("{proxy}, not for {hosts}"),
    };
    DoctorCheck::new("proxy", DoctorStatus::Fine, found)
}

/// Asks for the images of the Cloverleaf, which the survey has seen.
fn archive(url: &ArchiveUrl, listener: &dyn Listener) -> DoctorCheck {
    let options = ClientOptions {
        retry: RetryOptions { attempts: 1, ..RetryOptions::default() },
        ..ClientOptions::default()
    };
    let client = ArchiveClient::new(url.clone(), options);
    let place = match Position::new(213.9427, 11.4954) {
        Ok(place) => place,
        Err(error) => return DoctorCheck::new("archive", DoctorStatus::Failed, error.to_string()),
    };
    let begin = Instant::now();
    match client.search(&Selection::new(SearchShape::Point(place)), listener) {
        Ok(found) => {
            let (images, seconds) = (found.observations.len(), begin.elapsed().as_secs_f64());
            let found =
                format!("{url} answers after {seconds:.1} s: {images} images of RA 213.9427 Dec 11.4954");
            DoctorCheck::new("archive", DoctorStatus::Fine, found)
        }
        Err(error) => {
            let check = DoctorCheck::new("archive", DoctorStatus::Failed, format!("{url}: {error}"));
            check.advise("is the network up, is a proxy needed (HTTPS_PROXY)? --offline skips this check")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_are_written_to_where_output_would_go() {
        let folder = tempfile::tempdir().unwrap();
        let found = disk(&folder.path().join("not/yet/there"));
        assert_ne!(found.status, DoctorStatus::Failed, "{found:?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left there");
        assert_eq!(calibration(folder.path()).status, DoctorStatus::Warning);
    }
}
