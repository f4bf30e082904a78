//! The local archive as a client sees it: queries and their formats, files and ranges, cutouts,
//! faults.

#![allow(clippy::unwrap_used, reason = "a failed set-up fails the test")]

mod client;
mod faults;
mod files;
mod fixture;
mod queries;
mod services;
