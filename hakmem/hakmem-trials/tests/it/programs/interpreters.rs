//! CPython.

use hakmem_race::programs_race::sources::JSON_SCRIPT;

use super::{Program, summary};

const THREADS: &str = "
import threading
sums = [0] * 16
def work(index):
    table = {}
    for round in range(60):
        for i in range(400):
            table[i] = bytes(i * 3) + b'x' * index
        sums[index] += sum(len(value) for value in table.values())
threads = [threading.Thread(target=work, args=(i,)) for i in range(16)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(sum(sums))
";

fn check(script: &str, environment: &[(&str, &str)], allocations_min: u64) {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let program = Program {
        // The number of rows; scripts that have no rows ignore it.
        words: &["python3", "-c", script, "40000"],
        directory: directory.path(),
        environment,
        package: "python3",
    };
    let processes = program.compare();
    summary::busiest(&processes, "python3").assert_plausible(allocations_min);
}

/// Python serves small objects from blocks of its own, so `malloc` sees only the large ones.
#[test]
fn python_with_json() {
    check(JSON_SCRIPT, &[], 1_000);
}

/// Without Python's own allocator for small objects, every object is a call of `malloc`.
#[test]
fn python_with_json_and_every_object_from_malloc() {
    check(JSON_SCRIPT, &[("PYTHONMALLOC", "malloc")], 1_000_000);
}

#[test]
fn python_with_threads() {
    check(THREADS, &[], 5_000);
    check(THREADS, &[("PYTHONMALLOC", "malloc")], 500_000);
}
