//! Checks the host name that a request was meant for.
//!
//! Any web page can make a browser send requests to a loopback address, under a name of its own
//! that resolves to that address (DNS rebinding), and read the answer. Such a request names that
//! host, so only names of this machine are answered: `localhost`, addresses, and configured names.

use std::net::IpAddr;

use axum::http::{HeaderMap, Uri, header};

/// Whether a request is meant for this agent. A request without a host does not come from a
/// browser.
pub(super) fn is_ours(uri: &Uri, headers: &HeaderMap, configured: &[String]) -> bool {
    let named = headers.get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or("?"));
    let asked = uri.authority().map(|authority| authority.as_str());
    named.chain(asked).all(|host| is_name_of_ours(host, configured))
}

fn is_name_of_ours(host: &str, configured: &[String]) -> bool {
    let name = without_port(host);
    if let Some(address) = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        return address.parse::<IpAddr>().is_ok();
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_ipv4())
        || configured.iter().any(|ours| ours.eq_ignore_ascii_case(name))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_answered() {
        let configured = ["Metrics.example.org".to_owned()];
        let check = |host: &str, expected: bool| {
            assert_eq!(is_name_of_ours(host, &configured), expected, "{host}");
        };
        for host in ["localhost", "LOCALHOST:9847", "127.0.0.1:9847", "10.1.2.3", "[::1]:9847"] {
            check(host, true);
        }
        check("metrics.example.ORG:80", true);
        check("localhost.:9847", true);
        for host in ["", "evil.example:9847", "localhost.evil.example", "127.0.0.1.evil.example"] {
            check(host, false);
        }
        for host in ["::1]", "[evil.example]", "localhost:9847@evil.example", "a:b:1"] {
            check(host, false);
        }
    }
}
