//! Real programs with and without hakmem.
