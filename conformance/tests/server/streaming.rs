//! A turn: what is streamed, in which order, and how it ends.

use anyhow::Result;
use serde_json::json;
use smooai_smooth_operator_conformance::frame_check::FRAME_LIMIT;
use smooai_smooth_operator_conformance::gateway::{Authorization, Piece, Reply, Script};
use smooai_smooth_operator_conformance::stage::Stage;

#[tokio::test]
async fn an_answer_is_streamed_and_ends_with_the_whole_reply() -> Result<()> {
    let reply = Reply::pieces(["Hel", "lo, ", "world."]).usage(12, 3).cost("0.0021");
    let stage = Stage::new(Script::new().say(reply)).await?;
    let (mut socket, session) = stage.session().await?;
    let turn = socket.whole_turn(&session, "t1", "Hello?").await?;
    assert_eq!(
        turn.lines(),
        ["immediate_response 202", "stream_token \"Hello, world.\"", "eventual_response \"Hello, world.\"",]
    );
    assert_eq!(turn.first("immediate_response")["data"], json!({}));
    assert_eq!(turn.last()["status"], 200);
    assert_eq!(turn.last()["data"]["status"], 200);
    assert_eq!(turn.last()["data"]["requestId"], "t1");
    let answer = turn.answer();
    assert_eq!(answer["needsEscalation"], false);
    assert!(answer["messageId"].is_string());
    assert_eq!(
        answer["response"],
        json!({ "responseParts": ["Hello, world."], "customerHappinessScore": 0.5,
                "needsSatisfactionScore": 0.5, "requestSummary": "", "resolutionStatus": "in_progress",
                "suggestedNextActions": [] })
    );
    assert_eq!(answer["usage"], json!({ "costUsd": 0.0021, "promptTokens": 12, "completionTokens": 3 }));
    assert!(answer.get("citations").is_none());
    let asked = stage.gateway.wait_for_chats(1).await?;
    assert_eq!(asked[0].authorization, Authorization::Expected);
    assert_eq!(asked[0].user(), "Hello?");
    assert_eq!(asked[0].body["model"], "claude-haiku-4-5");
    Ok(())
}

#[tokio::test]
async fn tokens_arrive_while_the_model_still_speaks() -> Result<()> {
    let stage = Stage::new(Script::new().say(Reply::text("First").gate("more").then(" second"))).await?;
    let (mut socket, session) = stage.session().await?;
    socket.say(&session, "t1", "Hello?").await?;
    let until = socket.until_type("t1", "stream_token").await?;
    assert_eq!(until.lines(), ["immediate_response 202", "stream_token \"First\""]);
    stage.gateway.release("more");
    assert_eq!(socket.turn("t1").await?.reply(), "First second");
    Ok(())
}

#[tokio::test]
async fn reasoning_is_streamed_apart_and_is_no_part_of_the_answer() -> Result<()> {
    let reply = Reply::default().thinks("Let me ").thinks("see.").then("It is 42.");
    let stage = Stage::new(Script::new().say(reply)).await?;
    let (mut socket, session) = stage.session().await?;
    let turn = socket.whole_turn(&session, "t1", "What is it?").await?;
    assert_eq!(
        turn.lines(),
        [
            "immediate_response 202",
            "stream_reasoning \"Let me see.\"",
            "stream_token \"It is 42.\"",
            "eventual_response \"It is 42.\"",
        ]
    );
    Ok(())
}

#[tokio::test]
async fn without_stream_only_the_acceptance_and_the_end_are_sent() -> Result<()> {
    let stage = Stage::new(Script::new().say(Reply::default().thinks("Hm.").then("Quiet."))).await?;
    let (mut socket, session) = stage.session().await?;
    let quiet = json!({ "action": "send_message", "sessionId": session, "requestId": "t1",
                        "message": "Hello?", "stream": false });
    socket.send(quiet).await?;
    let turn = socket.turn("t1").await?;
    let types: Vec<&str> = turn.events().iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!(types, ["immediate_response", "eventual_response"]);
    assert_eq!(turn.reply(), "Quiet.");
    Ok(())
}

#[tokio::test]
async fn a_turn_without_a_request_id_gets_one() -> Result<()> {
    let stage = Stage::new(Script::new().say(Reply::text("Hi."))).await?;
    let (mut socket, session) = stage.session().await?;
    socket.send(json!({ "action": "send_message", "sessionId": session, "message": "Hello?" })).await?;
    let accepted = socket.event().await?;
    let made = accepted["requestId"].as_str().unwrap().to_owned();
    let turn = socket.turn(&made).await?;
    assert_eq!(turn.lines(), ["stream_token \"Hi.\"", "eventual_response \"Hi.\""]);
    Ok(())
}

#[tokio::test]
async fn the_bytes_of_the_stream_may_be_split_anywhere() -> Result<()> {
    let text = "Grüße — 你好 👩‍👩‍👧 \"quoted\" \\ and\ta tab";
    for sizes in [&[1][..], &[2, 3], &[7, 1, 64], &[4096]] {
        for crlf in [false, true] {
            let reply = Reply::default()
                .piece(Piece::Comment("keep-alive".to_owned()))
                .then(text)
                .piece(Piece::Comment(String::new()))
                .then(text)
                .usage(1, 1)
                .split(sizes);
            let reply = if crlf { reply.crlf() } else { reply.without_done() };
            let stage = Stage::new(Script::new().say(reply)).await?;
            let (mut socket, session) = stage.session().await?;
            let turn = socket.whole_turn(&session, "t1", "Hello?").await?;
            assert_eq!(turn.reply(), format!("{text}{text}"), "split {sizes:?}, CRLF {crlf}");
            assert_eq!(turn.final_tokens(), turn.reply());
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_next_message_is_accepted_as_soon_as_the_end_is_seen() -> Result<()> {
    let stage = Stage::new(Script::new().always(Reply::text("Yes."))).await?;
    let (mut socket, session) = stage.session().await?;
    for n in 0..30 {
        let turn = socket.whole_turn(&session, &format!("t{n}"), "Again?").await?;
        assert_eq!(turn.reply(), "Yes.", "turn {n}");
    }
    assert!(socket.events_before_pong().await?.is_empty(), "nothing follows a turn's end");
    Ok(())
}

#[tokio::test]
async fn an_empty_answer_ends_the_turn_once() -> Result<()> {
    let stage = Stage::new(Script::new().always(Reply::default())).await?;
    let (mut socket, session) = stage.session().await?;
    let turn = socket.whole_turn(&session, "t1", "Hello?").await?;
    assert_eq!(turn.first("stream_token"), &json!(null), "a token is never empty");
    assert!(socket.events_before_pong().await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_long_answer_keeps_within_the_frame_limit() -> Result<()> {
    let piece = "a long answer ".repeat(2000);
    let reply = (0..20).fold(Reply::default(), |reply, _| reply.then(&piece));
    let stage = Stage::new(Script::new().say(reply)).await?;
    let (mut socket, session) = stage.session().await?;
    let turn = socket.whole_turn(&session, "t1", "Tell me all.").await?;
    assert_eq!(turn.reply().len(), 20 * piece.len());
    assert_eq!(turn.final_tokens(), turn.reply());
    Ok(())
}

#[tokio::test]
async fn an_answer_over_the_frame_limit_still_ends_the_turn() -> Result<()> {
    let piece = "x".repeat(FRAME_LIMIT / 4);
    let reply = (0..8).fold(Reply::default(), |reply, _| reply.then(&piece));
    let stage = Stage::new(Script::new().say(reply).always(Reply::text("Still here."))).await?;
    let (mut socket, session) = stage.session().await?;
    socket.whole_turn(&session, "t1", "Tell me too much.").await?;
    assert_eq!(socket.whole_turn(&session, "t2", "And now?").await?.reply(), "Still here.");
    Ok(())
}

#[tokio::test]
async fn a_message_names_the_model_that_answers() -> Result<()> {
    let stage = Stage::new(Script::new().when_model("big-model", Reply::text("Big."))).await?;
    let (mut socket, session) = stage.session().await?;
    let message = json!({ "action": "send_message", "sessionId": session, "requestId": "t1",
                          "message": "Hello?", "model": "big-model" });
    socket.send(message).await?;
    assert_eq!(socket.turn("t1").await?.reply(), "Big.");
    Ok(())
}

#[tokio::test]
async fn images_and_files_reach_the_model_as_parts() -> Result<()> {
    let stage = Stage::new(Script::new().say(Reply::text("A cat."))).await?;
    let (mut socket, session) = stage.session().await?;
    let image = "data:image/png;base64,iVBORw0KGgo=";
    let message = json!({ "action": "send_message", "sessionId": session, "requestId": "t1",
                          "message": "What is this?", "images": [{ "url": image, "detail": "low" }],
                          "files": [{ "name": "cat.txt", "mimeType": "text/plain", "url": "data:text/plain;base64,bWVvdw==" }] });
    socket.send(message).await?;
    assert_eq!(socket.turn("t1").await?.reply(), "A cat.");
    let asked = stage.gateway.chats();
    let user = asked[0].messages().iter().rfind(|message| message["role"] == "user").unwrap().clone();
    let parts = user["content"].as_array().unwrap();
    let part = parts.iter().find(|part| part["type"] == "image_url").unwrap();
    assert_eq!(part["image_url"], json!({ "url": image, "detail": "low" }));
    let file = parts.iter().find(|part| part["type"] == "file").unwrap();
    assert_eq!(file["file"]["filename"], "cat.txt");
    assert_eq!(file["file"]["file_data"], "data:text/plain;base64,bWVvdw==");
    Ok(())
}

/// About 3.5 MiB of reasoning, and then an answer.
fn long_thought() -> Reply {
    let piece = "thinking ".repeat(7_000);
    (0..60).fold(Reply::default(), |reply, _| reply.thinks(&piece)).then("Done.")
}

#[tokio::test]
async fn a_slow_reader_gets_everything_in_order() -> Result<()> {
    let stage = Stage::new(Script::new().say(long_thought())).await?;
    let (mut slow, session) = stage.session().await?;
    slow.say(&session, "t1", "Think hard.").await?;
    // Nothing is read until another connection has had a whole conversation.
    let mut other = stage.socket().await?;
    for _ in 0..50 {
        other.session().await?;
    }
    let turn = slow.turn("t1").await?;
    let thought: usize = turn
        .events()
        .iter()
        .filter(|event| event["type"] == "stream_reasoning")
        .map(|event| event["token"].as_str().unwrap().len())
        .sum();
    assert_eq!(thought, 60 * 7_000 * "thinking ".len());
    assert_eq!(turn.reply(), "Done.");
    Ok(())
}

#[tokio::test]
async fn a_reader_that_does_not_read_costs_the_server_little() -> Result<()> {
    let turns = 30;
    let script = Script::new().when_user("Quick?", Reply::text("Yes.")).always(long_thought());
    let stage = Stage::new(script).await?;
    let mut slow = stage.socket().await?;
    let mut sessions = Vec::new();
    for _ in 0..turns {
        sessions.push(slow.session().await?);
    }
    let before = stage.server.resident_memory()?;
    for (n, session) in sessions.iter().enumerate() {
        slow.say(session, &format!("t{n}"), "Think hard.").await?;
    }
    stage.gateway.wait_for_chats(turns).await?;
    let (mut other, session) = stage.session().await?;
    assert_eq!(other.whole_turn(&session, "o", "Quick?").await?.reply(), "Yes.", "nobody else waits");
    let grown = stage.server.resident_memory()?.saturating_sub(before);
    assert!(grown < 48 << 20, "{grown} bytes of {turns} × 3.5 MiB are kept for one that does not read");
    Ok(())
}
