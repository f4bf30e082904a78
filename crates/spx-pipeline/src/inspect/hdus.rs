//! The HDUs of a file: names, types, shapes.

use std::path::Path;

use serde::Serialize;
use spx_core::fits::{FitsError, FitsReader};
use spx_core::header::Header;

use crate::{PipelineError, ResultContext as _};

/// An HDU as it is listed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HduListing {
    /// EXTNAME, or PRIMARY.
    pub name: String,
    /// What it holds.
    pub content: HduContent,
}

/// What an HDU holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum HduContent {
    /// A header only.
    Empty,
    /// An image.
    Image {
        /// Such as `float32`.
        pixels: String,
        /// Slowest axis first.
        shape: Vec<usize>,
        /// BUNIT.
        unit: Option<String>,
    },
    /// A table.
    Table {
        /// Number of rows.
        rows: usize,
        /// Name and TFORM.
        columns: Vec<[String; 2]>,
    },
}

/// The HDUs of a file, and to which release it belongs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct HduList {
    pub(super) list: Vec<HduListing>,
    /// `QR2` or `QR3`; `None` where nothing tells.
    pub(super) release: Option<&'static str>,
}

/// Lists the HDUs of a spectral image.
///
/// # Errors
/// Where the file is no FITS file or is damaged, and where it is a cube; the message names the
/// file.
pub(super) fn list(path: &Path) -> Result<HduList, PipelineError> {
    let file = || path.display().to_string();
    let mut reader = FitsReader::open(path).with_context(file)?;
    let names = reader.hdu_names().with_context(file)?;
    let has = |name: &str| names.iter().any(|n| n == name);
    if has("SCI") && has("WAVELENGTH") {
        let problem = format!("{}: it is a cube, not a spectral image", path.display());
        return Err(
            PipelineError::failed(problem).with_hint(format!("`spx cube info {}` shows it", path.display()))
        );
    }
    let mut list = Vec::new();
    let mut flags = Header::new();
    for (index, name) in names.iter().enumerate() {
        reader.move_to_index(index).with_context(file)?;
        let header = reader.header().with_context(file)?;
        let content = content(&mut reader, &header).with_context(file)?;
        list.push(HduListing { name: name.clone(), content });
        if name == "FLAGS" {
            flags = header;
        }
    }
    let release = release(&list, &flags);
    Ok(HduList { list, release })
}

fn content(reader: &mut FitsReader, header: &Header) -> Result<HduContent, FitsError> {
    match reader.image_shape() {
        Ok(shape) if shape.is_empty() => Ok(HduContent::Empty),
        Ok(shape) => Ok(HduContent::Image {
            pixels: pixel_type(header),
            shape,
            unit: header.optional_text("BUNIT").ok().flatten().map(str::to_owned),
        }),
        Err(FitsError::NotAnImage { .. }) => {
            let columns = reader.columns()?.into_iter().map(|c| [c.name, c.format]).collect();
            Ok(HduContent::Table { rows: reader.table_rows()?, columns })
        }
        Err(error) => Err(error),
    }
}

/// BITPIX by the name that numpy has for it, with the unsigned types that BZERO makes.
fn pixel_type(header: &Header) -> String {
    let (bits, zero) = (header.integer("BITPIX").unwrap_or(0), header.real("BZERO").unwrap_or(0.0));
    match bits {
        ..0 => format!("float{}", -bits),
        8 => "uint8".to_owned(),
        16 if zero == 32_768.0 => "uint16".to_owned(),
        32 if zero == 2_147_483_648.0 => "uint32".to_owned(),
        _ => format!("int{bits}"),
    }
}

/// Quick Release 3 has EPSF for PSF, and names the flags in cards MSKNnnnn rather than `MP_<NAME>`.
fn release(list: &[HduListing], flags: &Header) -> Option<&'static str> {
    let has = |name: &str| list.iter().any(|hdu| hdu.name == name);
    let card = |start: &str| flags.cards().iter().any(|card| card.keyword.starts_with(start));
    if has("EPSF") || card("MSKN") {
        Some("QR3")
    } else if has("PSF") || card("MP_") {
        Some("QR2")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_the_names_of_numpy() {
        let name = |cards: &str| pixel_type(&Header::parse(cards).unwrap());
        assert_eq!(name("BITPIX  = -32\n"), "float32");
        assert_eq!(name("BITPIX  = 32\n"), "int32");
        assert_eq!(name("BITPIX  = 32\nBZERO   = 2147483648\n"), "uint32");
        assert_eq!(name("BITPIX  = 16\nBZERO   = 32768.0\n"), "uint16");
    }

    #[test]
    fn releases_differ_in_hdus_and_cards() {
        let hdu = |name: &str| [HduListing { name: name.to_owned(), content: HduContent::Empty }];
        let flags = |cards: &str| Header::parse(cards).unwrap();
        assert_eq!(release(&hdu("PSF"), &Header::new()), Some("QR2"));
        assert_eq!(release(&hdu("EPSF"), &Header::new()), Some("QR3"));
        assert_eq!(release(&hdu("IMAGE"), &flags("MP_HOT  = 10\n")), Some("QR2"));
        assert_eq!(release(&hdu("IMAGE"), &flags("MSKN0010= 'HOT'\n")), Some("QR3"));
        assert_eq!(release(&hdu("IMAGE"), &Header::new()), None);
    }
}
