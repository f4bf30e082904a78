//! The truth as a table.

use std::fmt::Write as _;
use std::path::Path;

use crate::error::SimError;
use crate::sky::{SimulatedSky, SurfaceProfile};

/// Writes stars and extended sources as CSV with the columns `id`, `kind` (`star`, `extended` for a
/// Gaussian, `exponential`, `uniform`), `ra`, `dec` \[deg\], `flux_2um_ujy` (f_nu at 2 um \[uJy\]),
/// `slope` (of f_nu in wavelength) and `radius_arcsec` (of the profile, 0 for stars). Numbers have
/// as many digits as read back to the same bits. The name must be free.
///
/// # Errors
/// Where the file exists or cannot be written.
pub fn write_truth(path: &Path, sky: &SimulatedSky) -> Result<(), SimError> {
    spx_core::atomic::write(path, table(sky).as_bytes(), false)
        .map_err(|source| SimError::Io { path: path.to_owned(), source })
}

fn table(sky: &SimulatedSky) -> String {
    let mut text = "id,kind,ra,dec,flux_2um_ujy,slope,radius_arcsec\n".to_owned();
    let stars = sky.stars.iter().map(|s| (&s.id, "star", s.position, s.flux_2um, s.slope, 0.0));
    let kind = |profile| match profile {
        SurfaceProfile::Gaussian => "extended",
        SurfaceProfile::Exponential => "exponential",
        SurfaceProfile::Uniform => "uniform",
    };
    let extended =
        sky.extended.iter().map(|e| (&e.id, kind(e.profile), e.position, e.flux_2um, e.slope, e.radius));
    for (id, kind, position, flux, slope, radius) in stars.chain(extended) {
        let (ra, dec) = (position.ra(), position.dec());
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{},{kind},{ra},{dec},{flux},{slope},{radius}", quoted(id));
    }
    text
}

/// Quoted as CSV demands it (RFC 4180).
fn quoted(id: &str) -> String {
    if id.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", id.replace('"', "\"\""))
    } else {
        id.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use spx_core::sky::Position;

    use super::*;
    use crate::sky::SimulatedStar;

    #[test]
    fn one_line_a_source() {
        let position = Position::new(10.1, -0.3).unwrap();
        let star = |id: &str| SimulatedStar { id: id.into(), position, flux_2um: 100.0, slope: -0.5 };
        let sky = SimulatedSky { stars: vec![star("S1"), star("a,\"b\"")], ..SimulatedSky::default() };
        let expected = "id,kind,ra,dec,flux_2um_ujy,slope,radius_arcsec\n\
                        S1,star,10.1,-0.3,100,-0.5,0\n\
                        \"a,\"\"b\"\"\",star,10.1,-0.3,100,-0.5,0\n";
        assert_eq!(table(&sky), expected);
    }
}
