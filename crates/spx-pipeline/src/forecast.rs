//! What a pipeline would do: which images it would read or fetch, where to, and what that takes.
//! Nothing on the disk is changed.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::amount::amount;

/// Memory is counted in powers of two, as its settings are.
const GIB: f64 = 1_073_741_824.0;

/// What a pipeline would do.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct WorkForecast {
    /// Images that would be used; of several sources the sum.
    pub images: usize,
    /// Those of them that are there already, among the inputs, in the output directory or a mirror.
    pub at_hand: usize,
    /// Those that would be fetched.
    pub to_fetch: usize,
    /// About so much would be fetched \[bytes\].
    pub fetch_bytes: u64,
    /// Sources that would be measured.
    pub sources: Option<usize>,
    /// Where everything would go.
    pub output_dir: PathBuf,
    /// What the disk there has left \[bytes\].
    pub free_bytes: Option<u64>,
    /// Products that would be made, with their sizes.
    pub products: Vec<String>,
    /// About so much memory the largest would take \[bytes\].
    pub memory_bytes: Option<u64>,
}

impl WorkForecast {
    /// Of work that would go to a directory.
    pub(crate) fn of(output_dir: &Path) -> Self {
        let existing = output_dir.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("."));
        let existing = if existing.as_os_str().is_empty() { Path::new(".") } else { existing };
        let free_bytes = fs4::available_space(existing).ok();
        Self { output_dir: output_dir.to_owned(), free_bytes, ..Self::default() }
    }

    /// Adds the images of another.
    pub(crate) fn add(&mut self, other: &Self) {
        self.images += other.images;
        self.at_hand += other.at_hand;
        self.to_fetch += other.to_fetch;
        self.fetch_bytes += other.fetch_bytes;
    }
}

impl fmt::Display for WorkForecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "images    {}, {} of them local", self.images, self.at_hand)?;
        match self.to_fetch {
            0 => writeln!(f, "to fetch  nothing")?,
            1 => writeln!(f, "to fetch  1 file, about {}", amount(self.fetch_bytes as f64))?,
            count => writeln!(f, "to fetch  {count} files, about {}", amount(self.fetch_bytes as f64))?,
        }
        if let Some(sources) = self.sources {
            writeln!(f, "sources   {sources}")?;
        }
        self.products.iter().try_for_each(|product| writeln!(f, "makes     {product}"))?;
        if let Some(memory) = self.memory_bytes {
            writeln!(f, "memory    about {:.2} GiB", memory as f64 / GIB)?;
        }
        let free = self.free_bytes.map_or_else(String::new, |free| format!(", {} free", amount(free as f64)));
        writeln!(f, "output    {}{free}", self.output_dir.display())
    }
}
