//! A writer of synthetic live segments, for tests.
