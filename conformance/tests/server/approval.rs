//! Approval: a write waits for a person, and a verdict counts once and only for its own park.

use anyhow::Result;
use serde_json::{Value, json};
use smooai_smooth_operator_conformance::gateway::{Reply, Script};
use smooai_smooth_operator_conformance::socket::Socket;

use crate::shop::{Shop, look_up, refund, verdict};

fn script() -> Script {
    Script::new().say(refund("c1", "o-1")).say(Reply::text("Done.")).always(Reply::text("Anything else?"))
}

/// A shop with a refund that waits for approval in the turn `t1`.
async fn parked(script: Script) -> Result<(Shop, Socket, String)> {
    let shop = Shop::open(script).await?;
    let (mut socket, session) = shop.session().await?;
    socket.say(&session, "t1", "Refund o-1, please.").await?;
    let turn = socket.until_parked("t1").await?;
    assert_eq!(
        turn.lines(),
        [
            "immediate_response 202",
            "write_confirmation_required issue_refund",
            "toolCall issue_refund {\"orderId\":\"o-1\"}",
        ]
    );
    let park = &turn.first("write_confirmation_required")["data"]["data"];
    assert!(park["actionDescription"].as_str().unwrap().contains("o-1"), "{park}");
    assert!(shop.hook.calls("/refund").is_empty());
    Ok((shop, socket, session))
}

/// The code of an error event.
fn code(event: &Value) -> &str {
    event["error"]["code"].as_str().unwrap()
}

#[tokio::test]
async fn an_approved_write_is_made_and_the_turn_goes_on() -> Result<()> {
    let (shop, mut socket, session) = parked(script()).await?;
    let data = socket.data(verdict(&session, true)).await?;
    assert_eq!(data, json!({ "sessionId": session, "approved": true }));
    let turn = socket.turn("t1").await?;
    assert_eq!(
        turn.lines(),
        ["toolResult issue_refund", "stream_token \"Done.\"", "eventual_response \"Done.\"",]
    );
    assert_eq!(shop.hook.calls("/refund").len(), 1);
    assert_eq!(shop.stage.gateway.chats()[1].tool_results()[0].1, r#"{"refunded":true}"#);
    Ok(())
}

#[tokio::test]
async fn a_denied_write_is_not_made_and_the_turn_goes_on() -> Result<()> {
    let (shop, mut socket, session) = parked(script()).await?;
    let data = socket.data(verdict(&session, false)).await?;
    assert_eq!(data, json!({ "sessionId": session, "approved": false }));
    assert_eq!(
        socket.turn("t1").await?.lines(),
        ["toolResult issue_refund failed", "stream_token \"Done.\"", "eventual_response \"Done.\""]
    );
    assert!(shop.hook.calls("/refund").is_empty());
    Ok(())
}

#[tokio::test]
async fn a_verdict_may_carry_the_turns_own_request_id() -> Result<()> {
    let (shop, mut socket, session) = parked(script()).await?;
    let mut confirm = verdict(&session, true);
    confirm["requestId"] = json!("t1");
    socket.send(confirm).await?;
    assert_eq!(
        socket.turn("t1").await?.lines(),
        [
            "immediate_response 200",
            "toolResult issue_refund",
            "stream_token \"Done.\"",
            "eventual_response \"Done.\"",
        ]
    );
    assert_eq!(shop.hook.calls("/refund").len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_verdict_that_is_no_boolean_is_an_error_and_never_an_approval() -> Result<()> {
    let (shop, mut socket, session) = parked(script()).await?;
    for approved in [json!("true"), json!(1), json!(null), json!({})] {
        let confirm = json!({ "action": "confirm_tool_action", "sessionId": session, "approved": approved });
        let error = socket.error(confirm).await?;
        assert_eq!(code(&error), "VALIDATION_ERROR", "{approved}");
        assert_eq!(error["data"]["details"]["field"], "/approved");
    }
    let error = socket.error(json!({ "action": "confirm_tool_action", "sessionId": session })).await?;
    assert_eq!(code(&error), "VALIDATION_ERROR");
    assert!(shop.hook.calls("/refund").is_empty());
    socket.data(verdict(&session, false)).await?;
    socket.turn("t1").await?;
    Ok(())
}

#[tokio::test]
async fn a_doubled_or_late_verdict_is_refused() -> Result<()> {
    let (shop, mut socket, session) = parked(script()).await?;
    socket.data(verdict(&session, true)).await?;
    assert_eq!(code(&socket.error(verdict(&session, true)).await?), "NO_PENDING_CONFIRMATION");
    assert_eq!(socket.turn("t1").await?.reply(), "Done.");
    assert_eq!(code(&socket.error(verdict(&session, true)).await?), "NO_PENDING_CONFIRMATION");
    assert_eq!(shop.hook.calls("/refund").len(), 1, "made once");
    Ok(())
}

#[tokio::test]
async fn a_verdict_of_an_unknown_or_another_session_is_refused() -> Result<()> {
    let (shop, mut socket, session) = parked(script()).await?;
    let unknown = verdict("5f0c1a52-0000-4000-8000-000000000000", true);
    assert_eq!(code(&socket.error(unknown).await?), "NO_PENDING_CONFIRMATION");
    let other = socket.session().await?;
    assert_eq!(code(&socket.error(verdict(&other, true)).await?), "NO_PENDING_CONFIRMATION");
    assert!(shop.hook.calls("/refund").is_empty());
    socket.data(verdict(&session, true)).await?;
    assert_eq!(socket.turn("t1").await?.reply(), "Done.");
    Ok(())
}

#[tokio::test]
async fn a_verdict_of_another_kind_does_not_release_the_park() -> Result<()> {
    let (shop, mut socket, session) = parked(script()).await?;
    let code_verdict =
        json!({ "action": "verify_otp", "sessionId": session, "requestId": "v1", "code": "000000" });
    assert_eq!(socket.ask(code_verdict).await?["type"], "otp_invalid");
    let form = json!({ "action": "submit_interaction", "sessionId": session, "requestId": "v2",
                       "interactionId": "i", "values": {} });
    assert_eq!(code(&socket.error(form).await?), "NO_PENDING_INTERACTION");
    assert!(shop.hook.calls("/refund").is_empty());
    socket.data(verdict(&session, true)).await?;
    assert_eq!(socket.turn("t1").await?.reply(), "Done.");
    Ok(())
}

#[tokio::test]
async fn a_parked_turn_still_holds_its_conversation() -> Result<()> {
    let (_shop, mut socket, session) = parked(script()).await?;
    socket.say(&session, "t2", "And now?").await?;
    assert_eq!(code(&socket.event_of("t2").await?), "TURN_IN_PROGRESS");
    socket.data(verdict(&session, true)).await?;
    assert_eq!(socket.turn("t1").await?.reply(), "Done.");
    assert_eq!(socket.whole_turn(&session, "t3", "And now?").await?.reply(), "Anything else?");
    Ok(())
}

#[tokio::test]
async fn two_writes_of_one_reply_are_asked_for_one_by_one() -> Result<()> {
    let two = Reply::default().and_tool("c1", "issue_refund", r#"{"orderId":"o-1"}"#).and_tool(
        "c2",
        "issue_refund",
        r#"{"orderId":"o-2"}"#,
    );
    let (shop, mut socket, session) = parked(Script::new().say(two).say(Reply::text("One of two."))).await?;
    socket.data(verdict(&session, true)).await?;
    let second = socket.until_type("t1", "write_confirmation_required").await?;
    assert!(second.last()["data"]["data"]["actionDescription"].as_str().unwrap().contains("o-2"));
    socket.data(verdict(&session, false)).await?;
    assert_eq!(socket.turn("t1").await?.reply(), "One of two.");
    let refunded: Vec<Value> = shop.hook.calls("/refund").iter().map(|c| c.body["orderId"].clone()).collect();
    assert_eq!(refunded, ["o-1"]);
    let results = shop.stage.gateway.chats()[1].tool_results();
    assert_eq!(results.len(), 2, "each call is answered once: {results:?}");
    Ok(())
}

#[tokio::test]
async fn a_read_beside_a_write_needs_no_approval() -> Result<()> {
    let both = Reply::default().and_tool("c1", "look_up_order", r#"{"orderId":"o-1"}"#).and_tool(
        "c2",
        "issue_refund",
        r#"{"orderId":"o-1"}"#,
    );
    let shop = Shop::open(Script::new().say(both).say(Reply::text("Done."))).await?;
    let (mut socket, session) = shop.session().await?;
    socket.say(&session, "t1", "Look and refund.").await?;
    socket.until_type("t1", "write_confirmation_required").await?;
    socket.data(verdict(&session, true)).await?;
    assert_eq!(socket.turn("t1").await?.reply(), "Done.");
    assert_eq!((shop.hook.calls("/order").len(), shop.hook.calls("/refund").len()), (1, 1));
    Ok(())
}

#[tokio::test]
async fn any_tool_can_be_put_under_approval_by_name() -> Result<()> {
    let hook = smooai_smooth_operator_conformance::webhook::Webhook::start().await?;
    let script = Script::new().say(look_up("c1", "o-1")).say(Reply::text("As you wish."));
    let shop = Shop::with(script, hook, |setup| setup.env("SMOOTH_AGENT_CONFIRM_TOOLS", "look_*")).await?;
    let (mut socket, session) = shop.session().await?;
    socket.say(&session, "t1", "Where is o-1?").await?;
    let turn = socket.until_type("t1", "write_confirmation_required").await?;
    assert_eq!(turn.last()["data"]["data"]["toolId"], "look_up_order");
    socket.data(verdict(&session, false)).await?;
    assert_eq!(socket.turn("t1").await?.reply(), "As you wish.");
    assert!(shop.hook.calls("/order").is_empty());
    Ok(())
}

#[tokio::test]
async fn park_events_arrive_without_stream_too() -> Result<()> {
    let shop = Shop::open(script()).await?;
    let (mut socket, session) = shop.session().await?;
    let quiet = json!({ "action": "send_message", "sessionId": session, "requestId": "t1",
                        "message": "Refund o-1.", "stream": false });
    socket.send(quiet).await?;
    socket.until_type("t1", "write_confirmation_required").await?;
    socket.data(verdict(&session, true)).await?;
    assert_eq!(socket.turn("t1").await?.lines(), ["eventual_response \"Done.\""]);
    Ok(())
}

#[tokio::test]
async fn a_park_outlives_its_connection() -> Result<()> {
    let (shop, socket, session) = parked(script()).await?;
    drop(socket);
    let mut again = shop.stage.socket().await?;
    again.data(verdict(&session, true)).await?;
    assert_eq!(
        again.turn("t1").await?.lines(),
        ["toolResult issue_refund", "stream_token \"Done.\"", "eventual_response \"Done.\""]
    );
    assert_eq!(shop.hook.calls("/refund").len(), 1);
    Ok(())
}
