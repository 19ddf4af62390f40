use super::*;

fn check(address: &str, expected: &str) {
    let parsed = match Endpoint::parse(address) {
        Ok(endpoint) => endpoint.describe(),
        Err(error) => error.to_string(),
    };
    assert_eq!(parsed, expected);
}

#[test]
fn addresses_are_urls_or_paths() {
    check("http://127.0.0.1:9848", "http://127.0.0.1:9848");
    check("unix:/run/agent.sock", "/run/agent.sock");
    check("unix:///run/agent.sock", "/run/agent.sock");
    check("./agent.sock", "./agent.sock");
}

#[test]
fn other_addresses_are_refused_with_a_remedy() {
    let said = "give http://HOST:PORT, unix:PATH or a path with a slash";
    for address in ["agent", "https://x:1", "http://", "ftp://x/y"] {
        check(address, &format!("cannot connect to `{address}`: {said}"));
    }
}
