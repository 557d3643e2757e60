//! Which web pages may open a socket. Programs that are no browsers send no `Origin` and are let in.

use http::HeaderMap;
use http::header::{HOST, ORIGIN};

/// Whether the request's `Origin` is allowed: one of the configured origins, or, where none are
/// configured, a page of the same host. A server on the loopback interface lets in pages of the
/// loopback interface only, whatever `Host` says, so that a foreign name bound to 127.0.0.1 gains nothing.
pub(crate) fn is_allowed(headers: &HeaderMap, configured: &[String], loopback: bool) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    if !configured.is_empty() {
        return configured.iter().any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(origin));
    }
    let Some((_, authority)) = origin.split_once("://") else { return false };
    let page = host_name(authority);
    if loopback {
        return is_loopback(page);
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).map(host_name);
    host.is_some_and(|host| host.eq_ignore_ascii_case(page))
}

/// The host name of `name:port` or `[v6]:port`.
fn host_name(authority: &str) -> &str {
    if let Some(end) = authority.find(']') {
        return &authority[..=end];
    }
    authority.split_once(':').map_or(authority, |(name, _)| name)
}

fn is_loopback(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    matches!(name.as_str(), "localhost" | "127.0.0.1" | "[::1]") || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(origin: Option<&str>, host: &str, configured: &[&str], loopback: bool, allowed: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().unwrap());
        }
        let configured: Vec<String> = configured.iter().map(|&origin| origin.to_owned()).collect();
        assert_eq!(is_allowed(&headers, &configured, loopback), allowed, "{origin:?} at {host}");
    }

    #[test]
    fn pages_of_the_same_host_or_the_configured_ones_are_let_in() {
        check(None, "a.example", &[], false, true);
        check(Some("https://a.example"), "a.example:8787", &[], false, true);
        check(Some("https://b.example"), "a.example", &[], false, false);
        check(Some("null"), "a.example", &[], false, false);
        check(Some("https://app.example"), "a.example", &["https://app.example"], false, true);
        check(Some("https://a.example"), "a.example", &["https://app.example"], false, false);
        check(Some("http://localhost:3000"), "127.0.0.1:8787", &[], true, true);
        check(Some("http://evil.example"), "evil.example:8787", &[], true, false);
    }
}
