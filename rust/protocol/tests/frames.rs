//! What happens to frames that are not what they should be: the error says what is wrong, where, and for which request.
#![expect(clippy::panic, reason = "a test fails by panicking")]

use smooai_smooth_operator_protocol::*;

/// The error of an action as one line: the `requestId`, the pointer, the sentence.
fn refused(text: &str) -> String {
    let error = match Action::from_json(text) {
        Ok(action) => panic!("was accepted: {action:?}"),
        Err(error) => error,
    };
    let place = match &error.kind {
        DecodeErrorKind::Malformed { .. } => "malformed".to_owned(),
        DecodeErrorKind::MissingTag { property } => format!("no {property}"),
        DecodeErrorKind::UnknownTag(tag) => format!("unknown {tag}"),
        DecodeErrorKind::Invalid { tag, field, .. } => format!("{tag} {field}"),
        other => format!("{other:?}"),
    };
    format!("{} | {place} | {error}", error.request_id.as_deref().unwrap_or("-"))
}

#[test]
fn each_kind_of_broken_frame_says_what_to_do() {
    for (frame, expected) in [
        (
            r#"{"requestId":"r","action":"confirm_tool_action","sessionId":"s","approved":"yes"}"#,
            "r | confirm_tool_action /approved | `approved` must be a boolean",
        ),
        (
            r#"{"action":"send_message","message":"hi"}"#,
            "- | send_message /sessionId | `sessionId` is required",
        ),
        (
            r#"{"action":"send_message","sessionId":"s","message":"hi","images":[{"url":"https://a.test"},{"url":7}]}"#,
            "- | send_message /images/1/url | `images.1.url` must be a string",
        ),
        (
            r#"{"action":"send_message","sessionId":"s","message":"hi","images":[{"url":"https://a.test","detail":"huge"}]}"#,
            r#"- | send_message /images/0/detail | `images.0.detail` must be one of "low", "high", "auto""#,
        ),
        (
            r#"{"action":"send_message","sessionId":"s","message":"hi","model":null,"requestId":"r"}"#,
            "r | send_message /model | `model` must be a string",
        ),
        (
            r#"{"action":"get_conversation_messages","sessionId":"s","limit":1.5}"#,
            "- | get_conversation_messages /limit | `limit` must be a whole number from 0 to 4294967295",
        ),
        (
            r#"{"action":"create_conversation_session","metadata":[]}"#,
            "- | create_conversation_session /metadata | `metadata` must be an object",
        ),
        (
            r#"{"action":"create_conversation_session","metadata":null}"#,
            "- | create_conversation_session /metadata | `metadata` must be an object",
        ),
        (
            r#"{"action":"create_conversation_session","authContext":["u","s",1]}"#,
            "- | create_conversation_session /authContext | `authContext` must be an object",
        ),
        (r#"{"action":"fly","requestId":"r"}"#, "r | unknown fly | `fly` is not known"),
        (r#"{"action":["ping"],"requestId":"r"}"#, "r | no action | `action` must be there and be a string"),
        (r#"{"requestId":"r"}"#, "r | no action | `action` must be there and be a string"),
        (r#"{"requestId":{"a":[1]}}"#, "- | no action | `action` must be there and be a string"),
        ("[1]", "- | malformed | the frame must be one JSON object: it is another JSON value"),
        ("null", "- | malformed | the frame must be one JSON object: it is another JSON value"),
        (
            r#"{"requestId":"r","action":"ping""#,
            "r | malformed | the frame must be one JSON object: EOF while parsing an object at line 1 column 32",
        ),
        (
            r#"{"action":"ping"} {}"#,
            "- | malformed | the frame must be one JSON object: trailing characters at line 1 column 19",
        ),
    ] {
        assert_eq!(refused(frame), expected, "{frame}");
    }
}

#[test]
fn the_tag_may_stand_anywhere_and_be_escaped() {
    let action = Action::from_json(
        "{\"sessionId\":\"s\",\"message\":\"h\\u00e9\",\"acti\\u006fn\":\"send\\u005fmessage\"}",
    );
    let Ok(Action::SendMessage(params)) = action else { panic!("{action:?}") };
    assert_eq!(params.message, "hé");
    assert_eq!(params.stream, None);
}

#[test]
fn unknown_properties_are_ignored() {
    let action =
        Action::from_json(r#"{"action":"ping","extra":{"deep":[1,{"x":null}]},"requestId":"r"}"#).unwrap();
    assert_eq!(action, Action::Ping(PingParams { request_id: Some("r".into()) }));
    assert_eq!(action.to_json(), r#"{"action":"ping","requestId":"r"}"#);
}

#[test]
fn an_unknown_event_is_kept_as_it_came() {
    let text = r#"{"timestamp":7,"type":"from_the_future","requestId":"r","data":{"a":[1,null]}}"#;
    let event = Event::from_json(text).unwrap();
    assert_eq!((event.tag(), event.request_id(), event.timestamp()), ("from_the_future", Some("r"), Some(7)));
    assert_eq!(event.validate(), Ok(()));
    let again: serde_json::Value = serde_json::from_str(&event.to_json()).unwrap();
    assert_eq!(again, serde_json::from_str::<serde_json::Value>(text).unwrap());
    let Event::Unknown(unknown) = event else { panic!("{event:?}") };
    assert_eq!(unknown.raw, again);
}

#[test]
fn a_known_event_that_is_broken_stays_an_error() {
    let error = Event::from_json(r#"{"type":"pong","timestamp":1,"data":{}}"#).unwrap_err();
    assert_eq!(error.to_string(), "`data.timestamp` is required");
}

#[test]
fn an_unknown_value_of_an_open_enum_is_kept() {
    let kind: InteractionKind = serde_json::from_str("\"signature\"").unwrap();
    assert_eq!(kind, InteractionKind::Unknown("signature".into()));
    assert_eq!(serde_json::to_string(&kind).unwrap(), "\"signature\"");
    assert_eq!(InteractionKind::from("choices"), InteractionKind::Choices);
}

#[test]
fn a_union_is_read_from_a_value_too_wherever_its_tag_stands() {
    for text in [
        r#"{"type":"pong","timestamp":1,"data":{"timestamp":2}}"#,
        r#"{"data":{"timestamp":2},"type":"pong","timestamp":1}"#,
    ] {
        let event: Event = serde_json::from_str(text).unwrap();
        assert!(matches!(&event, Event::Pong(pong) if pong.timestamp == 1), "{text}");
        let value = serde_json::to_value(&event).unwrap();
        assert_eq!(serde_json::from_value::<Event>(value).unwrap(), event);
    }
    assert!(serde_json::from_str::<Action>(r#"{"action":"fly"}"#).is_err());
    assert!(serde_json::from_str::<Event>(r#"{"timestamp":1}"#).is_err());
}

#[test]
fn no_cut_or_bent_frame_is_anything_but_an_error() {
    let frame = r#"{"requestId":"r-é","action":"submit_interaction","sessionId":"s","interactionId":"i","values":{"a":[1,2.5e3,"\u00e9"]}}"#;
    assert!(Action::from_json(frame).is_ok());
    for cut in (0..frame.len()).filter(|cut| frame.is_char_boundary(*cut)) {
        assert!(Action::from_json(&frame[..cut]).is_err(), "cut at {cut}");
    }
    for at in (0..frame.len()).filter(|at| frame.is_char_boundary(*at) && frame.is_char_boundary(at + 1)) {
        for other in ["", "}", "\"", "\\", "0", "\u{0}"] {
            let _ = Action::from_json(&format!("{}{other}{}", &frame[..at], &frame[at + 1..]));
        }
    }
}

#[test]
fn endless_nesting_is_refused_and_not_followed() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let ignored = format!(r#"{{"action":"ping","extra":{deep}}}"#);
    let _ = Action::from_json(&ignored);
    let kept = format!(
        r#"{{"action":"submit_interaction","requestId":"r","sessionId":"s","interactionId":"i","values":{{"a":{deep}}}}}"#
    );
    let error = Action::from_json(&kept).unwrap_err();
    assert_eq!(error.request_id.as_deref(), Some("r"));
    assert!(matches!(error.kind, DecodeErrorKind::Malformed { .. }), "{error:?}");
}

#[test]
fn actions_know_what_they_are() {
    let action = Action::from(SendMessageParams::new("s", "hi"));
    assert_eq!((action.name(), action.is_turn(), action.request_id()), ("send_message", true, None));
    assert_eq!(action.to_json(), r#"{"action":"send_message","sessionId":"s","message":"hi"}"#);
    assert!(!Action::from(PingParams::default()).is_turn());
    assert_eq!(<GetSessionParams as Call>::ACTION, "get_session");
}

#[test]
fn error_codes_know_what_they_mean() {
    let code = ErrorCode::from("RATE_LIMITED");
    assert_eq!((code.status(), code.retryable(), code.as_str()), (429, true, "RATE_LIMITED"));
    assert!(!code.hint().is_empty() && !code.description().is_empty());
    let unknown = ErrorCode::from("TEAPOT");
    assert_eq!(
        (unknown.as_str(), unknown.status(), unknown.retryable(), unknown.hint()),
        ("TEAPOT", 500, false, "")
    );
    assert_eq!(ErrorCode::NAMES.len(), 20);
    for name in ErrorCode::NAMES {
        assert!(!matches!(ErrorCode::from(*name), ErrorCode::Unknown(_)), "{name}");
    }
}

#[test]
fn a_tag_that_comes_first_excuses_nothing_behind_it() {
    let pong = r#"{"type":"pong","timestamp":1,"data":{"timestamp":1}"#;
    assert!(matches!(Event::from_json(&format!("{pong}}}")), Ok(Event::Pong(_))));
    for rest in ["", "}}", "} {}", r#","type":"error"}"#, r#","data":7}"#, ",}"] {
        let text = format!("{pong}{rest}");
        assert!(Event::from_json(&text).is_err(), "{text}");
    }
    assert!(matches!(
        Event::from_json(r#"{"type":"pon\u0067","timestamp":1,"data":{"timestamp":1}}"#),
        Ok(Event::Pong(_))
    ));
}
