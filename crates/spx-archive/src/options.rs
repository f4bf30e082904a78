//! How the archive is spoken to.

use std::time::Duration;

use crate::base::ArchiveUrl;
use crate::retry::RetryOptions;

/// How the archive is spoken to.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientOptions {
    /// Tries and waits of queries; downloads have their own.
    pub retry: RetryOptions,
    /// Hosts that a redirect may lead to beside the one that was asked, and the cloud copy's.
    pub allowed_hosts: Vec<String>,
    /// The cloud copy: the paths of the archive below `ibe/data/spherex/` stand below it.
    pub cloud: ArchiveUrl,
    /// The longest wait for a connection.
    pub connect_timeout: Duration,
    /// The longest time in which not one byte arrives.
    pub stall_timeout: Duration,
    /// The longest wait for the answer to a synchronous query; beyond, a job is made.
    pub answer_timeout: Duration,
    /// The longest wait for a job.
    pub job_deadline: Duration,
    /// Connections that are kept open, at least as many as downloads at a time.
    pub connections: usize,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            retry: RetryOptions { attempts: 4, ..RetryOptions::default() },
            allowed_hosts: Vec::new(),
            cloud: ArchiveUrl::cloud(),
            connect_timeout: Duration::from_secs(20),
            stall_timeout: Duration::from_secs(60),
            answer_timeout: Duration::from_secs(120),
            job_deadline: Duration::from_secs(1800),
            connections: 16,
        }
    }
}
