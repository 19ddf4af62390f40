//! Counts the words of standard input, and on standard error what that took of the allocator.

use std::collections::HashMap;
use std::io::{self, BufRead};

#[global_allocator]
static GLOBAL: hakmem::Hakmem = hakmem::Hakmem;

fn count(input: impl BufRead) -> io::Result<HashMap<String, usize>> {
    let mut words = HashMap::new();
    for line in input.lines() {
        for word in line?.split_whitespace() {
            *words.entry(word.to_owned()).or_default() += 1;
        }
    }
    Ok(words)
}

fn main() -> io::Result<()> {
    let (words, counts) = hakmem::measure(|| count(io::stdin().lock()));
    for (word, count) in words? {
        println!("{count:8} {word}");
    }
    eprintln!("{counts}");
    for class in hakmem::Class::ALL {
        let of_class = counts.class(*class);
        if of_class.allocations > 0 {
            eprintln!(
                "{:>6}: {} bytes in {}",
                class.name(),
                of_class.allocated_bytes,
                of_class.allocations
            );
        }
    }
    Ok(())
}
