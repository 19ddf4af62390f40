//! gcc and g++.

use hakmem_race::programs_race::sources;

use super::{Program, summary};

const CXX_SOURCE: &str = r#"
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <regex>
#include <string>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>

template <int N> struct Node {
    std::map<std::string, std::vector<std::tuple<int, double, Node<N - 1>>>> children;
    std::unordered_map<int, std::shared_ptr<Node<N - 1>>> index;
    template <class F> void each(F f) {
        for (auto &[name, list] : children)
            for (auto &entry : list) { f(name, std::get<0>(entry)); std::get<2>(entry).each(f); }
    }
};
template <> struct Node<0> {
    std::variant<int, std::string, std::vector<double>> value;
    template <class F> void each(F f) { f(std::string("leaf"), 0); }
};

template <int... I> int sum(std::integer_sequence<int, I...>) {
    return (0 + ... + static_cast<int>(std::to_string(I).size()));
}

int main() {
    Node<12> root;
    int total = sum(std::make_integer_sequence<int, 200>{});
    root.each([&](const std::string &name, int n) { total += n + static_cast<int>(name.size()); });
    std::regex pattern("([a-z]+)([0-9]*)");
    std::vector<std::function<bool(const std::string &)>> tests;
    tests.push_back([&](const std::string &s) { return std::regex_match(s, pattern); });
    std::cout << total << std::all_of(tests.begin(), tests.end(), [](auto &t) { return t("a1"); });
}
"#;

/// Compiles with and without hakmem and requires the same object file.
fn check(compiler: &str, file: &str, source: &str, pass: &str, allocations_min: u64) {
    let directory = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(directory.path().join(file), source).expect("the folder can be written to");
    let program = Program {
        words: &[compiler, "-O2", "-c", file, "-o", "out.o"],
        directory: directory.path(),
        environment: &[],
        package: compiler,
    };
    let object = || std::fs::read(directory.path().join("out.o")).expect("an object file");
    let plain = program.plain();
    assert!(plain.status.success(), "{}", String::from_utf8_lossy(&plain.stderr));
    let expected = object();
    std::fs::remove_file(directory.path().join("out.o")).expect("it is there");
    let (output, processes) = program.under_hakmem();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{message}");
    assert!(object() == expected, "{compiler} makes another object file under hakmem");
    processes.iter().for_each(summary::Process::assert_conserved);
    // The driver runs the compiler proper and the assembler as children.
    summary::busiest(&processes, pass).assert_plausible(allocations_min);
    summary::busiest(&processes, "as").assert_plausible(100);
}

#[test]
fn gcc_with_a_large_c_file() {
    check("gcc", "large.c", &sources::c_file(1500), "cc1", 100_000);
}

#[test]
fn gcc_with_a_cpp_file_of_templates() {
    check("g++", "templates.cc", CXX_SOURCE, "cc1plus", 100_000);
}
