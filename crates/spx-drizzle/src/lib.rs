//! spx-drizzle
