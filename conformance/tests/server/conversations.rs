//! Sessions and conversations: what is created, remembered, paged, resumed, listed and renamed.

use anyhow::Result;
use serde_json::{Value, json};
use smooai_smooth_operator_conformance::gateway::{Reply, Script};
use smooai_smooth_operator_conformance::socket::Socket;
use smooai_smooth_operator_conformance::stage::Stage;

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

fn is_uuid(value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    groups == [8, 4, 4, 4, 12] && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

fn texts(page: &Value) -> Vec<&str> {
    let messages = page["messages"].as_array().unwrap();
    messages.iter().filter_map(|message| message["content"]["text"].as_str()).collect()
}

#[tokio::test]
async fn a_session_is_created_with_exactly_six_keys() -> Result<()> {
    let stage = Stage::new(Script::new()).await?;
    let mut socket = stage.socket().await?;
    let session = socket.data(json!({ "action": "create_conversation_session" })).await?;
    let expected =
        ["agentId", "agentName", "agentParticipantId", "conversationId", "sessionId", "userParticipantId"];
    assert_eq!(keys(&session), expected);
    for key in expected.iter().filter(|key| **key != "agentName") {
        assert!(is_uuid(&session[*key]), "{key}: {}", session[*key]);
    }
    let again = socket.data(json!({ "action": "create_conversation_session" })).await?;
    assert_ne!(session["sessionId"], again["sessionId"]);
    assert_ne!(session["conversationId"], again["conversationId"]);
    Ok(())
}

#[tokio::test]
async fn without_agents_every_agent_id_is_the_built_in_one() -> Result<()> {
    let stage = Stage::new(Script::new()).await?;
    let mut socket = stage.socket().await?;
    let id = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
    let create = json!({ "action": "create_conversation_session", "agentId": id, "userName": "Alice",
                         "metadata": { "page": "/returns" }, "browserFingerprint": "fp", "unknown": [1] });
    assert_eq!(socket.data(create).await?["agentId"], id);
    Ok(())
}

#[tokio::test]
async fn a_session_can_be_looked_up() -> Result<()> {
    let stage = Stage::new(Script::new()).await?;
    let mut socket = stage.socket().await?;
    let created = socket.data(json!({ "action": "create_conversation_session" })).await?;
    let found = socket.data(json!({ "action": "get_session", "sessionId": created["sessionId"] })).await?;
    for key in keys(&created) {
        assert_eq!(found[key], created[key], "{key}");
    }
    assert!(found["threadId"].is_string());
    assert_eq!(found["status"], "active");
    assert_eq!(keys(&found).len(), 8);
    Ok(())
}

#[tokio::test]
async fn a_conversation_remembers_its_turns() -> Result<()> {
    let script = Script::new()
        .when_user("My name is Ada.", Reply::text("Hello, Ada."))
        .when_user("What is my name?", Reply::text("Ada."));
    let stage = Stage::new(script).await?;
    let (mut socket, session) = stage.session().await?;
    socket.whole_turn(&session, "t1", "My name is Ada.").await?;
    socket.whole_turn(&session, "t2", "What is my name?").await?;
    let chats = stage.gateway.chats();
    let said: Vec<(&str, &str)> = chats[1]
        .messages()
        .iter()
        .filter(|message| message["role"] != "system")
        .map(|message| (message["role"].as_str().unwrap(), message["content"].as_str().unwrap()))
        .collect();
    assert_eq!(
        said,
        [("user", "My name is Ada."), ("assistant", "Hello, Ada."), ("user", "What is my name?")]
    );
    Ok(())
}

#[tokio::test]
async fn memory_is_the_conversations_own() -> Result<()> {
    let stage = Stage::new(Script::new().always(Reply::text("Yes."))).await?;
    let mut socket = stage.socket().await?;
    let (one, two) = (socket.session().await?, socket.session().await?);
    socket.whole_turn(&one, "t1", "A secret of mine.").await?;
    socket.whole_turn(&two, "t2", "What do you know?").await?;
    assert!(!stage.gateway.chats()[1].body.to_string().contains("secret"));
    Ok(())
}

/// A session with five turns: `q0` … `q4`, `a0` … `a4`.
async fn five_turns(socket: &mut Socket) -> Result<String> {
    let session = socket.session().await?;
    for n in 0..5 {
        socket.whole_turn(&session, &format!("t{n}"), &format!("q{n}")).await?;
    }
    Ok(session)
}

fn five_answers() -> Script {
    (0..5).fold(Script::new(), |s, n| s.when_user(&format!("q{n}"), Reply::text(&format!("a{n}"))))
}

#[tokio::test]
async fn messages_are_paged_newest_first() -> Result<()> {
    let stage = Stage::new(five_answers()).await?;
    let mut socket = stage.socket().await?;
    let session = five_turns(&mut socket).await?;
    let page = json!({ "action": "get_conversation_messages", "sessionId": session });
    let all = socket.data(page.clone()).await?;
    assert_eq!(texts(&all), ["a4", "q4", "a3", "q3", "a2", "q2", "a1", "q1", "a0", "q0"]);
    assert_eq!(all["nextCursor"], Value::Null);
    assert_eq!(all["hasMore"], false);
    let first = &all["messages"][0];
    assert_eq!(first["direction"], "outbound");
    assert_eq!(all["messages"][1]["direction"], "inbound");
    assert!(first["createdAt"].as_str().unwrap().ends_with('Z'), "{first}");

    let (mut seen, mut cursor, mut pages) = (Vec::new(), Value::Null, 0);
    loop {
        let mut next = page.clone();
        next["limit"] = json!(3);
        if !cursor.is_null() {
            next["cursor"] = cursor;
        }
        let data = socket.data(next).await?;
        seen.extend(texts(&data).into_iter().map(str::to_owned));
        pages += 1;
        assert_eq!(data["hasMore"], !data["nextCursor"].is_null());
        cursor = data["nextCursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!((pages, seen), (4, texts(&all).into_iter().map(str::to_owned).collect()));
    Ok(())
}

#[tokio::test]
async fn the_older_name_of_the_cursor_works() -> Result<()> {
    let stage = Stage::new(five_answers()).await?;
    let mut socket = stage.socket().await?;
    let session = five_turns(&mut socket).await?;
    let page = json!({ "action": "get_conversation_messages", "sessionId": session });
    let all = socket.data(page.clone()).await?;
    let third = &all["messages"][2];
    for before in [&third["id"], &third["createdAt"]] {
        let mut older = page.clone();
        older["before"] = before.clone();
        let data = socket.data(older).await?;
        assert_eq!(texts(&data).first(), Some(&"q3"), "before {before}");
    }
    Ok(())
}

#[tokio::test]
async fn a_page_has_its_limits() -> Result<()> {
    let stage = Stage::new(Script::new()).await?;
    let (mut socket, session) = stage.session().await?;
    for (key, value) in
        [("limit", json!(0)), ("limit", json!(101)), ("limit", json!("5")), ("cursor", json!("nowhere"))]
    {
        let mut page = json!({ "action": "get_conversation_messages", "sessionId": session });
        page[key] = value.clone();
        let error = socket.error(page).await?;
        assert_eq!(error["error"]["code"], "VALIDATION_ERROR", "{key} {value}");
        assert_eq!(error["data"]["details"]["field"], format!("/{key}"));
    }
    Ok(())
}

#[tokio::test]
async fn a_conversation_is_resumed_with_its_memory() -> Result<()> {
    let script = Script::new()
        .when_user("My name is Ada.", Reply::text("Hello, Ada."))
        .when_user("What is my name?", Reply::text("Ada."));
    let stage = Stage::new(script).await?;
    let mut socket = stage.socket().await?;
    let first = socket.data(json!({ "action": "create_conversation_session" })).await?;
    socket.whole_turn(first["sessionId"].as_str().unwrap(), "t1", "My name is Ada.").await?;
    let resume =
        json!({ "action": "create_conversation_session", "conversationId": first["conversationId"] });
    let second = socket.data(resume).await?;
    assert_eq!(second["conversationId"], first["conversationId"]);
    assert_ne!(second["sessionId"], first["sessionId"]);
    let session = second["sessionId"].as_str().unwrap();
    let page = socket.data(json!({ "action": "get_conversation_messages", "sessionId": session })).await?;
    assert_eq!(texts(&page), ["Hello, Ada.", "My name is Ada."]);
    socket.whole_turn(session, "t2", "What is my name?").await?;
    assert!(stage.gateway.chats()[1].body.to_string().contains("My name is Ada."));
    Ok(())
}

#[tokio::test]
async fn an_unknown_conversation_gives_a_fresh_one_without_an_error() -> Result<()> {
    let stage = Stage::new(Script::new()).await?;
    let mut socket = stage.socket().await?;
    for unknown in ["5f0c1a52-0000-4000-8000-000000000000", "not even a uuid", ""] {
        let create = json!({ "action": "create_conversation_session", "conversationId": unknown });
        let session = socket.data(create).await?;
        assert!(is_uuid(&session["conversationId"]));
        assert_ne!(session["conversationId"], unknown);
    }
    Ok(())
}

#[tokio::test]
async fn conversations_are_listed_most_recent_first_and_renamed() -> Result<()> {
    let stage = Stage::new(Script::new().always(Reply::text("Yes."))).await?;
    let mut socket = stage.socket().await?;
    let mut ids = Vec::new();
    for question in ["How do returns work?", "When does it ship?"] {
        let created = socket.data(json!({ "action": "create_conversation_session" })).await?;
        socket.whole_turn(created["sessionId"].as_str().unwrap(), question, question).await?;
        ids.push(created["conversationId"].clone());
    }
    let list = socket.data(json!({ "action": "list_conversations" })).await?;
    let listed = list["conversations"].as_array().unwrap();
    let order: Vec<&Value> = listed.iter().map(|entry| &entry["conversationId"]).collect();
    assert_eq!(order, [&ids[1], &ids[0]]);
    assert_eq!(keys(&listed[0]), ["conversationId", "messageCount", "title", "updatedAt"]);
    assert_eq!(listed[0]["messageCount"], 2);
    assert!(!listed[0]["title"].as_str().unwrap().is_empty());

    let rename = json!({ "action": "rename_conversation", "conversationId": ids[0], "title": "My return" });
    assert_eq!(socket.data(rename).await?, json!({ "conversationId": ids[0], "title": "My return" }));
    let list = socket.data(json!({ "action": "list_conversations", "limit": 50 })).await?;
    let renamed = list["conversations"].as_array().unwrap().clone();
    let renamed = renamed.iter().find(|entry| entry["conversationId"] == ids[0]).unwrap();
    assert_eq!(renamed["title"], "My return");
    let one = socket.data(json!({ "action": "list_conversations", "limit": 1 })).await?;
    assert_eq!(one["conversations"].as_array().unwrap().len(), 1);
    Ok(())
}

#[tokio::test]
async fn what_was_sent_in_a_turn_that_failed_is_not_answered_twice() -> Result<()> {
    let script = Script::new()
        .when_user("Hello?", Reply::text("Half").cut())
        .when_user("Hello again?", Reply::text("Whole."));
    let stage = Stage::new(script).await?;
    let (mut socket, session) = stage.session().await?;
    let failed = socket.whole_turn(&session, "t1", "Hello?").await?;
    assert_eq!(failed.last()["type"], "error");
    assert_eq!(socket.whole_turn(&session, "t2", "Hello again?").await?.reply(), "Whole.");
    let chats = stage.gateway.chats();
    let roles: Vec<&str> = chats[1].messages().iter().filter_map(|m| m["role"].as_str()).collect();
    assert_eq!(roles.last(), Some(&"user"), "{roles:?}");
    Ok(())
}

#[tokio::test]
async fn a_page_of_long_messages_fits_a_frame_and_none_is_lost() -> Result<()> {
    let long = "a long answer ".repeat(5_000);
    let stage = Stage::new(Script::new().always(Reply::text(&long))).await?;
    let (mut socket, session) = stage.session().await?;
    let turns = 30;
    for n in 0..turns {
        socket.whole_turn(&session, &format!("t{n}"), &format!("q{n}")).await?;
    }
    let (mut questions, mut cursor) = (Vec::new(), None::<Value>);
    loop {
        let mut page = json!({ "action": "get_conversation_messages", "sessionId": session, "limit": 100 });
        if let Some(cursor) = cursor {
            page["cursor"] = cursor;
        }
        // That each frame keeps the limit is checked for every frame that is read.
        let data = socket.data(page).await?;
        questions.extend(texts(&data).into_iter().filter(|text| text.starts_with('q')).map(str::to_owned));
        if data["nextCursor"].is_null() {
            break;
        }
        cursor = Some(data["nextCursor"].clone());
    }
    let expected: Vec<String> = (0..turns).rev().map(|n| format!("q{n}")).collect();
    assert_eq!(questions, expected);
    Ok(())
}

#[tokio::test]
async fn memory_keeps_to_its_budget_and_drops_the_oldest() -> Result<()> {
    let stage = Stage::with(Script::new().always(Reply::text("Noted.")), |setup| {
        setup.operator_toml("[limits]\nhistory_tokens = 120\n")
    })
    .await?;
    let (mut socket, session) = stage.session().await?;
    for n in 0..4 {
        let message = format!("fact {n}: {}", "some words to remember ".repeat(8));
        socket.whole_turn(&session, &format!("t{n}"), &message).await?;
    }
    let last = stage.gateway.chats().pop().unwrap();
    let body = last.body["messages"].to_string();
    assert!(last.user().starts_with("fact 3"), "the question itself always stays");
    assert!(body.contains("fact 2") && !body.contains("fact 0"), "{body}");
    Ok(())
}
