//! Simulated files, and `spx` run on them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, bail};
use rayon::prelude::*;
use spx_core::fits::FitsReader;
use spx_core::sky::Position;
use spx_sim::{ExposureOptions, Pointing, SimulatedExposure, SimulatedSky, observe, write_mef};
use spx_wcs::OutputGrid;

/// How much is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimulationSize {
    /// Enough to test the demands.
    Full,
    /// A few seconds; statistical errors are large.
    Quick,
}

impl SimulationSize {
    pub(crate) fn choose<T>(self, full: T, quick: T) -> T {
        if self == Self::Full { full } else { quick }
    }
}

/// Runs `spx` in a directory of its own.
#[derive(Debug)]
pub struct SpxRunner {
    spx: PathBuf,
    folder: tempfile::TempDir,
}

/// Where fields are simulated: NGC 4395, as everywhere in this project.
pub(crate) fn center() -> Result<Position> {
    Ok(Position::new(186.4536, 33.5468)?)
}

impl SpxRunner {
    /// For the binary `spx`, with a new directory for temporary files.
    ///
    /// # Errors
    /// Where the directory cannot be made.
    pub fn new(spx: &Path) -> Result<Self> {
        let spx = spx.canonicalize().with_context(|| spx.display().to_string())?;
        Ok(Self { spx, folder: tempfile::tempdir()? })
    }

    /// A path in the directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes exposures into the subdirectory `name`; each has options of its own.
    pub(crate) fn simulate(
        &self,
        name: &str,
        sky: &SimulatedSky,
        exposures: &[(Pointing, ExposureOptions)],
    ) -> Result<PathBuf> {
        self.simulate_changed(name, sky, exposures, |_, _| Ok(()))
    }

    /// The same, with a change of each, by its number.
    pub(crate) fn simulate_changed(
        &self,
        name: &str,
        sky: &SimulatedSky,
        exposures: &[(Pointing, ExposureOptions)],
        change: impl Fn(usize, &mut SimulatedExposure) -> Result<()> + Sync,
    ) -> Result<PathBuf> {
        let folder = self.path(name);
        std::fs::create_dir_all(&folder)?;
        exposures.par_iter().enumerate().try_for_each(|(k, (pointing, options))| -> Result<()> {
            let mut exposure = observe(sky, pointing, options)?;
            change(k, &mut exposure)?;
            Ok(write_mef(&folder.join(pointing.file_name(options.release)), &exposure, false)?)
        })?;
        Ok(folder)
    }

    /// Removes a subdirectory.
    pub(crate) fn forget(&self, name: &str) -> Result<()> {
        Ok(std::fs::remove_dir_all(self.path(name))?)
    }

    /// True where the help of a command names an option.
    pub(crate) fn knows(&self, command: &str, option: &str) -> Result<bool> {
        let help = Command::new(&self.spx).args([command, "--help"]).output()?;
        Ok(String::from_utf8_lossy(&help.stdout).contains(option))
    }

    /// Runs a command in the directory, which tells nothing but its results; an error where it
    /// fails.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<String> {
        let output = self.output(&[arguments, &["--quiet"]].concat())?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The same, with what the command tells the user.
    pub(crate) fn told(&self, arguments: &[&str]) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.output(arguments)?.stderr).into_owned())
    }

    fn output(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = Command::new(&self.spx);
        command.args(arguments).current_dir(self.folder.path());
        // Nothing but the arguments decides what is measured.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SPX_")) {
            command.env_remove(name);
        }
        // Calibration products are those that the measurement puts there.
        command.env("XDG_CACHE_HOME", self.path("cache"));
        let output = command.output().with_context(|| self.spx.display().to_string())?;
        if !output.status.success() {
            let told = String::from_utf8_lossy(&output.stderr);
            bail!("spx {}: {}\n{told}", arguments.join(" "), output.status);
        }
        Ok(output)
    }
}

/// A cube as it was written.
pub(crate) struct MeasuredCube {
    pub(crate) grid: OutputGrid,
    /// Planes, rows, columns.
    pub(crate) shape: [usize; 3],
    pub(crate) science: Vec<f32>,
    pub(crate) variance: Vec<f32>,
}

impl MeasuredCube {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let mut file = FitsReader::open(path)?;
        file.move_to("SCI")?;
        let shape = file.image_shape()?;
        let shape: [usize; 3] = shape.try_into().ok().context("SCI has not three axes")?;
        let grid = OutputGrid::from_header(&file.header()?, [shape[1], shape[2]])?;
        let mut plane = |name: &str| -> Result<Vec<f32>> {
            file.move_to(name)?;
            let mut values = vec![0.0; shape.iter().product()];
            file.read_pixels(0, &mut values)?;
            Ok(values)
        };
        let (science, variance) = (plane("SCI")?, plane("VARIANCE")?);
        Ok(Self { grid, shape, science, variance })
    }

    /// The pixels of a plane of SCI.
    pub(crate) fn plane(&self, z: usize) -> &[f32] {
        let count = self.shape[1] * self.shape[2];
        &self.science[z * count..(z + 1) * count]
    }
}
