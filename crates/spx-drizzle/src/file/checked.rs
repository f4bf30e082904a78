//! HDUs of running sums, none of which is believed whose checksum is wrong.

use spx_core::fits::FitsReader;

use super::error::CubeFileProblem;

/// Moves to an HDU, compares its checksum with its bytes, and reads it; whatever goes wrong there
/// is damage.
pub(super) fn checked<T>(
    reader: &mut FitsReader,
    name: &str,
    read: impl FnOnce(&mut FitsReader) -> Result<T, CubeFileProblem>,
) -> Result<T, CubeFileProblem> {
    verify(reader, name)?;
    read(reader).map_err(|problem| CubeFileProblem::Broken(format!("HDU {name}: {problem}")))
}

/// Moves to an HDU and compares its checksum with its bytes.
pub(super) fn verify(reader: &mut FitsReader, name: &str) -> Result<(), CubeFileProblem> {
    match reader.move_to(name).and_then(|()| reader.verify_checksum()) {
        Ok(Some(true)) => Ok(()),
        Ok(_) => Err(CubeFileProblem::Damaged(name.to_owned())),
        Err(error) => Err(CubeFileProblem::Broken(format!("HDU {name}: {error}"))),
    }
}

/// TFORM of a column that holds these texts.
pub(super) fn text_format(texts: &[&str]) -> String {
    format!("{}A", texts.iter().map(|text| text.len()).max().unwrap_or(0).max(1))
}
