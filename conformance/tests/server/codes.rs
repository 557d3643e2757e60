//! One-time codes: sent by the operator's own sender, tried a few times, never shown to anybody else.

use anyhow::Result;
use serde_json::{Value, json};
use smooai_smooth_operator_conformance::gateway::{Reply, Script};
use smooai_smooth_operator_conformance::socket::Socket;
use smooai_smooth_operator_conformance::webhook::{Answer, Webhook};

use crate::shop::{Shop, invoice, operator_toml};

fn script() -> Script {
    Script::new().say(invoice("c1", "o-1")).say(Reply::text("It was 42.00.")).always(Reply::text("Well."))
}

async fn open(hook: Webhook, script: Script) -> Result<Shop> {
    let toml = operator_toml(&hook);
    Shop::with(script, hook, |setup| setup.operator_toml(&toml).env("SMOOTH_AGENT_AUTH_TOOLS", "show_*"))
        .await
}

/// A shop with an invoice that waits for a code in the turn `t1`.
async fn parked() -> Result<(Shop, Socket, String)> {
    let hook = Webhook::start()
        .await?
        .on("/invoice", Answer::json(json!({ "total": "42.00" })))
        .on("/code", Answer::text(204, ""));
    let shop = open(hook, script()).await?;
    let (mut socket, session) = shop.reachable_session().await?;
    socket.say(&session, "t1", "What was the total of o-1?").await?;
    let turn = socket.until_parked("t1").await?;
    assert_eq!(
        turn.lines(),
        [
            "immediate_response 202",
            "otp_verification_required show_invoice",
            "otp_sent email",
            "toolCall show_invoice {\"orderId\":\"o-1\"}",
        ]
    );
    let required = &turn.first("otp_verification_required")["data"]["data"];
    assert_eq!(required["availableChannels"], json!(["email"]));
    assert!(required["actionDescription"].as_str().unwrap().contains("o-1"), "{required}");
    let masked = turn.first("otp_sent")["data"]["data"]["maskedDestination"].as_str().unwrap();
    assert!(masked.contains('*') && !masked.contains("visitor@"), "{masked}");
    Ok((shop, socket, session))
}

fn verify(session: &str, request: &str, code: &str) -> Value {
    json!({ "action": "verify_otp", "sessionId": session, "requestId": request, "code": code })
}

/// A code that is not that one.
fn wrong(code: &str) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000)
}

#[tokio::test]
async fn the_right_code_lets_the_turn_go_on() -> Result<()> {
    let (shop, mut socket, session) = parked().await?;
    let code = shop.code(1).await?;
    assert!(code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()), "six digits");
    let sent = shop.hook.calls("/code")[0].body.clone();
    assert_eq!(sent["destination"], "visitor@example.com");
    assert_eq!(sent["channel"], "email");
    assert!(shop.hook.calls("/invoice").is_empty());
    let verified = socket.ask(verify(&session, "v1", &code)).await?;
    assert_eq!(verified["type"], "otp_verified");
    assert_eq!(
        socket.turn("t1").await?.lines(),
        ["toolResult show_invoice", "stream_token \"It was 42.00.\"", "eventual_response \"It was 42.00.\"",]
    );
    let log = shop.stage.server.log();
    assert!(!log.contains(&code), "the code is not logged");
    let prompts = format!("{:?}", shop.stage.gateway.chats());
    assert!(!prompts.contains(&code), "the model does not learn the code");
    Ok(())
}

#[tokio::test]
async fn the_turns_own_request_id_is_as_good() -> Result<()> {
    let (shop, mut socket, session) = parked().await?;
    let code = shop.code(1).await?;
    socket.send(verify(&session, "t1", &wrong(&code))).await?;
    assert_eq!(socket.event_of("t1").await?["type"], "otp_invalid");
    socket.send(verify(&session, "t1", &code)).await?;
    let lines = socket.turn("t1").await?.lines();
    assert_eq!(lines[0], "otp_verified", "{lines:?}");
    assert_eq!(lines.last().unwrap(), "eventual_response \"It was 42.00.\"");
    Ok(())
}

#[tokio::test]
async fn wrong_codes_count_down_and_the_right_one_still_counts() -> Result<()> {
    let (shop, mut socket, session) = parked().await?;
    let code = shop.code(1).await?;
    for (n, tried) in [wrong(&code), "12345".to_owned(), "abc".to_owned()].iter().enumerate() {
        let event = socket.ask(verify(&session, &format!("v{n}"), tried)).await?;
        assert_eq!(event["type"], "otp_invalid");
        assert_eq!(event["data"]["data"]["attemptsRemaining"], 4 - n, "{tried}");
        assert_eq!(event["data"]["data"]["error"], "INVALID_CODE");
    }
    assert!(shop.hook.calls("/invoice").is_empty());
    assert_eq!(socket.ask(verify(&session, "v", &code)).await?["type"], "otp_verified");
    assert_eq!(socket.turn("t1").await?.reply(), "It was 42.00.");
    Ok(())
}

#[tokio::test]
async fn the_fifth_wrong_code_locks_and_the_right_one_comes_too_late() -> Result<()> {
    let (shop, mut socket, session) = parked().await?;
    let code = shop.code(1).await?;
    let mut last = Value::Null;
    for n in 1..=5 {
        last = socket.ask(verify(&session, &format!("v{n}"), &wrong(&code))).await?;
    }
    assert_eq!(last["type"], "otp_invalid");
    assert_eq!(last["data"]["data"]["attemptsRemaining"], 0);
    assert_eq!(last["data"]["data"]["error"], "MAX_ATTEMPTS");
    let late = socket.ask(verify(&session, "late", &code)).await?;
    assert_eq!(late["type"], "otp_invalid");
    let lines = socket.turn("t1").await?.lines();
    assert!(!lines.contains(&"toolResult show_invoice".to_owned()), "{lines:?}");
    assert!(shop.hook.calls("/invoice").is_empty(), "the tool was never called");
    // The conversation is free again.
    socket.whole_turn(&session, "t2", "And now?").await?;
    Ok(())
}

#[tokio::test]
async fn a_code_that_nothing_waits_for_is_not_found() -> Result<()> {
    let (shop, mut socket, session) = parked().await?;
    let other = socket.session().await?;
    let code = shop.code(1).await?;
    for foreign in [other.as_str(), "5f0c1a52-0000-4000-8000-000000000000"] {
        let event = socket.ask(verify(foreign, "v1", &code)).await?;
        assert_eq!(event["type"], "otp_invalid", "{event}");
        assert_eq!(event["data"]["data"]["error"], "NOT_FOUND");
    }
    socket.ask(verify(&session, "v2", &code)).await?;
    socket.turn("t1").await?;
    let used = socket.ask(verify(&session, "v3", &code)).await?;
    assert_eq!(used["data"]["data"]["error"], "NOT_FOUND", "a code counts once");
    assert_eq!(shop.hook.calls("/invoice").len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_code_that_cannot_be_sent_is_an_error_that_says_so() -> Result<()> {
    let hook = Webhook::start().await?.on("/code", Answer::text(500, "smtp is down"));
    let shop = open(hook, script()).await?;
    let (mut socket, session) = shop.reachable_session().await?;
    let turn = socket.whole_turn(&session, "t1", "What was the total of o-1?").await?;
    assert_eq!(turn.last()["error"]["code"], "OTP_SEND_FAILED", "{}", turn.text());
    assert!(!turn.last().to_string().contains("smtp"), "{}", turn.last());
    assert!(shop.hook.calls("/invoice").is_empty());
    socket.whole_turn(&session, "t2", "And now?").await?;
    Ok(())
}

#[tokio::test]
async fn somebody_whom_no_code_can_reach_is_not_shown_anything() -> Result<()> {
    let hook = Webhook::start()
        .await?
        .on("/invoice", Answer::json(json!({ "total": "42.00" })))
        .on("/code", Answer::text(204, ""));
    let shop = open(hook, script()).await?;
    let (mut socket, session) = shop.session().await?;
    let lines = socket.whole_turn(&session, "t1", "What was the total of o-1?").await?.lines();
    assert!(!lines.contains(&"toolResult show_invoice".to_owned()), "{lines:?}");
    assert!(shop.hook.calls("/invoice").is_empty() && shop.hook.calls("/code").is_empty());
    Ok(())
}

#[tokio::test]
async fn a_tool_that_needs_both_is_proven_first_and_approved_then() -> Result<()> {
    let hook = Webhook::start()
        .await?
        .on("/invoice", Answer::json(json!({ "total": "42.00" })))
        .on("/code", Answer::text(204, ""));
    let toml = operator_toml(&hook);
    let shop = Shop::with(script(), hook, |setup| {
        setup
            .operator_toml(&toml)
            .env("SMOOTH_AGENT_AUTH_TOOLS", "show_*")
            .env("SMOOTH_AGENT_CONFIRM_TOOLS", "show_*")
    })
    .await?;
    let (mut socket, session) = shop.reachable_session().await?;
    socket.say(&session, "t1", "What was the total of o-1?").await?;
    socket.until_type("t1", "otp_sent").await?;
    let code = shop.code(1).await?;
    assert_eq!(socket.ask(verify(&session, "v1", &code)).await?["type"], "otp_verified");
    socket.until_type("t1", "write_confirmation_required").await?;
    assert!(shop.hook.calls("/invoice").is_empty());
    socket.data(crate::shop::verdict(&session, true)).await?;
    assert_eq!(socket.turn("t1").await?.reply(), "It was 42.00.");
    assert_eq!(shop.hook.calls("/invoice").len(), 1);
    Ok(())
}
