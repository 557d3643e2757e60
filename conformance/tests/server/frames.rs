//! Frames that are no good: each gets one error, and the socket goes on working.

use anyhow::Result;
use serde_json::json;
use smooai_smooth_operator_conformance::gateway::{Reply, Script};
use smooai_smooth_operator_conformance::stage::Stage;

/// The seed of the malformed frames; any other must do as well.
const SEED: u64 = 0x005e_ed0f_ba5e;

/// Marsaglia's xorshift64, so that a run can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
}

/// A frame that no server may take for an action, made from a good one.
fn malformed(random: &mut Random) -> String {
    let actions = ["ping", "send_message", "get_session", "cancel", "verify_otp", "list_conversations"];
    let action = random.of(&actions);
    let good = format!(r#"{{"action":"{action}","requestId":"r","sessionId":"s","message":"m"}}"#);
    match random.below(12) {
        // Cut anywhere before its end.
        0 => good[..random.below(good.len())].to_owned(),
        // Something after its end.
        1 => format!("{good}{}", random.of(&["}", "]", "x", ",", "{}", "\"", "null"])),
        // One character replaced by one that cannot stand there.
        2 => format!("{}{}", random.of(&["\u{1}", "<", "&", "'", "\u{feff}{", "]"]), &good[1..]),
        // Not an object.
        3 => random
            .of(&["null", "true", "7", "-0.5e3", "\"ping\"", "[]", "[{\"action\":\"ping\"}]", "", " ", "\n"])
            .to_owned(),
        // No action, or one of another type.
        4 => r#"{"requestId":"r"}"#.to_owned(),
        5 => format!(r#"{{"action":{}}}"#, random.of(&["null", "1", "true", "[]", "{}", "[\"ping\"]"])),
        // An action that is nearly one.
        6 => format!(
            r#"{{"action":"{}"}}"#,
            random.of(&[
                "",
                "PING",
                "ping ",
                " ping",
                "pin",
                "pingg",
                "p\\u0069ng\\u0000",
                "sendMessage",
                "__proto__"
            ])
        ),
        // A field of a wrong type.
        7 => format!(
            r#"{{"action":"send_message","sessionId":{},"message":"m"}}"#,
            random.of(&["null", "1", "[]", "{}", "true", "1e999"])
        ),
        // Nested deep, and never closed.
        8 => {
            let depth = 200 + random.below(5000);
            let open = if random.below(2) == 0 { "[" } else { "{\"a\":" };
            format!(r#"{{"action":"ping","x":{}1}}"#, open.repeat(depth))
        }
        // Bad escapes and lone surrogates.
        9 => format!(
            r#"{{"action":"get_session","sessionId":"{}"}}"#,
            random.of(&["\\x41", "\\ud800", "\\u12", "\\", "\t"])
        ),
        // Characters at random.
        10 => (0..1 + random.below(200)).map(|_| char::from(33 + random.below(90) as u8)).collect(),
        // Numbers that do not fit.
        _ => format!(
            r#"{{"action":"list_conversations","limit":{}}}"#,
            random.of(&["-1", "1.5", "99999999999999999999", "1e400", "\"1\"", "0x10", "01", "NaN", "+1"])
        ),
    }
}

#[tokio::test]
async fn five_hundred_malformed_frames_get_an_error_each_and_the_socket_still_works() -> Result<()> {
    let stage = Stage::new(Script::new().say(Reply::text("Still here."))).await?;
    let (mut socket, session) = stage.session().await?;
    let mut random = Random(SEED);
    for n in 0..500 {
        let frame = malformed(&mut random);
        socket.send_text(&frame).await?;
        let answers = socket.events_before_pong().await?;
        let types: Vec<_> = answers.iter().map(|event| event["type"].as_str()).collect();
        let short: String = frame.chars().take(200).collect();
        assert_eq!(types, [Some("error")], "frame {n} of seed {SEED:#x}: {short}");
        let code = answers[0]["error"]["code"].as_str().unwrap();
        let expected = ["VALIDATION_ERROR", "UNSUPPORTED_ACTION"];
        assert!(expected.contains(&code), "frame {n}: {code} for {short}");
    }
    assert_eq!(socket.whole_turn(&session, "t1", "Are you there?").await?.reply(), "Still here.");
    Ok(())
}

#[tokio::test]
async fn deep_nesting_in_a_known_field_is_survived() -> Result<()> {
    let stage = Stage::new(Script::new()).await?;
    let mut socket = stage.socket().await?;
    let deep = format!("{}{}", "{\"a\":".repeat(100_000), "1".to_owned() + &"}".repeat(100_000));
    let frame = format!(r#"{{"action":"create_conversation_session","requestId":"r","metadata":{deep}}}"#);
    socket.send_text(&frame).await?;
    let answer = socket.event().await?;
    assert_eq!(answer["error"]["code"], "VALIDATION_ERROR");
    assert_eq!(socket.ask(json!({ "action": "ping" })).await?["type"], "pong");
    Ok(())
}

#[tokio::test]
async fn a_binary_frame_is_an_error_and_the_connection_stays() -> Result<()> {
    let stage = Stage::new(Script::new()).await?;
    let mut socket = stage.socket().await?;
    socket.send_binary(br#"{"action":"ping"}"#).await?;
    socket.send_binary(&[0, 159, 146, 150]).await?;
    for _ in 0..2 {
        assert_eq!(socket.event().await?["error"]["code"], "VALIDATION_ERROR");
    }
    assert_eq!(socket.ask(json!({ "action": "ping" })).await?["type"], "pong");
    Ok(())
}

#[tokio::test]
async fn key_order_unknown_keys_and_escapes_do_not_matter() -> Result<()> {
    let stage = Stage::new(Script::new()).await?;
    let mut socket = stage.socket().await?;
    let frame = r#" { "x": {"action":"cancel"}, "requestId" : "gr\u00fc\u00df \ud83d\udc4b", "action":"p\u0069ng" } "#;
    socket.send_text(frame).await?;
    let pong = socket.event().await?;
    assert_eq!((pong["type"].as_str(), pong["requestId"].as_str()), (Some("pong"), Some("grüß 👋")));
    Ok(())
}

#[tokio::test]
async fn a_frame_over_one_mebibyte_closes_the_connection() -> Result<()> {
    let stage = Stage::new(Script::new()).await?;
    let mut fits = stage.socket().await?;
    let padding = |length: usize| {
        let head = r#"{"action":"ping","x":""#;
        format!("{head}{}\"}}", "x".repeat(length - head.len() - 2))
    };
    fits.send_text(&padding(1 << 20)).await?;
    assert_eq!(fits.event().await?["type"], "pong", "exactly one MiB is allowed");
    let mut over = stage.socket().await?;
    // The server may have closed before all of it was written.
    let _ = over.send_text(&padding((1 << 20) + 1)).await;
    assert_eq!(over.closed().await?.code, Some(1009));
    assert_eq!(fits.ask(json!({ "action": "ping" })).await?["type"], "pong", "others are not touched");
    Ok(())
}
