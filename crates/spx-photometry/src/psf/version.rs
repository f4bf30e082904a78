//! Versions of the SPHEREx pipeline, as PEP 440 orders them.

/// The first version whose cards are in the order of the planes.
const FIRST_RIGHT: [u64; 3] = [6, 5, 6];

/// True where files of a pipeline version list the zones of the PSF in the wrong order: before
/// 6.5.6 unless the local part of the version contains `psffix1`; also where there is no version,
/// or none that can be read, for ordering zones by their names does no harm to cards that are
/// right.
pub fn has_zone_erratum(version: Option<&str>) -> bool {
    let Some(version) = version else { return true };
    let (public, local) = version.split_once('+').unwrap_or((version, ""));
    !local.to_ascii_lowercase().contains("psffix1") && is_before_first_right(public).unwrap_or(true)
}

/// Whether the public part of a version lies before [`FIRST_RIGHT`]; `None` where it is no version.
///
/// PEP 440: an epoch `N!` goes before all else; missing release numbers are zero; of the same
/// release, `dev` and pre-releases (`a`, `b`, `rc` and their other spellings) come before it,
/// post-releases after it.
fn is_before_first_right(public: &str) -> Option<bool> {
    let text = public.trim().to_ascii_lowercase();
    let text = text.strip_prefix('v').unwrap_or(&text);
    let (epoch, text) = match text.split_once('!') {
        Some((epoch, text)) => (epoch.parse::<u64>().ok()?, text),
        None => (0, text),
    };
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (release, suffix) = text.split_at(end);
    let mut numbers =
        release.trim_end_matches('.').split('.').map(str::parse).collect::<Result<Vec<u64>, _>>().ok()?;
    while numbers.last() == Some(&0) {
        numbers.pop();
    }
    if epoch > 0 {
        return Some(false);
    }
    let suffix = suffix.trim_start_matches(['.', '-', '_']);
    let earlier = ["a", "b", "c", "rc", "alpha", "beta", "pre", "preview", "dev"];
    let word: String = suffix.chars().take_while(char::is_ascii_alphabetic).collect();
    Some(match numbers.as_slice().cmp(&FIRST_RIGHT) {
        std::cmp::Ordering::Equal => earlier.contains(&word.as_str()),
        order => order.is_lt(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_before_the_correction() {
        let wrong = [
            "6.4",
            "6.5",
            "6.5.4",
            "6.5.5",
            "6.5.4+other",
            "6.5.6rc1",
            "6.5.6.dev3",
            "6.5.6a2",
            "6.5.6-beta1",
            "5.9.9",
            "6.5.5.post9",
            "v6.5.5",
            "6",
            "",
            "unknown",
            "6.x",
        ];
        for version in wrong {
            assert!(has_zone_erratum(Some(version)), "{version}");
        }
        assert!(has_zone_erratum(None));
    }

    #[test]
    fn versions_since_the_correction() {
        let right = [
            "6.5.6",
            "6.5.6.0",
            "6.5.7",
            "6.5.10",
            "6.10",
            "6.10.1",
            "7.0",
            "7",
            "10.0",
            "6.5.6.post1",
            "6.5.6-1",
            "6.5.6.post1.dev2",
            "6.5.6.1",
            "6.5.7rc1",
            "1!0.1",
            "v6.5.7",
            "6.4+psffix1",
            "6.5.4+psffix1",
            "6.5.4+psffix1.2",
            "6.5.4+local.psffix1",
            "6.5.6+abc",
        ];
        for version in right {
            assert!(!has_zone_erratum(Some(version)), "{version}");
        }
    }
}
