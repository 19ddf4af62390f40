//! Segments from outside: synthetic ones, hostile ones, and those of real programs.

mod concurrency;
mod fuzz;
mod hostile;
mod labels;
mod programs;
mod throughput;
