//! The whole path with real programs: allocator under the C library's clients, segment, agent,
//! Prometheus, dashboards.

mod built;
mod dashboards;
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
