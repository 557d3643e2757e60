//! What a failed request means: the class that the rest of the program acts on, whether to try again, and
//! a text for the log that never holds the key.

use crate::key::ApiKey;
use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use serde::Deserialize;
use smooai_smooth_operator_core::{LlmError, LlmErrorKind};
use std::time::Duration;

/// How much of a provider's words a log line keeps.
const MAX_WORDS: usize = 500;

/// A failure, and whether the same request may succeed a moment later.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: LlmError,
    pub(crate) try_again: bool,
}

/// An error as gateways write it: an object, or a bare text.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum ErrorBody {
    Text(String),
    Object(ErrorObject),
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct ErrorObject {
    message: Option<String>,
    code: Option<Code>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Code {
    Number(u16),
    Text(String),
}

impl Failure {
    pub(crate) fn lasting(kind: LlmErrorKind, detail: impl Into<String>) -> Self {
        Self { error: LlmError::new(kind, detail), try_again: false }
    }

    pub(crate) fn passing(kind: LlmErrorKind, detail: impl Into<String>) -> Self {
        Self { error: LlmError::new(kind, detail), try_again: true }
    }

    /// No answer came: no connection, or one that broke.
    pub(crate) fn transport(error: reqwest::Error) -> Self {
        let try_again = !error.is_builder();
        let detail = chain(&error.without_url());
        Self { error: LlmError::new(LlmErrorKind::Unavailable, detail), try_again }
    }

    /// The gateway answered with something else than 2xx.
    pub(crate) fn answer(status: StatusCode, headers: &HeaderMap, body: &str, key: Option<&ApiKey>) -> Self {
        let words = words(body, key);
        let said = read(body);
        let code = said.code();
        let detail = format!("the gateway answered {status}: {words}");
        match status.as_u16() {
            401 | 403 => {
                let hint =
                    "the key (SMOOAI_GATEWAY_KEY, or `key` in [gateway]) is missing, wrong or not allowed";
                Self::lasting(LlmErrorKind::Unavailable, format!("{detail}; {hint}"))
            }
            402 => Self::lasting(LlmErrorKind::Unavailable, detail),
            // A used-up quota does not come back in seconds.
            429 if code == "insufficient_quota" => Self::lasting(LlmErrorKind::Unavailable, detail),
            429 => Self::passing(LlmErrorKind::RateLimited { retry_after: retry_after(headers) }, detail),
            408 | 409 | 500..=599 => Self::passing(LlmErrorKind::Unavailable, detail),
            status => Self::lasting(said.refusal(status), detail),
        }
    }

    /// The gateway reported an error inside an answer that had begun well.
    pub(crate) fn reported(body: &ErrorBody, key: Option<&ApiKey>) -> Self {
        let detail = format!("the gateway reported: {}", words(&body.message(), key));
        let code = body.code();
        match (body.number(), code.as_str()) {
            (Some(429), _) | (_, "rate_limit_exceeded" | "rate_limit_error") => {
                Self::passing(LlmErrorKind::RateLimited { retry_after: None }, detail)
            }
            (Some(status @ 400..=499), _) if !matches!(status, 401..=403 | 408 | 409) => {
                Self::lasting(body.refusal(status), detail)
            }
            _ => match body.refusal(500) {
                LlmErrorKind::BadRequest => Self::passing(LlmErrorKind::Unavailable, detail),
                known => Self::lasting(known, detail),
            },
        }
    }
}

impl ErrorBody {
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Object(object) => match (&object.message, self.code()) {
                (Some(message), code) if code.is_empty() => message.clone(),
                (Some(message), code) => format!("{code}: {message}"),
                (None, code) => code,
            },
        }
    }

    fn number(&self) -> Option<u16> {
        match self {
            Self::Object(ErrorObject { code: Some(Code::Number(number)), .. }) => Some(*number),
            Self::Object(ErrorObject { code: Some(Code::Text(text)), .. }) => text.parse().ok(),
            _ => None,
        }
    }

    /// The error's code where it is a word, else its type.
    fn code(&self) -> String {
        match self {
            Self::Object(ErrorObject { code: Some(Code::Text(text)), .. }) => text.clone(),
            Self::Object(ErrorObject { kind: Some(kind), .. }) => kind.clone(),
            _ => String::new(),
        }
    }

    /// What a refusal of the request itself means.
    fn refusal(&self, status: u16) -> LlmErrorKind {
        /// How providers say that the messages are too long; OpenAI and LiteLLM have a code besides.
        const TOO_LONG: [&str; 8] = [
            "context_length_exceeded",
            "contextwindowexceeded",
            "context length",
            "context window",
            "maximum context",
            "prompt is too long",
            "input is too long",
            "exceeds the maximum number of tokens",
        ];
        const FILTERED: [&str; 4] =
            ["content_filter", "content_policy", "content management policy", "responsibleaipolicy"];
        let said = self.message().to_lowercase();
        let any = |needles: &[&str]| needles.iter().any(|needle| said.contains(needle));
        if status == 413 || any(&TOO_LONG) {
            LlmErrorKind::ContextTooLong
        } else if any(&FILTERED) {
            LlmErrorKind::ContentFiltered
        } else {
            LlmErrorKind::BadRequest
        }
    }
}

/// Reads an error's body in the forms that gateways give it; what fits none is a text.
fn read(body: &str) -> ErrorBody {
    #[derive(Deserialize)]
    struct Wrapped {
        #[serde(alias = "detail")]
        error: ErrorBody,
    }
    let wrapped = serde_json::from_str(body).map(|Wrapped { error }| error);
    wrapped.or_else(|_| serde_json::from_str(body)).unwrap_or_else(|_| ErrorBody::Text(body.to_owned()))
}

/// The provider's words for the log: short, on one line, without the key.
fn words(body: &str, key: Option<&ApiKey>) -> String {
    let hidden = key.map_or_else(|| body.to_owned(), |key| key.hide_in(body));
    let line: String = hidden.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_WORDS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// An error with its causes, which is where HTTP libraries say what happened.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// When the gateway says to come back: seconds, or an HTTP date, which is read against the answer's own
/// `Date` so that no clock need agree with another.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let seconds = |text: &str| Duration::try_from_secs_f64(text.parse().ok()?).ok();
    let millis = text("retry-after-ms").and_then(|text| text.parse().ok()).map(Duration::from_millis);
    let date = |text: &str| jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp());
    let until = |text_of: &str| {
        let (then, now) = (date(text_of)?, date(text(DATE.as_str())?)?);
        Some(Duration::try_from(then.duration_since(now)).unwrap_or(Duration::ZERO))
    };
    let after = || text(RETRY_AFTER.as_str()).and_then(|text| seconds(text).or_else(|| until(text)));
    millis.or_else(after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use LlmErrorKind::{BadRequest, ContentFiltered, ContextTooLong, RateLimited, Unavailable};
    use reqwest::header::HeaderValue;

    fn answer(status: u16, body: &str) -> Failure {
        Failure::answer(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body, None)
    }

    #[test]
    fn statuses_and_codes_have_their_classes() {
        let cases = [
            (401, "{}", Unavailable, false),
            (403, "no", Unavailable, false),
            (402, "pay", Unavailable, false),
            (408, "", Unavailable, true),
            (429, "", RateLimited { retry_after: None }, true),
            (429, r#"{"error":{"code":"insufficient_quota","message":"x"}}"#, Unavailable, false),
            (500, "<html>", Unavailable, true),
            (503, r#"{"error":"busy"}"#, Unavailable, true),
            (
                400,
                r#"{"error":{"message":"bad","type":"invalid_request_error","code":null}}"#,
                BadRequest,
                false,
            ),
            (404, r#"{"error":{"message":"no such model"}}"#, BadRequest, false),
            (
                400,
                r#"{"error":{"message":"too big","code":"context_length_exceeded"}}"#,
                ContextTooLong,
                false,
            ),
            (400, r#"{"error":{"message":"prompt is too long: 9 > 8","code":"400"}}"#, ContextTooLong, false),
            (413, "", ContextTooLong, false),
            (400, r#"{"error":{"message":"no","code":"content_filter"}}"#, ContentFiltered, false),
            (422, r#"{"detail":"nope"}"#, BadRequest, false),
        ];
        for (status, body, kind, try_again) in cases {
            let failure = answer(status, body);
            assert_eq!((failure.error.kind, failure.try_again), (kind, try_again), "{status} {body}");
        }
    }

    #[test]
    fn errors_inside_an_answer() {
        let cases = [
            (r#"{"message":"slow down","code":429}"#, RateLimited { retry_after: None }, true),
            (r#"{"message":"boom","type":"server_error"}"#, Unavailable, true),
            (r#""boom""#, Unavailable, true),
            (r#"{"message":"maximum context length is 5","code":400}"#, ContextTooLong, false),
            (r#"{"message":"x","code":"content_filter"}"#, ContentFiltered, false),
            (r#"{"message":"what","code":422}"#, BadRequest, false),
        ];
        for (body, kind, try_again) in cases {
            let failure = Failure::reported(&serde_json::from_str(body).unwrap(), None);
            assert_eq!((failure.error.kind, failure.try_again), (kind, try_again), "{body}");
        }
    }

    #[test]
    fn the_detail_is_short_names_the_setting_and_hides_the_key() {
        let key = ApiKey::new("sk-very-secret\n");
        let body = format!("bad key sk-very-secret {}", "ä".repeat(2_000));
        let failure = Failure::answer(StatusCode::UNAUTHORIZED, &HeaderMap::new(), &body, Some(&key));
        let detail = failure.error.detail;
        assert!(detail.contains("SMOOAI_GATEWAY_KEY") && detail.contains("bad key *** ä"), "{detail}");
        assert!(!detail.contains("very-secret"), "{detail}");
        assert!(detail.chars().count() < MAX_WORDS + 200);
        assert_eq!(format!("{key:?}"), "***");
    }

    #[test]
    fn retry_after_in_seconds_milliseconds_and_as_a_date() {
        let read = |pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs.iter().map(|(name, value)| {
                (reqwest::header::HeaderName::from_static(name), HeaderValue::from_static(value))
            });
            retry_after(&pairs.collect())
        };
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(read(&[("retry-after", "7")]), Some(Duration::from_secs(7)));
        assert_eq!(read(&[("retry-after", "0.5")]), Some(Duration::from_millis(500)));
        assert_eq!(read(&[("retry-after-ms", "20"), ("retry-after", "7")]), Some(Duration::from_millis(20)));
        let later = ("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT");
        assert_eq!(read(&[date, later]), Some(Duration::from_secs(60)));
        assert_eq!(read(&[date, ("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT")]), Some(Duration::ZERO));
        assert_eq!(read(&[later]), None, "no date to read it against");
        for bad in ["-1", "soon", "NaN", "1e300", ""] {
            assert_eq!(read(&[("retry-after", bad)]), None, "{bad}");
        }
    }
}
