//! The models beside the one that answers: a word before a slow answer, a judge after it.

use anyhow::Result;
use serde_json::{Value, json};
use smooai_smooth_operator_conformance::gateway::{Reply, Script};
use smooai_smooth_operator_conformance::stage::Stage;

const MAIN: &str = "claude-haiku-4-5";

#[tokio::test]
async fn a_preamble_comes_once_and_before_the_first_token() -> Result<()> {
    let script = Script::new()
        .when_model("quick", Reply::text("I am looking into it."))
        .when_model(MAIN, Reply::default().gate("slow").then("It is 42."));
    let stage = Stage::with(script, |setup| setup.env("SMOOTH_AGENT_PREAMBLE_MODEL", "quick")).await?;
    let (mut socket, session) = stage.session().await?;
    socket.say(&session, "t1", "What is it?").await?;
    let until = socket.until_type("t1", "stream_preamble").await?;
    assert_eq!(until.lines(), ["immediate_response 202", "stream_preamble \"I am looking into it.\""]);
    stage.gateway.release("slow");
    assert_eq!(
        socket.turn("t1").await?.lines(),
        ["stream_token \"It is 42.\"", "eventual_response \"It is 42.\""]
    );
    Ok(())
}

#[tokio::test]
async fn a_preamble_that_is_late_or_fails_is_left_out() -> Result<()> {
    for late in [Reply::text("Too late.").gate_before_headers("never"), Reply::server_error(500)] {
        let script = Script::new()
            .when_model("quick", late.clone())
            .when_model("quick", late.clone())
            .when_model("quick", late)
            .when_model(MAIN, Reply::text("It is 42."));
        let stage = Stage::with(script, |setup| setup.env("SMOOTH_AGENT_PREAMBLE_MODEL", "quick")).await?;
        let (mut socket, session) = stage.session().await?;
        assert_eq!(
            socket.whole_turn(&session, "t1", "What is it?").await?.lines(),
            ["immediate_response 202", "stream_token \"It is 42.\"", "eventual_response \"It is 42.\""]
        );
    }
    Ok(())
}

/// The response of a turn that a judge was asked about.
async fn judged(judgement: Reply) -> Result<Value> {
    let script = Script::new().when_model("judge", judgement).when_model(MAIN, Reply::text("It is 42."));
    let stage = Stage::with(script, |setup| setup.env("SMOOTH_AGENT_JUDGE_MODEL", "judge")).await?;
    let (mut socket, session) = stage.session().await?;
    let turn = socket.whole_turn(&session, "t1", "What is it?").await?;
    assert_eq!(turn.reply(), "It is 42.");
    Ok(turn.answer().clone())
}

#[tokio::test]
async fn a_judge_fills_the_analysis_of_the_response() -> Result<()> {
    let judgement = json!({ "customerHappinessScore": 0.9, "needsSatisfactionScore": 1.0,
                            "requestSummary": "Asked for the answer.", "resolutionStatus": "resolved",
                            "suggestedNextActions": ["Thank you"], "needsEscalation": true,
                            "escalationReason": "The question is missing." });
    let answer = judged(Reply::text(&judgement.to_string())).await?;
    assert_eq!(
        answer["response"],
        json!({ "responseParts": ["It is 42."], "customerHappinessScore": 0.9,
                "needsSatisfactionScore": 1.0, "requestSummary": "Asked for the answer.",
                "resolutionStatus": "resolved", "suggestedNextActions": ["Thank you"] })
    );
    assert_eq!(answer["needsEscalation"], true);
    assert_eq!(answer["escalationReason"], "The question is missing.");
    Ok(())
}

#[tokio::test]
async fn a_judge_that_makes_no_sense_leaves_the_neutral_values() -> Result<()> {
    for nonsense in ["I liked it.", "{\"customerHappinessScore\": \"very\"}", ""] {
        let answer = judged(Reply::text(nonsense)).await?;
        assert_eq!(answer["response"]["customerHappinessScore"], 0.5, "{nonsense}");
        assert_eq!(answer["response"]["resolutionStatus"], "in_progress", "{nonsense}");
        assert_eq!(answer["needsEscalation"], false, "{nonsense}");
    }
    Ok(())
}

#[tokio::test]
async fn a_turn_can_be_cancelled_while_it_is_judged() -> Result<()> {
    let script = Script::new()
        .when_model("judge", Reply::text("{}").gate_before_headers("never"))
        .when_model(MAIN, Reply::text("It is 42."));
    let stage = Stage::with(script, |setup| setup.env("SMOOTH_AGENT_JUDGE_MODEL", "judge")).await?;
    let (mut socket, session) = stage.session().await?;
    socket.say(&session, "t1", "What is it?").await?;
    stage.gateway.wait_at("never").await?;
    socket.send(json!({ "action": "cancel", "requestId": "t1" })).await?;
    let turn = socket.turn("t1").await?;
    assert_eq!(turn.last()["type"], "cancelled", "{}", turn.text());
    stage.gateway.wait_for_dropped(1).await
}
