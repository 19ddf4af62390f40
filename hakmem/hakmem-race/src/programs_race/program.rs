//! The programs by name.

use std::fmt;

use clap::ValueEnum;

/// A real program with a load of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Program {
    /// CPython writes and reads JSON, every object from malloc
    PythonJson,
    /// CPython counts, groups and joins with dicts and sets, every object from malloc
    PythonDicts,
    /// CPython works on the text of a log, every object from malloc
    PythonStrings,
    /// CPython builds trees of objects and loses branches, every object from malloc
    PythonTree,
    /// CPython as it comes, its own heap for small objects: JSON
    PythonDefault,
    /// redis-server under redis-benchmark; time is the benchmark's, memory the server's
    Redis,
    /// sqlite3 fills a table in memory, indexes, queries and checks it
    Sqlite,
    /// gcc -O2 compiles a C file of a few thousand lines
    Gcc,
    /// rustc -O compiles a library of generic code
    Rustc,
}

impl Program {
    /// Name in the table and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::PythonJson => "python-json",
            Self::PythonDicts => "python-dicts",
            Self::PythonStrings => "python-strings",
            Self::PythonTree => "python-tree",
            Self::PythonDefault => "python-default",
            Self::Redis => "redis",
            Self::Sqlite => "sqlite",
            Self::Gcc => "gcc",
            Self::Rustc => "rustc",
        }
    }

    /// The real programs that this one represents.
    pub fn stands_for(self) -> &'static str {
        match self {
            Self::PythonJson => "services that read and write documents",
            Self::PythonDicts => "interpreters with tables: growing arrays beside small objects",
            Self::PythonStrings => "text processing: strings of all lengths, short-lived",
            Self::PythonTree => "object graphs: many small blocks, freed in another order",
            Self::PythonDefault => "programs with a heap of their own above malloc",
            Self::Redis => "servers that hold data: values come, stay and are replaced",
            Self::Sqlite => "databases in a process: few blocks, most of them pages",
            Self::Gcc => "short compilers in C++: arenas and tables, freed by the exit",
            Self::Rustc => "long compilers with threads: every size, much freed elsewhere",
        }
    }

    /// Size of the usual load, in rows, rounds, lines, trees, requests, functions or modules.
    pub(super) fn load(self) -> u64 {
        match self {
            Self::PythonJson => 80_000,
            Self::PythonDicts => 20,
            Self::PythonStrings => 100_000,
            Self::PythonTree => 40,
            Self::PythonDefault => 100_000,
            Self::Redis => 200_000,
            Self::Sqlite => 600_000,
            Self::Gcc => 250,
            Self::Rustc => 2,
        }
    }

    /// Least number of allocations per unit, which hakmem must have counted.
    pub(super) fn allocations_min_per_unit(self) -> u64 {
        match self {
            Self::PythonJson => 20,
            Self::PythonDicts => 20_000,
            Self::PythonStrings => 10,
            Self::PythonTree => 6_000,
            Self::Redis => 1,
            Self::Gcc | Self::Rustc => 100,
            // Small objects of these do not reach `malloc`, and pages are reused.
            Self::PythonDefault | Self::Sqlite => 0,
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_has_one_name_in_the_table_and_on_the_command_line() {
        for program in Program::value_variants() {
            let value = program.to_possible_value().expect("every program can be chosen");
            assert_eq!(value.get_name(), program.name());
        }
    }
}
