//! A survey: a cube for each tile of the sky and each detector, made by any number of processes on
//! any number of machines that share a directory, and kept up to date week by week.
//!
//! [`plan_survey`] cuts a region into HEALPix cells, finds the frames that reach each, and writes
//! the directory; [`do_jobs`] makes what is not up to date; [`survey_status`] tells how far it is.
//! There is no daemon and no database:
//!
//! | file | |
//! |---|---|
//! | `survey.toml`, `drizzle.toml`, `mosaic.toml`, `hips.toml`, `photometry.toml` | the resolved settings |
//! | `scratch/` | frames of an archive, where nothing else is said ([`ScratchDirectory`]) |
//! | `frames.tsv` | one line a frame: what it is, its outline on the sky ([`SurveyFrame`]) |
//! | `jobs.tsv` | one line a job ([`SurveyJob`]), for engines to read |
//! | `jobs/JOB.list` | the frames of a job by time, a line each: path, tab, bytes |
//! | `sources.parquet` | the catalog of the photometry, sorted |
//! | `sums/JOB.fits` | its running sums, to which later frames are added |
//! | `out/JOB.fits` | its cube, or mosaic |
//! | `hips/` | a HiPS, of which a job makes the tiles of a cell |
//! | `catalog/` | light curves: a HATS data set, of which each job of photometry writes a part |
//! | `done/JOB.toml` | its record ([`JobRecord`]), written last |
//! | `failed/JOB.txt` | why it failed |
//! | `zodi/` | fits of the zodiacal light, a file for each frame, for the jobs that share it |
//!
//! A job is up to date where its record names the same settings and the same frames, and its cube
//! has the size that the record tells. Any process may do any job at any time: two at work on the
//! same one are kept apart by a lock, and one that is killed leaves what was there before.

mod directory;
mod hips;
mod mosaic;
mod photometry;
mod plan;
mod record;
mod remote;
mod run;
mod settings;
mod shard;
mod status;

pub use directory::{JobKind, SurveyDirectory, SurveyJob};
pub use plan::{SurveyPlanReport, forecast_survey, plan_survey};
pub use record::{JobRecord, JobState};
pub use remote::ScratchDirectory;
pub use run::{JobChoice, JobOutcome, JobReport, do_jobs, source_light_curve};
pub use settings::SurveyConfig;
pub use shard::SurveyShard;
pub use status::{SurveyStatus, survey_status};

pub use crate::tiling::{SkyTile, SurveyFrame, TileOrder, read_frames, write_frames};
