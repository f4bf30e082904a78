//! The memory that a target may hold, with every sanitizer and without: who asks for more is
//! refused, which ends a program that does not expect it.

use std::alloc::System;

use cap::Cap;

#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, 512 << 20);
