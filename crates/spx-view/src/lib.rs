//! The explorer of drizzled cubes: a page in the browser, served on this machine or written as one
//! file.
//!
//! The page (folder `page`: HTML, style, and ES modules without any framework) draws; it gets its
//! numbers from a source, which is [`ExplorerServer`] or the planes that the file of [`write_page`]
//! itself holds.

mod connections;
mod html;
mod meta;
mod page;
mod quantize;
mod routes;
mod server;
mod site;
mod window;

pub use html::{PageReport, write_page};
pub use server::ExplorerServer;

/// The example of the README is tested with the crate.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExample;
