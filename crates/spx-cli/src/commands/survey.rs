//! `spx survey`: cubes, mosaics, a HiPS and light curves of the sky, by any engine.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use spx_pipeline::output::check_directory;
use spx_pipeline::settings::SettingLimits;
use spx_pipeline::survey::{
    JobChoice, JobOutcome, JobReport, JobState, ScratchDirectory, SurveyConfig, SurveyShard, do_jobs,
    forecast_survey, plan_survey, survey_status,
};

use super::forecast::show_forecast;
use crate::exit::{CommandResult, Outcome};
use crate::global::Global;
use crate::setting_args::{SettingArgs, number};
use crate::ui;

/// Make cubes, mosaics, a HiPS and light curves of the sky, with any number of processes.
///
/// `plan` divides a region into HEALPix cells and writes the jobs, `do` makes what is not up to
/// date, `status` shows the progress. The processes share only a directory. Run the three again
/// when frames have arrived: these are added to the cubes that they reach.
#[derive(Debug, Args)]
pub(crate) struct SurveyArgs {
    #[command(subcommand)]
    command: SurveyCommand,
}

#[derive(Debug, Subcommand)]
enum SurveyCommand {
    Plan(Box<PlanArgs>),
    Do(DoArgs),
    Status(StatusArgs),
}

/// Find the tiles of a region and the frames of each, and write the jobs.
///
/// The directory holds survey.toml, drizzle.toml and others (settings), frames.tsv (frames and
/// their outlines), jobs.tsv (a line per job: its product, number and bytes of frames, approximate
/// memory and time) and jobs/JOB.list (the frames of a job). If you plan again, unchanged lists are
/// not touched, and only new files are opened.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx survey plan --grid hp5 --ra 270 --dec 66.56 --radius 5 --input frames/ -o survey
  spx survey plan --config survey/survey.toml
  spx survey plan --grid hp5 --ra 270 --dec 66.56 --radius 5 --input frames/ --no-cubes --hips hips.toml
  spx survey plan --grid hp5 --ra 270 --dec 66.56 --radius 5 --input frames/ --catalog sources.csv --photometry cloverleaf.toml
  spx survey plan --grid hp6 --ra 10 --dec 41 --radius 2 --detectors 3,4 --drizzle fine.toml --input @all.list")]
struct PlanArgs {
    #[command(flatten)]
    settings: SettingArgs<SurveyConfig>,
    /// Tell what would be planned, and change nothing on the disk
    #[arg(long)]
    dry_run: bool,
}

/// Do the jobs that are not up to date.
///
/// A job whose record agrees with its list and the settings is skipped. New frames are added to the
/// running sums of a job; where settings have changed, or a frame is gone from the list, the cube
/// is made again. The record, done/JOB.toml, is written last. Any process may do any job; a lock
/// keeps two from working on the same one.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx survey do survey
  spx survey do survey --job hp5-7133_D3 --threads 1
  sbatch --array=0-199 --wrap 'spx survey do survey --shard auto/200'
  spx survey do survey --dry-run --json

Exit codes: 0 all of these jobs are up to date, 1 some failed, 2 usage, 5 some need more memory than is available, 75
another process is working on some: try again later, 130 interrupted; sums and cubes are as they were before the current job.")]
struct DoArgs {
    /// Directory of the survey
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Only this job
    #[arg(long, value_name = "JOB", conflicts_with = "shard")]
    job: Option<String>,
    /// A share of the jobs: 3/200, from 0/200 on; auto/200 or auto with the task number of Slurm or
    /// AWS Batch
    #[arg(long, value_name = "SHARD")]
    shard: Option<String>,
    /// Directory for frames of the archive, which jobs of a machine share; by default scratch/ in
    /// the survey
    #[arg(long, value_name = "DIR", env = "SPX_SCRATCH")]
    scratch: Option<PathBuf>,
    /// Above this size, remove frames from it that no job needs now, the least recently used first
    /// [GiB]
    #[arg(long, value_name = "GIB", env = "SPX_SCRATCH_MAX", value_parser = number(SettingLimits::above(0.0, 1e9)))]
    scratch_max: Option<f64>,
    /// Only show what would be done
    #[arg(long)]
    dry_run: bool,
}

/// Show the progress of a survey.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx survey status survey
  spx survey status survey --list failed
  spx survey status survey --json | jq .cpu_s_left

Exit codes: 0 all jobs are up to date, 1 some failed, 2 usage, 4 some are not done yet.")]
struct StatusArgs {
    /// Directory of the survey
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Print the names of the jobs in this state
    #[arg(long, value_name = "STATE")]
    list: Option<ListedState>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ListedState {
    Complete,
    Missing,
    Stale,
    Failed,
}

impl From<ListedState> for JobState {
    fn from(state: ListedState) -> Self {
        match state {
            ListedState::Complete => Self::Complete,
            ListedState::Missing => Self::Missing,
            ListedState::Stale => Self::Stale,
            ListedState::Failed => Self::Failed,
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: &SurveyArgs, global: &Global) -> CommandResult {
    match &args.command {
        SurveyCommand::Plan(args) => plan(args, global),
        SurveyCommand::Do(args) => do_survey(args, global),
        SurveyCommand::Status(args) => status(args, global),
    }
}

fn plan(args: &PlanArgs, global: &Global) -> CommandResult {
    let config = args.settings.resolve()?;
    ui::catch_interrupts()?;
    if args.dry_run {
        return show_forecast(&forecast_survey(&config, &global.terminal())?, global);
    }
    let report = plan_survey(&config, &global.terminal())?;
    let text = format!(
        "{} tiles, {} frames ({} superseded, {} failed): {} jobs, {} of them new or changed; about {:.1} core-hours and \
         {:.2} TB to read from scratch",
        report.tiles,
        report.frames,
        report.superseded,
        report.failed,
        report.jobs,
        report.changed,
        report.cpu_s as f64 / 3600.0,
        report.bytes_in as f64 / 1e12
    );
    ui::note(global.verbosity(), &text);
    if global.json {
        ui::data(&format!("{}\n", serde_json::to_string_pretty(&report)?))?;
    }
    Ok(if report.failed > 0 { Outcome::Failed } else { Outcome::Done })
}

fn do_survey(args: &DoArgs, global: &Global) -> CommandResult {
    let choice = match (&args.job, &args.shard) {
        (Some(job), _) => JobChoice::One(job.clone()),
        (None, Some(shard)) => {
            let variable = |name: &str| std::env::var(name).ok();
            JobChoice::Shard(SurveyShard::parse(shard, variable)?)
        }
        (None, None) => JobChoice::All,
    };
    ui::catch_interrupts()?;
    let scratch = scratch(args);
    if let Some(ScratchDirectory { root, most_bytes }) = &scratch {
        check_directory(root)?;
        let most = most_bytes.map_or_else(String::new, |bytes| format!(", at most {bytes} bytes"));
        ui::detail(global.verbosity(), &format!("frames of the archive: {}{most}", root.display()));
    }
    ui::detail(global.verbosity(), &told_choice(&choice));
    let reports = do_jobs(&args.directory, &choice, scratch, args.dry_run, &global.terminal())?;
    reports.iter().for_each(|report| tell(report, global));
    let count = |outcome: JobOutcome| reports.iter().filter(|report| report.outcome == outcome).count();
    let (done, skipped) = (count(JobOutcome::Done), count(JobOutcome::Skipped));
    ui::note(global.verbosity(), &format!("{} jobs: {done} done, {skipped} up to date", reports.len()));
    if global.json {
        ui::data(&format!("{}\n", serde_json::to_string_pretty(&reports)?))?;
    }
    let ends = [
        (JobOutcome::Failed, Outcome::Failed),
        (JobOutcome::Refused, Outcome::Refused),
        (JobOutcome::Busy, Outcome::TryAgain),
    ];
    let worst = ends.into_iter().find(|(outcome, _)| count(*outcome) > 0);
    Ok(worst.map_or(Outcome::Done, |(_, end)| end))
}

fn told_choice(choice: &JobChoice) -> String {
    match choice {
        JobChoice::All => "jobs: all".to_owned(),
        JobChoice::One(job) => format!("jobs: {job} alone"),
        JobChoice::Shard(shard) => format!("jobs: share {shard}"),
    }
}

/// Where frames of an archive are kept, where the user says so.
fn scratch(args: &DoArgs) -> Option<ScratchDirectory> {
    if args.scratch.is_none() && args.scratch_max.is_none() {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes, above 0")]
    let most_bytes = args.scratch_max.map(|gib| (gib * f64::from(1 << 30)) as u64);
    let root = args.scratch.clone().unwrap_or_else(|| args.directory.join("scratch"));
    Some(ScratchDirectory { root, most_bytes })
}

/// A line for a job that was not skipped.
fn tell(report: &JobReport, global: &Global) {
    let JobReport { job, state, outcome, reason, added, seconds } = report;
    let reason = reason.as_deref().unwrap_or_default();
    match outcome {
        JobOutcome::Skipped => {}
        JobOutcome::Planned => ui::note(global.verbosity(), &format!("{job}: {}", state.name())),
        JobOutcome::Done => {
            ui::note(global.verbosity(), &format!("{job}: {added} frames added, {seconds:.1} s"));
        }
        JobOutcome::Failed | JobOutcome::Refused | JobOutcome::Busy => ui::error(&format!("{job}: {reason}")),
    }
}

fn status(args: &StatusArgs, global: &Global) -> CommandResult {
    let status = survey_status(&args.directory)?;
    if let Some(list) = args.list {
        let names: Vec<&str> = status.named(list.into()).collect();
        let text = match global.json {
            true => format!("{}\n", serde_json::to_string_pretty(&names)?),
            false => names.iter().map(|name| format!("{name}\n")).collect(),
        };
        ui::data(&text)?;
    } else if global.json {
        ui::data(&format!("{}\n", serde_json::to_string_pretty(&status)?))?;
    } else {
        ui::data(&format!(
            "{} jobs: {} complete ({} without data), {} missing, {} stale, {} failed; about {:.1} core-hours left\n",
            status.jobs,
            status.complete,
            status.empty,
            status.missing,
            status.stale,
            status.failed,
            status.cpu_s_left as f64 / 3600.0
        ))?;
    }
    Ok(match status {
        status if status.failed > 0 => Outcome::Failed,
        status if status.complete < status.jobs => Outcome::Incomplete,
        _ => Outcome::Done,
    })
}
