//! A service that counts words, with labels by which `hakmem-top` shows it. Each answer says in its
//! header what it took of the allocator, and `/metrics` has the sums of the process.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;

use axum::Router;
use axum::http::HeaderName;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use tokio::net::TcpListener;

#[global_allocator]
static GLOBAL: hakmem::Hakmem = hakmem::Hakmem::new().labels("service=words");

const ALLOCATIONS: HeaderName = HeaderName::from_static("x-allocations");

fn count(text: &str) -> String {
    let mut words: BTreeMap<&str, usize> = BTreeMap::new();
    for word in text.split_whitespace() {
        *words.entry(word).or_default() += 1;
    }
    let mut page = String::new();
    for (word, count) in words {
        let _ = writeln!(page, "{count} {word}");
    }
    page
}

async fn words(text: String) -> impl IntoResponse {
    // Between two `await`s, so this thread does all of it.
    let (page, counts) = hakmem::measure(|| count(&text));
    ([(ALLOCATIONS, counts.allocations().to_string())], page)
}

async fn metrics() -> String {
    let counts = hakmem::process_counts();
    format!(
        "words_allocations_total {}\nwords_allocated_bytes_total {}\n",
        counts.allocations(),
        counts.allocated_bytes()
    )
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(&address).await?;
    let address = listener.local_addr()?.to_string();
    // Known only now, long after the allocator has started.
    hakmem::set_label("address", &address)?;
    println!("listening on {address}");
    let service = Router::new().route("/words", post(words)).route("/metrics", get(metrics));
    axum::serve(listener, service).await?;
    Ok(())
}
