//! The whole path with real programs: allocator under the C library's clients, segment, agent,
//! Prometheus, dashboards.
//!
//! # Layers, bottom to top
//!
//! - `scratch`, `http`: folders of a test, requests
//! - `promql`, `queries`, `rules`: what dashboards and rules ask for
//! - `live`: programs that run while a test looks at them
//! - `prometheus`: a real Prometheus beside them
//! - `dashboards`, `lint`, `live_queries`: trials of dashboards and rules
//! - `exactness`, `e3`, `programs`: trials of the allocator under real programs
//! - `owners`: trials of an agent with several users
//! - `staged`, `stages`: trials of the diagnosis
//! - `documented`: trials of the commands in the pages
//! - `race`, `programs_race`, `routings`, `soak`: trials of the programs that measure

mod dashboards;
mod documented;
mod e3;
mod exactness;
mod http;
mod lint;
mod live;
mod live_queries;
mod owners;
mod programs;
mod programs_race;
mod prometheus;
mod promql;
mod queries;
mod race;
mod routings;
mod rules;
mod scratch;
mod soak;
mod staged;
mod stages;
