//! Many things on one socket: each turn has its own way, and whatever is no turn is answered at once.

use anyhow::Result;
use futures_util::future::try_join_all;
use serde_json::json;
use smooai_smooth_operator_conformance::gateway::{Reply, Script};
use smooai_smooth_operator_conformance::stage::Stage;

#[tokio::test]
async fn two_conversations_on_one_socket_do_not_wait_for_each_other() -> Result<()> {
    let script = Script::new()
        .when_user("Slow", Reply::text("Slow begins").gate("slow").then(" and ends."))
        .when_user("Quick", Reply::pieces(["Quick ", "answer."]));
    let stage = Stage::new(script).await?;
    let mut socket = stage.socket().await?;
    let (one, two) = (socket.session().await?, socket.session().await?);
    socket.say(&one, "a", "Slow").await?;
    socket.until_type("a", "stream_token").await?;
    let quick = socket.whole_turn(&two, "b", "Quick").await?;
    assert_eq!(
        quick.lines(),
        ["immediate_response 202", "stream_token \"Quick answer.\"", "eventual_response \"Quick answer.\""]
    );
    stage.gateway.release("slow");
    assert_eq!(
        socket.turn("a").await?.lines(),
        ["stream_token \" and ends.\"", "eventual_response \"Slow begins and ends.\""]
    );
    Ok(())
}

#[tokio::test]
async fn a_second_message_is_refused_and_does_not_disturb_the_first() -> Result<()> {
    let stage = Stage::new(Script::new().say(Reply::text("Half").gate("more").then(" whole"))).await?;
    let (mut socket, session) = stage.session().await?;
    socket.say(&session, "t1", "One").await?;
    socket.until_type("t1", "stream_token").await?;
    for n in 0..3 {
        socket.say(&session, &format!("again-{n}"), "Two").await?;
        let refused = socket.event_of(&format!("again-{n}")).await?;
        assert_eq!(refused["error"]["code"], "TURN_IN_PROGRESS");
        assert_eq!(refused["data"]["details"]["status"], 409);
    }
    stage.gateway.release("more");
    assert_eq!(socket.turn("t1").await?.reply(), "Half whole");
    assert_eq!(stage.gateway.chats().len(), 1);
    let page = socket.data(json!({ "action": "get_conversation_messages", "sessionId": session })).await?;
    assert_eq!(page["messages"].as_array().unwrap().len(), 2, "the refused message is not kept");
    Ok(())
}

#[tokio::test]
async fn a_conversation_runs_one_turn_whatever_session_asks() -> Result<()> {
    let stage = Stage::new(Script::new().say(Reply::text("Half").gate("more").then(" whole"))).await?;
    let mut socket = stage.socket().await?;
    let first = socket.data(json!({ "action": "create_conversation_session" })).await?;
    let session = first["sessionId"].as_str().unwrap().to_owned();
    let resumed = socket.session_that(json!({ "conversationId": first["conversationId"] })).await?;
    assert_ne!(session, resumed);
    socket.say(&session, "t1", "One").await?;
    socket.until_type("t1", "stream_token").await?;
    socket.say(&resumed, "t2", "Two").await?;
    assert_eq!(socket.event_of("t2").await?["error"]["code"], "TURN_IN_PROGRESS");
    stage.gateway.release("more");
    assert_eq!(socket.turn("t1").await?.reply(), "Half whole");
    Ok(())
}

#[tokio::test]
async fn whatever_is_no_turn_is_answered_while_a_turn_runs() -> Result<()> {
    let stage = Stage::new(Script::new().say(Reply::text("Half").gate("more").then(" whole"))).await?;
    let mut socket = stage.socket().await?;
    let created = socket.data(json!({ "action": "create_conversation_session" })).await?;
    let session = created["sessionId"].as_str().unwrap().to_owned();
    socket.say(&session, "t1", "One").await?;
    socket.until_type("t1", "stream_token").await?;
    assert_eq!(socket.ask(json!({ "action": "ping" })).await?["type"], "pong");
    socket.data(json!({ "action": "get_session", "sessionId": session })).await?;
    socket.data(json!({ "action": "get_conversation_messages", "sessionId": session })).await?;
    socket.data(json!({ "action": "list_conversations" })).await?;
    let rename = json!({ "action": "rename_conversation", "conversationId": created["conversationId"],
                         "title": "Renamed meanwhile" });
    socket.data(rename).await?;
    socket.session().await?;
    stage.gateway.release("more");
    assert_eq!(socket.turn("t1").await?.reply(), "Half whole");
    Ok(())
}

#[tokio::test]
async fn many_conversations_on_one_socket_keep_their_answers_apart() -> Result<()> {
    let script = (0..20).fold(Script::new(), |script, n| {
        let [a, b] = [format!("answer {n} "), format!("for question {n}.")];
        script.when_user(&format!("question {n}."), Reply::pieces([a.as_str(), b.as_str()]))
    });
    let stage = Stage::new(script).await?;
    let mut socket = stage.socket().await?;
    let mut sessions = Vec::new();
    for n in 0..20 {
        let session = socket.session().await?;
        socket.say(&session, &format!("t{n}"), &format!("This is question {n}.")).await?;
        sessions.push(session);
    }
    for n in (0..20).rev() {
        let turn = socket.turn(&format!("t{n}")).await?;
        assert_eq!(turn.reply(), format!("answer {n} for question {n}."));
        assert_eq!(turn.final_tokens(), turn.reply());
    }
    Ok(())
}

#[tokio::test]
async fn of_many_that_ask_at_the_same_moment_one_gets_the_turn() -> Result<()> {
    let stage = Stage::new(Script::new().say(Reply::text("Mine").gate("more"))).await?;
    let mut socket = stage.socket().await?;
    let created = socket.data(json!({ "action": "create_conversation_session" })).await?;
    let session = created["sessionId"].as_str().unwrap().to_owned();
    for n in 0..10 {
        socket.say(&session, &format!("t{n}"), "Me!").await?;
    }
    let mut accepted = Vec::new();
    for n in 0..10 {
        let first = socket.event_of(&format!("t{n}")).await?;
        if first["type"] == "immediate_response" {
            accepted.push(format!("t{n}"));
        } else {
            assert_eq!(first["error"]["code"], "TURN_IN_PROGRESS");
        }
    }
    assert_eq!(accepted.len(), 1, "{accepted:?}");
    stage.gateway.release("more");
    assert_eq!(socket.turn(&accepted[0]).await?.reply(), "Mine");
    Ok(())
}

#[tokio::test]
async fn connections_do_not_see_each_others_events() -> Result<()> {
    let script = (0..8).fold(Script::new(), |script, n| {
        script.when_user(&format!("I am {n}."), Reply::text(&format!("You are {n}.")))
    });
    let stage = Stage::new(script).await?;
    let talks = (0..8).map(|n| {
        let stage = &stage;
        async move {
            let (mut socket, session) = stage.session().await?;
            // All use the same request id: it is the connection's own.
            let turn = socket.whole_turn(&session, "t", &format!("I am {n}.")).await?;
            assert_eq!(turn.reply(), format!("You are {n}."));
            assert!(socket.events_before_pong().await?.is_empty());
            anyhow::Ok(())
        }
    });
    try_join_all(talks).await?;
    Ok(())
}
