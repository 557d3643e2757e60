//! Forms: the model asks for a person's details or choice, and the turn waits for the answer.

use anyhow::Result;
use serde_json::{Value, json};
use smooai_smooth_operator_conformance::gateway::{Reply, Script};
use smooai_smooth_operator_conformance::socket::Socket;
use smooai_smooth_operator_conformance::stage::Stage;

fn identity() -> Reply {
    let fields = json!([{ "key": "email", "required": true }, { "key": "phone", "required": false }]);
    Reply::tool(
        "c1",
        "request_identity_intake",
        json!({ "fields": fields, "reason": "To send you the return label." }),
    )
}

fn choices() -> Reply {
    let option = |label: &str| json!({ "label": label, "description": format!("{label}, please.") });
    let question = json!({ "question": "What would you like?", "header": "Outcome",
                           "options": [option("Refund"), option("Exchange")], "multiSelect": false });
    Reply::tool("c1", "request_choices", json!({ "questions": [question], "reason": "To go on." }))
}

/// A form that waits in the turn `t1`: the stage, the socket, the session, and what was asked.
async fn parked(form: Reply, kind: &str, capability: &str) -> Result<(Stage, Socket, String, Value)> {
    let stage = Stage::new(Script::new().say(form).say(Reply::text("Thank you."))).await?;
    let (mut socket, session) = stage.session_that(json!({ "supports": [capability] })).await?;
    socket.say(&session, "t1", "I want to send it back.").await?;
    let turn = socket.until_parked("t1").await?;
    let lines = turn.lines();
    assert_eq!(lines[..2], ["immediate_response 202".to_owned(), format!("interaction_required {kind}")]);
    assert!(lines.len() == 3 && lines[2].starts_with("toolCall request_"), "{lines:?}");
    let asked = turn.first("interaction_required")["data"]["data"].clone();
    Ok((stage, socket, session, asked))
}

fn submit(session: &str, asked: &Value, values: &Value) -> Value {
    json!({ "action": "submit_interaction", "sessionId": session, "requestId": "s1",
            "interactionId": asked["interactionId"], "kind": asked["kind"], "values": values })
}

#[tokio::test]
async fn a_filled_in_form_is_taken_in_canonical_form() -> Result<()> {
    let (stage, mut socket, session, asked) = parked(identity(), "identity_intake", "identity_form").await?;
    assert_eq!(asked["reason"], "To send you the return label.");
    assert_eq!(
        asked["spec"]["fields"],
        json!([{ "key": "email", "required": true }, { "key": "phone", "required": false }])
    );
    let values = json!({ "email": "Visitor@EXAMPLE.com", "phone": "+1 (415) 555-0123" });
    let taken = socket.data(submit(&session, &asked, &values)).await?;
    let canonical = json!({ "email": "Visitor@example.com", "phone": "+14155550123" });
    assert_eq!(
        taken,
        json!({ "sessionId": session, "interactionId": asked["interactionId"],
                "kind": "identity_intake", "values": canonical })
    );
    assert_eq!(
        socket.turn("t1").await?.lines(),
        [
            "toolResult request_identity_intake",
            "stream_token \"Thank you.\"",
            "eventual_response \"Thank you.\"",
        ]
    );
    let result = &stage.gateway.chats()[1].tool_results()[0].1;
    assert!(result.contains("Visitor@example.com"), "{result}");
    Ok(())
}

#[tokio::test]
async fn an_invalid_form_is_sent_back_and_the_turn_waits_on() -> Result<()> {
    let (_stage, mut socket, session, asked) = parked(identity(), "identity_intake", "identity_form").await?;
    let event = socket.ask(submit(&session, &asked, &json!({ "email": "visitor" }))).await?;
    assert_eq!(event["type"], "interaction_invalid");
    let rejection = &event["data"]["data"];
    assert_eq!(rejection["message"], "Some fields need attention.");
    assert_eq!(rejection["interactionId"], asked["interactionId"]);
    assert_eq!(rejection["kind"], "identity_intake");
    assert_eq!(
        rejection["errors"],
        json!([{ "field": "email", "message": "must be a valid email address" }])
    );
    let empty = socket.ask(submit(&session, &asked, &json!({}))).await?;
    assert_eq!(empty["data"]["data"]["errors"][0]["field"], "email");
    socket.data(submit(&session, &asked, &json!({ "email": "visitor@example.com" }))).await?;
    assert_eq!(socket.turn("t1").await?.reply(), "Thank you.");
    Ok(())
}

#[tokio::test]
async fn a_declined_form_lets_the_turn_go_on() -> Result<()> {
    let (stage, mut socket, session, asked) = parked(identity(), "identity_intake", "identity_form").await?;
    let decline = json!({ "action": "submit_interaction", "sessionId": session, "requestId": "s1",
                          "interactionId": asked["interactionId"], "declined": true });
    let taken = socket.data(decline).await?;
    assert_eq!(
        taken,
        json!({ "sessionId": session, "interactionId": asked["interactionId"], "declined": true })
    );
    assert_eq!(socket.turn("t1").await?.reply(), "Thank you.");
    assert!(stage.gateway.chats()[1].tool_results()[0].1.contains("declined"));
    Ok(())
}

#[tokio::test]
async fn choices_are_taken_or_sent_back_by_question() -> Result<()> {
    let (stage, mut socket, session, asked) = parked(choices(), "choices", "choice_chips").await?;
    assert_eq!(asked["spec"]["questions"][0]["header"], "Outcome");
    let answer = |options: Value| json!({ "answers": [{ "header": "Outcome", "options": options }] });
    for wrong in [json!(["Apology"]), json!(["Refund", "Exchange"]), json!([])] {
        let event = socket.ask(submit(&session, &asked, &answer(wrong.clone()))).await?;
        assert_eq!(event["type"], "interaction_invalid", "{wrong}");
        assert_eq!(event["data"]["data"]["errors"][0]["field"], "Outcome", "{wrong}");
    }
    let values = answer(json!(["Exchange"]));
    let taken = socket.data(submit(&session, &asked, &values)).await?;
    assert_eq!(taken["values"], values);
    assert_eq!(socket.turn("t1").await?.reply(), "Thank you.");
    assert!(stage.gateway.chats()[1].tool_results()[0].1.contains("Exchange"));
    Ok(())
}

#[tokio::test]
async fn choices_may_be_answered_in_own_words_or_declined() -> Result<()> {
    let (_stage, mut socket, session, asked) = parked(choices(), "choices", "choice_chips").await?;
    let values = json!({ "answers": [{ "header": "Outcome", "other": "A repair." }] });
    assert_eq!(socket.data(submit(&session, &asked, &values)).await?["values"], values);
    socket.turn("t1").await?;

    let (_stage, mut socket, session, asked) = parked(choices(), "choices", "choice_chips").await?;
    let mut decline = submit(&session, &asked, &json!({}));
    decline["declined"] = json!(true);
    assert_eq!(socket.data(decline).await?["declined"], true);
    assert_eq!(socket.turn("t1").await?.reply(), "Thank you.");
    Ok(())
}

#[tokio::test]
async fn a_session_that_cannot_show_the_form_is_asked_in_words() -> Result<()> {
    for (form, tool, kind, other) in [
        (identity(), "request_identity_intake", "identity_intake", "choice_chips"),
        (choices(), "request_choices", "choices", "identity_form"),
    ] {
        let stage = Stage::new(Script::new().say(form).say(Reply::text("What is your address?"))).await?;
        let (mut socket, session) = stage.session_that(json!({ "supports": [other] })).await?;
        let lines = socket.whole_turn(&session, "t1", "I want to send it back.").await?.lines();
        assert!(!lines.iter().any(|line| line.starts_with("interaction_required")), "{lines:?}");
        assert!(lines.contains(&format!("toolResult {tool}")), "{lines:?}");
        let result: Value = serde_json::from_str(&stage.gateway.chats()[1].tool_results()[0].1)?;
        assert_eq!(result["mode"], "conversational");
        assert_eq!(result["kind"], kind);
        assert!(result["spec"].is_object() && result["instructions"].is_string(), "{result}");
    }
    Ok(())
}

#[tokio::test]
async fn an_answer_counts_only_for_the_form_that_waits() -> Result<()> {
    let (_stage, mut socket, session, asked) = parked(identity(), "identity_intake", "identity_form").await?;
    let values = json!({ "email": "visitor@example.com" });
    let mut other = submit(&session, &asked, &values);
    other["interactionId"] = json!("5f0c1a52-0000-4000-8000-000000000000");
    assert_eq!(socket.error(other).await?["error"]["code"], "INTERACTION_MISMATCH");
    let mut kind = submit(&session, &asked, &values);
    kind["kind"] = json!("choices");
    assert_eq!(socket.error(kind).await?["error"]["code"], "INTERACTION_MISMATCH");
    let mut neither = submit(&session, &asked, &values);
    neither.as_object_mut().unwrap().remove("values");
    assert_eq!(socket.ask(neither).await?["type"], "interaction_invalid");
    let confirm = json!({ "action": "confirm_tool_action", "sessionId": session, "approved": true });
    assert_eq!(socket.error(confirm).await?["error"]["code"], "NO_PENDING_CONFIRMATION");

    // The turn's own requestId is as good as one of the client's.
    let mut right = submit(&session, &asked, &values);
    right["requestId"] = json!("t1");
    socket.send(right.clone()).await?;
    let lines = socket.turn("t1").await?.lines();
    assert_eq!(lines[0], "immediate_response 200", "{lines:?}");
    right["requestId"] = json!("s2");
    assert_eq!(socket.error(right).await?["error"]["code"], "NO_PENDING_INTERACTION");
    Ok(())
}
