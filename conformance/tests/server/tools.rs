//! Tools: HTTP endpoints of a user's systems, called by the model.

use anyhow::Result;
use serde_json::{Value, json};
use smooai_smooth_operator_conformance::gateway::{Piece, Reply, Script};
use smooai_smooth_operator_conformance::webhook::{Answer, Webhook};

use crate::shop::{Shop, look_up, operator_toml};

#[tokio::test]
async fn a_tool_is_called_and_its_result_goes_to_the_model() -> Result<()> {
    let script =
        Script::new().say(look_up("c1", "o-7").usage(10, 2)).say(Reply::text("Shipped.").usage(20, 3));
    let shop = Shop::open(script).await?;
    let (mut socket, session) = shop.session().await?;
    let turn = socket.whole_turn(&session, "t1", "Where is o-7?").await?;
    assert_eq!(
        turn.lines(),
        [
            "immediate_response 202",
            "toolCall look_up_order {\"orderId\":\"o-7\"}",
            "toolResult look_up_order",
            "stream_token \"Shipped.\"",
            "eventual_response \"Shipped.\"",
        ]
    );
    let call = shop.hook.wait_for_call("/order", 1).await?;
    assert_eq!(call.body, json!({ "orderId": "o-7" }));
    assert_eq!(call.request.method, "POST");
    assert!(call.request.header("idempotency-key").is_some_and(|key| !key.is_empty()));
    assert!(call.request.header("x-conversation-id").is_some());
    let chats = shop.stage.gateway.chats();
    assert_eq!(chats.len(), 2);
    assert!(chats[0].tools().contains(&"look_up_order".to_owned()));
    assert_eq!(chats[1].tool_results(), [("c1".to_owned(), r#"{"status":"shipped"}"#.to_owned())]);
    assert_eq!(turn.answer()["usage"]["promptTokens"], 30, "the sum over the turn's model calls");
    assert_eq!(turn.answer()["usage"]["completionTokens"], 5);
    Ok(())
}

#[tokio::test]
async fn reads_of_one_reply_run_at_the_same_time() -> Result<()> {
    let three = (1..=3).fold(Reply::default(), |reply, n| {
        reply.and_tool(&format!("c{n}"), "look_up_order", &json!({ "orderId": format!("o-{n}") }).to_string())
    });
    let hook = Webhook::start().await?.on("/order", Answer::text(200, "ok").gate("all"));
    let shop =
        Shop::with(Script::new().say(three).say(Reply::text("All here.")), hook, |setup| setup).await?;
    let (mut socket, session) = shop.session().await?;
    socket.say(&session, "t1", "Where are they?").await?;
    // None of the three is answered before all have been asked.
    shop.hook.wait_at("all", 3).await?;
    shop.hook.release("all");
    let turn = socket.turn("t1").await?;
    assert_eq!(turn.reply(), "All here.");
    let lines = turn.lines();
    assert_eq!(lines.iter().filter(|line| line.starts_with("toolCall ")).count(), 3, "{lines:?}");
    assert_eq!(lines.iter().filter(|line| *line == "toolResult look_up_order").count(), 3, "{lines:?}");
    let results = shop.stage.gateway.chats()[1].tool_results();
    let calls: Vec<&str> = results.iter().map(|(call, _)| call.as_str()).collect();
    assert_eq!(calls, ["c1", "c2", "c3"], "the model gets them in its own order");
    Ok(())
}

#[tokio::test]
async fn at_most_five_tools_run_at_the_same_time() -> Result<()> {
    let seven = (1..=7).fold(Reply::default(), |reply, n| {
        reply.and_tool(&format!("c{n}"), "look_up_order", r#"{"orderId":"o"}"#)
    });
    let hook = Webhook::start().await?.on("/order", Answer::text(200, "ok").gate("all"));
    let shop = Shop::with(Script::new().say(seven).say(Reply::text("Done.")), hook, |setup| setup).await?;
    let (mut socket, session) = shop.session().await?;
    socket.say(&session, "t1", "Where are they?").await?;
    shop.hook.wait_at("all", 5).await?;
    // A round over the socket gives a sixth the time to come, were it let.
    assert_eq!(
        socket.data(json!({ "action": "get_session", "sessionId": session })).await?["status"],
        "active"
    );
    assert_eq!(shop.hook.calls("/order").len(), 5);
    shop.hook.release("all");
    assert_eq!(socket.turn("t1").await?.reply(), "Done.");
    assert_eq!(shop.hook.calls("/order").len(), 7);
    Ok(())
}

#[tokio::test]
async fn writes_of_one_reply_run_one_after_another() -> Result<()> {
    let two = Reply::default().and_tool("c1", "issue_refund", r#"{"orderId":"o-1"}"#).and_tool(
        "c2",
        "issue_refund",
        r#"{"orderId":"o-2"}"#,
    );
    let hook = Webhook::start().await?.on("/refund", Answer::text(200, "ok").gate("first"));
    let agent = "\n[[agents]]\nid = \"019312ab-5c5e-7d6a-9f3e-2b1c0d9e8f70\"\nname = \"Trusted\"\n\
                 default = true\ninstructions = \"Help.\"\nconfirm = []\n";
    let toml = format!("{}{agent}", operator_toml(&hook));
    let script = Script::new().say(two).say(Reply::text("Both done."));
    let shop = Shop::with(script, hook, |setup| setup.operator_toml(&toml)).await?;
    let (mut socket, session) = shop.session().await?;
    socket.say(&session, "t1", "Refund both.").await?;
    shop.hook.wait_at("first", 1).await?;
    assert_eq!(
        socket.data(json!({ "action": "get_session", "sessionId": session })).await?["status"],
        "active"
    );
    assert_eq!(shop.hook.calls("/refund").len(), 1, "the second waits for the first");
    shop.hook.release("first");
    assert_eq!(
        socket.turn("t1").await?.lines(),
        [
            "immediate_response 202",
            "toolCall issue_refund {\"orderId\":\"o-1\"}",
            "toolResult issue_refund",
            "toolCall issue_refund {\"orderId\":\"o-2\"}",
            "toolResult issue_refund",
            "stream_token \"Both done.\"",
            "eventual_response \"Both done.\"",
        ]
    );
    let keys: Vec<Option<String>> = shop
        .hook
        .calls("/refund")
        .iter()
        .map(|call| call.request.header("idempotency-key").map(str::to_owned))
        .collect();
    assert_ne!(keys[0], keys[1], "each call has its own key");
    Ok(())
}

/// What becomes of one tool call whose endpoint answers like this.
async fn failing(answer: Answer) -> Result<(Vec<String>, String)> {
    let hook = Webhook::start().await?.on("/order", answer);
    let toml = operator_toml(&hook).replace("timeout_ms = 60000", "timeout_ms = 300");
    let script = Script::new().say(look_up("c1", "o-7")).say(Reply::text("I could not look."));
    let shop = Shop::with(script, hook, |setup| setup.operator_toml(&toml)).await?;
    let (mut socket, session) = shop.session().await?;
    let turn = socket.whole_turn(&session, "t1", "Where is o-7?").await?;
    let results = shop.stage.gateway.chats()[1].tool_results();
    Ok((turn.lines(), results[0].1.clone()))
}

#[tokio::test]
async fn a_failing_tool_is_a_result_that_the_model_sees() -> Result<()> {
    let failures = [
        Answer::text(500, "boom"),
        Answer::text(404, "no such order"),
        Answer::cut(),
        Answer::text(200, "late").gate("never"),
    ];
    for answer in failures {
        let (lines, result) = failing(answer.clone()).await?;
        assert_eq!(
            lines,
            [
                "immediate_response 202",
                "toolCall look_up_order {\"orderId\":\"o-7\"}",
                "toolResult look_up_order failed",
                "stream_token \"I could not look.\"",
                "eventual_response \"I could not look.\"",
            ],
            "{answer:?}"
        );
        assert!(!result.is_empty(), "{answer:?}");
        assert!(!result.contains("127.0.0.1"), "the model is not told the endpoint's address: {result}");
    }
    Ok(())
}

/// A first reply whose call cannot be made, and a second that is right.
async fn repaired(name: &str, arguments: &str) -> Result<()> {
    let script = Script::new()
        .say(Reply::default().and_tool("bad", name, arguments))
        .say(look_up("good", "o-7"))
        .say(Reply::text("Shipped."));
    let shop = Shop::open(script).await?;
    let (mut socket, session) = shop.session().await?;
    let turn = socket.whole_turn(&session, "t1", "Where is o-7?").await?;
    let lines = turn.lines();
    assert_eq!(lines.last().unwrap(), "eventual_response \"Shipped.\"", "{lines:?}");
    assert!(lines.contains(&format!("toolResult {name} failed")), "{lines:?}");
    assert!(lines.contains(&"toolResult look_up_order".to_owned()), "{lines:?}");
    assert_eq!(shop.hook.calls("/order").len(), 1, "the bad call was not made");
    let results = shop.stage.gateway.chats()[1].tool_results();
    assert_eq!(results[0].0, "bad");
    Ok(())
}

#[tokio::test]
async fn a_call_with_malformed_arguments_can_be_repaired() -> Result<()> {
    repaired("look_up_order", r#"{"orderId": "o-7"#).await
}

#[tokio::test]
async fn a_call_whose_arguments_break_the_schema_can_be_repaired() -> Result<()> {
    repaired("look_up_order", r#"{"orderId": 7}"#).await?;
    repaired("look_up_order", "{}").await?;
    repaired("look_up_order", "[]").await
}

#[tokio::test]
async fn a_call_of_an_unknown_tool_can_be_repaired() -> Result<()> {
    repaired("look_up_odrer", r#"{"orderId":"o-7"}"#).await
}

#[tokio::test]
async fn arguments_may_come_in_fragments_of_parallel_calls() -> Result<()> {
    let fragment = |index: usize, text: &str| Piece::Arguments { index, fragment: text.to_owned() };
    let reply = Reply::default()
        .then("One moment.")
        .and_tool("c1", "look_up_order", "")
        .and_tool("c2", "look_up_order", "{\"order")
        .piece(fragment(0, "{\"orderId\":"))
        .piece(fragment(1, "Id\":\"o-2\"}"))
        .piece(fragment(0, "\"o-1\"}"));
    let shop = Shop::open(Script::new().say(reply).say(Reply::text("Both shipped."))).await?;
    let (mut socket, session) = shop.session().await?;
    let turn = socket.whole_turn(&session, "t1", "Where are they?").await?;
    assert_eq!(turn.reply(), "Both shipped.", "the reply is the final model call's");
    assert_eq!(turn.final_tokens(), "Both shipped.");
    let mut orders: Vec<Value> =
        shop.hook.calls("/order").iter().map(|c| c.body["orderId"].clone()).collect();
    orders.sort_by_key(ToString::to_string);
    assert_eq!(orders, ["o-1", "o-2"]);
    Ok(())
}

#[tokio::test]
async fn a_result_is_cut_to_500_characters_in_its_chunk_only() -> Result<()> {
    let long = "ü".repeat(2000);
    let hook = Webhook::start().await?.on("/order", Answer::text(200, &long));
    let script = Script::new().say(look_up("c1", "o-7")).say(Reply::text("Long."));
    let shop = Shop::with(script, hook, |setup| setup).await?;
    let (mut socket, session) = shop.session().await?;
    let turn = socket.whole_turn(&session, "t1", "Where is o-7?").await?;
    let results: Vec<&str> = turn
        .events()
        .iter()
        .filter_map(|event| event["data"]["state"]["rawResponse"]["toolResult"]["result"].as_str())
        .collect();
    assert!(results[0].chars().count() <= 500 && results[0].starts_with("üüü"), "{results:?}");
    assert!(shop.stage.gateway.chats()[1].tool_results()[0].1.contains(&long));
    Ok(())
}

#[tokio::test]
async fn the_last_iteration_asks_the_model_to_finish_without_tools() -> Result<()> {
    let script =
        Script::new().say(look_up("c1", "o-1")).say(look_up("c2", "o-2")).say(Reply::text("Enough."));
    let shop = {
        let hook = Webhook::start().await?.on("/order", Answer::text(200, "ok"));
        Shop::with(script, hook, |setup| setup.env("SMOOTH_AGENT_MAX_ITERATIONS", "3")).await?
    };
    let (mut socket, session) = shop.session().await?;
    assert_eq!(socket.whole_turn(&session, "t1", "Look, and look.").await?.reply(), "Enough.");
    let chats = shop.stage.gateway.chats();
    assert_eq!(chats.len(), 3);
    assert!(!chats[1].tools().is_empty());
    assert!(chats[2].tools().is_empty() || chats[2].body["tool_choice"] == "none");
    Ok(())
}

#[tokio::test]
async fn without_stream_tools_run_without_chunks() -> Result<()> {
    let shop = Shop::open(Script::new().say(look_up("c1", "o-7")).say(Reply::text("Shipped."))).await?;
    let (mut socket, session) = shop.session().await?;
    let quiet = json!({ "action": "send_message", "sessionId": session, "requestId": "t1",
                        "message": "Where is o-7?", "stream": false });
    socket.send(quiet).await?;
    let turn = socket.turn("t1").await?;
    assert_eq!(turn.events().len(), 2, "{}", turn.text());
    assert_eq!(shop.hook.calls("/order").len(), 1);
    Ok(())
}
