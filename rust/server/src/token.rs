//! Where a caller's token may stand: the header, the subprotocol, or the URL.

use http::HeaderMap;
use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};

/// The subprotocol that the server answers with.
pub(crate) const SUBPROTOCOL: &str = "smooth-operator";

/// The token, and whether the client offered our subprotocol.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Offer {
    pub token: Option<String>,
    pub subprotocol: bool,
}

/// Reads the offer of an upgrade request. The header comes before the subprotocol, which comes before
/// the URL; an empty token counts as none.
pub(crate) fn read(headers: &HeaderMap, query: Option<&str>) -> Offer {
    let protocols: Vec<&str> = headers
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(bearer);
    let protocol = protocols.iter().find_map(|name| name.strip_prefix("bearer.")).map(str::to_owned);
    let url = query.and_then(|query| {
        url_pairs(query).find(|(name, _)| *name == "token").map(|(_, value)| percent_decode(value))
    });
    let token = header.or(protocol).or(url).filter(|token| !token.is_empty());
    Offer { token, subprotocol: protocols.contains(&SUBPROTOCOL) }
}

fn bearer(value: &str) -> Option<String> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

fn url_pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// Tokens are URL-safe as they are; `%` escapes are taken from clients that escape all the same.
fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match (first, digits.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(authorization: Option<&str>, protocols: Option<&str>, query: Option<&str>, token: Option<&str>) {
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization {
            headers.insert(AUTHORIZATION, value.parse().unwrap());
        }
        if let Some(value) = protocols {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, value.parse().unwrap());
        }
        assert_eq!(read(&headers, query).token.as_deref(), token);
    }

    #[test]
    fn a_token_is_found_in_each_of_its_places() {
        check(None, None, None, None);
        check(Some("Bearer abc"), None, None, Some("abc"));
        check(Some("bearer abc"), Some("smooth-operator, bearer.def"), Some("token=ghi"), Some("abc"));
        check(None, Some("smooth-operator, bearer.def"), Some("token=ghi"), Some("def"));
        check(None, None, Some("x=1&token=g%2Dhi"), Some("g-hi"));
        check(None, None, Some("token=%zz"), Some("%zz"));
        check(Some("Basic abc"), None, Some("token="), None);
    }
}
