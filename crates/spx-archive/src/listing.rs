//! Listings of folders of the archive (IRSA's IBE, `/ibe/dir/list/...`): one JSON object a line
//! with the name of a file or folder.

use std::io::Read as _;

use serde::Deserialize;
use spx_core::detector::Detector;
use spx_core::progress::Progress;
use spx_core::release::DataRelease;
use ureq::http::{Method, header};

use crate::client::ArchiveClient;
use crate::error::ArchiveError;
use crate::http::{Request, body_error};
use crate::path::ArchivePath;

/// The longest listing that is read \[bytes\].
const LONGEST: u64 = 16 << 20;

/// A kind of calibration product, by the folder that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CalibrationFamily {
    /// Wavelength and bandwidth of each pixel.
    SpectralWcs,
    /// Solid angle of each pixel.
    SolidAngle,
    /// Effective point spread functions.
    Epsf,
    /// Factors that bring images of pipeline 6 to the flux scale of pipeline 7.
    FluxCorrections,
}

impl CalibrationFamily {
    /// All that spx uses.
    pub const ALL: [Self; 4] = [Self::SpectralWcs, Self::SolidAngle, Self::Epsf, Self::FluxCorrections];

    /// The name of its folder, with which names of its files begin.
    pub fn name(self) -> &'static str {
        match self {
            Self::SpectralWcs => "spectral_wcs",
            Self::SolidAngle => "solid_angle_pixel_map",
            Self::Epsf => "epsf",
            Self::FluxCorrections => "l3_flux_corrections",
        }
    }
}

impl std::fmt::Display for CalibrationFamily {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for CalibrationFamily {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = || Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|family| family.name() == text);
        found.ok_or_else(|| format!("unknown kind of calibration product `{text}`: expected {}", known()))
    }
}

/// What makes a calibration product newer: date, then version, then name.
pub type CalibrationAge = (u16, u16, u32, String);

/// The age of a token such as `cal-swcs-v5-2026-191`, `None` where it is none.
pub fn calibration_age(token: &str) -> Option<CalibrationAge> {
    let (_, made) = token.strip_prefix("cal-")?.split_once("-v")?;
    let mut parts = made.split('-');
    let version = parts.next()?.parse().ok()?;
    let (year, day) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    parts.next().is_none().then(|| (year, day, version, token.to_owned()))
}

/// A calibration product that the archive has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedProduct {
    /// What it is.
    pub family: CalibrationFamily,
    /// Its detector.
    pub detector: Detector,
    /// The release in whose folder it is.
    pub release: DataRelease,
    /// Its version, such as `cal-swcs-v5-2026-191`.
    pub token: String,
    /// The file.
    pub uri: ArchivePath,
}

#[derive(Deserialize)]
struct ListingLine {
    name: String,
}

/// The names of a listing, an object of JSON on each line.
pub(crate) fn names(text: &str) -> Result<Vec<String>, serde_json::Error> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    // A listing of another folder could send us anywhere.
    let name = |line: &str| {
        let ListingLine { name } = serde_json::from_str(line)?;
        Ok(name.trim_end_matches('/').to_owned())
    };
    lines.map(name).collect()
}

impl ArchiveClient {
    /// The names of what a folder below `ibe/data/spherex/` holds, such as `qr3/epsf`; none where
    /// there is no such folder.
    ///
    /// # Errors
    /// [`ArchiveError`] where the archive cannot be asked, or answers something else than a
    /// listing.
    pub fn list_folder(&self, folder: &str, progress: &dyn Progress) -> Result<Vec<String>, ArchiveError> {
        let url = self.base().listing(folder);
        let session = self.session();
        let patience = session.options().stall_timeout;
        let request = session.request(Method::GET, url.clone(), patience);
        let cancelled = || progress.cancelled();
        let text = session.retried(
            &cancelled,
            |_| false,
            || {
                let reply = session.http().send(&request, &cancelled)?;
                let mut text = String::new();
                reply
                    .into_decoded()
                    .take(LONGEST)
                    .read_to_string(&mut text)
                    .map_err(|e| body_error(&url, &e))?;
                Ok(text)
            },
        );
        let text = match text {
            Err(ArchiveError::Status { status: 404, .. }) => return Ok(Vec::new()),
            text => text?,
        };
        names(&text).map_err(|e| ArchiveError::Protocol {
            url: crate::http::shown(&url),
            problem: format!("it is not a listing of a folder: {e}"),
        })
    }

    /// The newest calibration product of each kind and detector, in whatever release it is.
    ///
    /// # Errors
    /// As [`list_folder`](Self::list_folder).
    pub fn newest_calibration(
        &self,
        families: &[CalibrationFamily],
        detectors: &[Detector],
        progress: &dyn Progress,
    ) -> Result<Vec<ListedProduct>, ArchiveError> {
        let mut found = Vec::new();
        for &family in families {
            let mut tokens = Vec::new();
            for release in DataRelease::ALL {
                let names = self.list_folder(&format!("{release}/{family}"), progress)?;
                tokens
                    .extend(names.into_iter().filter_map(|token| Some((calibration_age(&token)?, release))));
            }
            // Newest first: a detector is taken from the first token whose folder has it.
            tokens.sort_by(|a, b| b.cmp(a));
            let mut left = detectors.to_vec();
            for ((.., token), release) in tokens {
                if left.is_empty() {
                    break;
                }
                let names = self.list_folder(&format!("{release}/{family}/{token}"), progress)?;
                for name in names {
                    let at = left.iter().position(|detector| detector.number().to_string() == name);
                    let Some(at) = at else { continue };
                    let detector = left.swap_remove(at);
                    let file = format!("{family}_{detector}_spx_{token}.fits");
                    let uri =
                        format!("{}{release}/{family}/{token}/{name}/{file}", ArchivePath::ROOT).parse();
                    let uri = uri.map_err(|e: crate::path::ArchivePathError| ArchiveError::Protocol {
                        url: self.base().to_string(),
                        problem: e.to_string(),
                    })?;
                    found.push(ListedProduct { family, detector, release, token: token.clone(), uri });
                }
            }
        }
        found.sort_by_key(|product| (product.family, product.detector));
        Ok(found)
    }

    /// ETag and size of a file, as far as the archive says.
    ///
    /// # Errors
    /// [`ArchiveError`] where the archive cannot be asked or has no such file.
    pub fn file_state(
        &self,
        uri: &ArchivePath,
        progress: &dyn Progress,
    ) -> Result<(Option<String>, Option<u64>), ArchiveError> {
        let session = self.session();
        let patience = session.options().stall_timeout;
        let request = Request::new(Method::HEAD, self.base().file(uri), patience, patience);
        let cancelled = || progress.cancelled();
        session.retried(
            &cancelled,
            |_| false,
            || {
                let reply = session.http().send(&request, &cancelled)?;
                let etag = reply.header(header::ETAG).filter(|etag| !etag.starts_with("W/"));
                Ok((etag.map(str::to_owned), reply.content_length()))
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_tokens_are_greater() {
        let age = |token: &str| calibration_age(token);
        assert!(age("cal-swcs-v5-2026-191") > age("cal-wcs-v4-2025-254"));
        assert!(age("cal-epsf-v2-2026-191") > age("cal-epsf-v1-2026-191"));
        assert!(age("cal-psf-v5-2026-082") > age("cal-psf-v5-2025-206"));
        for bad in ["cal-epsf", "epsf-v1-2026-191", "cal-epsf-v1-2026", "cal-epsf-v1-2026-191-2", ".."] {
            assert_eq!(age(bad), None, "{bad}");
        }
    }
}
