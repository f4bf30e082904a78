//! Queries against small tables.

use super::*;
