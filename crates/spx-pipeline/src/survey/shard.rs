//! A share of the jobs, for arrays of tasks: `3/200`, or `auto` where the engine tells the number.

use std::fmt;

use crate::PipelineError;

/// Number `index`, from 0, of `count` shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SurveyShard {
    index: usize,
    count: usize,
}

impl fmt::Display for SurveyShard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl SurveyShard {
    /// Reads `INDEX/COUNT`, `auto/COUNT` or `auto`. The index of `auto` is that of a task of an
    /// array of Slurm (SLURM_ARRAY_TASK_ID, from SLURM_ARRAY_TASK_MIN on) or of AWS Batch
    /// (AWS_BATCH_JOB_ARRAY_INDEX); `auto` without a count takes that of Slurm
    /// (SLURM_ARRAY_TASK_COUNT). `variable` looks up a variable of the environment.
    ///
    /// # Errors
    /// Usage, where the text is none of these, or the variables are not set.
    pub fn parse(text: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Self, PipelineError> {
        let number = |name: &str| variable(name).and_then(|text| text.trim().parse::<usize>().ok());
        let wrong = || PipelineError::usage(format!("shard `{text}`: expected INDEX/COUNT, from 0/COUNT on"));
        let (index, count) = match text.split_once('/') {
            Some((index, count)) => (index, Some(count.parse().map_err(|_| wrong())?)),
            None if text == "auto" => (text, number("SLURM_ARRAY_TASK_COUNT")),
            None => return Err(wrong()),
        };
        let missing = |what: &str| PipelineError::usage(format!("shard `{text}`: {what}"));
        let count = count.ok_or_else(|| missing("SLURM_ARRAY_TASK_COUNT is not set: give auto/COUNT"))?;
        let index = if index == "auto" {
            let of_slurm = number("SLURM_ARRAY_TASK_ID")
                .map(|id| id.wrapping_sub(number("SLURM_ARRAY_TASK_MIN").unwrap_or(0)));
            of_slurm
                .or_else(|| number("AWS_BATCH_JOB_ARRAY_INDEX"))
                .ok_or_else(|| missing("neither SLURM_ARRAY_TASK_ID nor AWS_BATCH_JOB_ARRAY_INDEX is set"))?
        } else {
            index.parse().map_err(|_| wrong())?
        };
        if index < count { Ok(Self { index, count }) } else { Err(wrong()) }
    }

    /// Its share of so many jobs: shares are runs of neighbors, and differ by one at most.
    pub fn of(self, jobs: usize) -> std::ops::Range<usize> {
        self.index * jobs / self.count..(self.index + 1) * jobs / self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, set: &[(&str, &str)]) -> Result<SurveyShard, PipelineError> {
        let lookup = |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, v)| (*v).to_owned());
        SurveyShard::parse(text, lookup)
    }

    #[test]
    fn shares_are_all_jobs_once() {
        for (jobs, count) in [(15_000, 200), (7, 3), (2, 5), (0, 4)] {
            let shares = (0..count).map(|index| SurveyShard { index, count }.of(jobs));
            assert!(shares.clone().all(|share| share.len() <= jobs / count + 1));
            assert_eq!(shares.flatten().collect::<Vec<_>>(), (0..jobs).collect::<Vec<_>>());
        }
    }

    #[test]
    fn engines_tell_the_number() {
        let shard = |index, count| SurveyShard { index, count };
        assert_eq!(read("3/200", &[]).unwrap(), shard(3, 200));
        let slurm = [("SLURM_ARRAY_TASK_ID", "5"), ("SLURM_ARRAY_TASK_MIN", "1")];
        assert_eq!(read("auto/20", &slurm).unwrap(), shard(4, 20));
        let whole = [slurm[0], ("SLURM_ARRAY_TASK_COUNT", "8")];
        assert_eq!(read("auto", &whole).unwrap(), shard(5, 8));
        assert_eq!(read("auto/9", &[("AWS_BATCH_JOB_ARRAY_INDEX", "7")]).unwrap(), shard(7, 9));
        for wrong in ["200/200", "x/2", "3", "auto", "auto/3", "1/", "-1/2"] {
            assert!(matches!(read(wrong, &[]), Err(PipelineError::Usage(_))), "{wrong}");
        }
    }
}
