//! Every error code that a client can provoke, with the field it is about; and the order in which a
//! message is judged.

use anyhow::Result;
use serde_json::{Value, json};
use smooai_smooth_operator_conformance::gateway::{Reply, Script};
use smooai_smooth_operator_conformance::server_process::Setup;
use smooai_smooth_operator_conformance::socket::Socket;
use smooai_smooth_operator_conformance::stage::Stage;

const UNKNOWN: &str = "5f0c1a52-0000-4000-8000-000000000000";

/// An error event has the same error twice, and details that tell a client what to do.
fn expect(event: &Value, code: &str, status: u16, field: Option<&str>) {
    assert_eq!(event["error"]["code"], code, "{event}");
    assert_eq!(event["data"]["error"], event["error"], "{event}");
    assert!(event.get("status").is_none(), "no top-level status: {event}");
    assert_eq!(event["data"]["requestId"], event["requestId"]);
    let details = &event["data"]["details"];
    assert_eq!(details["status"], status, "{event}");
    assert!(details["retryable"].is_boolean(), "{event}");
    if let Some(field) = field {
        assert_eq!(details["field"], field, "{event}");
    }
    assert!(!event["error"]["message"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn fields_that_are_missing_or_wrong_are_named() -> Result<()> {
    let stage = Stage::new(Script::new()).await?;
    let (mut socket, session) = stage.session().await?;
    let message = |fields: Value| {
        let mut frame = json!({ "action": "send_message", "sessionId": session, "message": "Hello?" });
        for (key, value) in fields.as_object().unwrap() {
            frame[key] = value.clone();
        }
        frame
    };
    let long = "x".repeat(10_001);
    let cases = [
        (json!({ "action": "send_message", "message": "Hello?" }), "/sessionId"),
        (message(json!({ "sessionId": 7 })), "/sessionId"),
        (message(json!({ "sessionId": null })), "/sessionId"),
        (json!({ "action": "send_message", "sessionId": session }), "/message"),
        (message(json!({ "message": "" })), "/message"),
        (message(json!({ "message": " \n\t " })), "/message"),
        (message(json!({ "message": long })), "/message"),
        (message(json!({ "message": ["Hello?"] })), "/message"),
        (message(json!({ "stream": "yes" })), "/stream"),
        (message(json!({ "skill": "no spaces allowed" })), "/skill"),
        (message(json!({ "skill": "../escape" })), "/skill"),
        (message(json!({ "images": [{ "url": "http://example.com/a.png" }] })), "/images/0/url"),
        (message(json!({ "images": [{ "url": "file:///a.png" }] })), "/images/0/url"),
        (
            message(json!({ "images": [{ "url": "https://x.example/a", "detail": "huge" }] })),
            "/images/0/detail",
        ),
        (message(json!({ "files": [{ "name": "", "url": "https://x.example/a" }] })), "/files/0/name"),
        (message(json!({ "files": [{ "name": "a", "url": "ftp://x.example/a" }] })), "/files/0/url"),
        (json!({ "action": "create_conversation_session", "agentId": "not-a-uuid" }), "/agentId"),
        (json!({ "action": "create_conversation_session", "supports": "identity_form" }), "/supports"),
        (json!({ "action": "create_conversation_session", "metadata": [] }), "/metadata"),
        (json!({ "action": "get_session" }), "/sessionId"),
        (json!({ "action": "list_conversations", "limit": -1 }), "/limit"),
        (json!({ "action": "rename_conversation", "title": "T" }), "/conversationId"),
        (json!({ "action": "verify_otp", "requestId": "r", "sessionId": session }), "/code"),
        (json!({ "action": "submit_interaction", "requestId": "r", "sessionId": session }), "/interactionId"),
    ];
    for (frame, field) in cases {
        let error = socket.error(frame.clone()).await?;
        expect(&error, "VALIDATION_ERROR", 400, Some(field));
    }
    assert!(stage.gateway.requests().is_empty(), "the model was not asked");
    Ok(())
}

#[tokio::test]
async fn the_longest_message_is_accepted() -> Result<()> {
    let stage = Stage::new(Script::new().say(Reply::text("Long."))).await?;
    let (mut socket, session) = stage.session().await?;
    let turn = socket.whole_turn(&session, "t1", &"ü".repeat(10_000)).await?;
    assert_eq!(turn.reply(), "Long.");
    Ok(())
}

#[tokio::test]
async fn a_request_id_that_is_no_string_is_refused_and_one_that_is_missing_is_left_out() -> Result<()> {
    let stage = Stage::new(Script::new()).await?;
    let mut socket = stage.socket().await?;
    socket.send(json!({ "action": "ping", "requestId": 7 })).await?;
    let error = socket.event().await?;
    assert_eq!(error["error"]["code"], "VALIDATION_ERROR");
    assert_eq!(error["data"]["details"]["field"], "/requestId");
    socket.send(json!({ "action": "ping" })).await?;
    let pong = socket.event().await?;
    assert_eq!(pong["type"], "pong");
    assert!(pong.get("requestId").is_none(), "left out, not null: {pong}");
    Ok(())
}

#[tokio::test]
async fn an_unknown_action_is_not_supported() -> Result<()> {
    let stage = Stage::new(Script::new()).await?;
    let mut socket = stage.socket().await?;
    let error = socket.error(json!({ "action": "make_coffee" })).await?;
    expect(&error, "UNSUPPORTED_ACTION", 400, None);
    for frame in [json!({ "requestId": "a" }), json!({ "action": 7, "requestId": "b" })] {
        socket.send(frame.clone()).await?;
        let error = socket.event_of(frame["requestId"].as_str().unwrap()).await?;
        expect(&error, "VALIDATION_ERROR", 400, Some("/action"));
    }
    Ok(())
}

#[tokio::test]
async fn what_is_not_there_is_not_found() -> Result<()> {
    let stage = Stage::new(Script::new()).await?;
    let (mut socket, session) = stage.session().await?;
    for frame in [
        json!({ "action": "get_session", "sessionId": UNKNOWN }),
        json!({ "action": "get_session", "sessionId": "not a uuid" }),
        json!({ "action": "get_conversation_messages", "sessionId": UNKNOWN }),
        json!({ "action": "send_message", "sessionId": UNKNOWN, "message": "Hello?" }),
    ] {
        expect(&socket.error(frame).await?, "SESSION_NOT_FOUND", 404, None);
    }
    let rename = json!({ "action": "rename_conversation", "conversationId": UNKNOWN, "title": "T" });
    expect(&socket.error(rename).await?, "CONVERSATION_NOT_FOUND", 404, None);
    let skill = json!({ "action": "send_message", "sessionId": session, "message": "Hi", "skill": "none" });
    expect(&socket.error(skill).await?, "SKILL_NOT_FOUND", 404, None);
    Ok(())
}

#[tokio::test]
async fn nothing_waits_for_a_verdict() -> Result<()> {
    let stage = Stage::new(Script::new()).await?;
    let (mut socket, session) = stage.session().await?;
    for session in [session.as_str(), UNKNOWN] {
        let confirm = json!({ "action": "confirm_tool_action", "sessionId": session, "approved": true });
        expect(&socket.error(confirm).await?, "NO_PENDING_CONFIRMATION", 409, None);
        let submit = json!({ "action": "submit_interaction", "sessionId": session, "requestId": "r",
                             "interactionId": UNKNOWN, "declined": true });
        expect(&socket.error(submit).await?, "NO_PENDING_INTERACTION", 409, None);
    }
    Ok(())
}

#[tokio::test]
async fn without_a_key_only_messages_fail_and_the_error_names_the_setting() -> Result<()> {
    let server = Setup::new().env("SMOOTH_AGENT_STORAGE", "memory").start().await?;
    let mut socket = Socket::connect(&server.ws_url()).await?;
    assert_eq!(socket.ask(json!({ "action": "ping" })).await?["type"], "pong");
    let session = socket.session().await?;
    let message = json!({ "action": "send_message", "sessionId": session, "message": "Hello?" });
    let error = socket.error(message).await?;
    expect(&error, "LLM_UNAVAILABLE", 503, None);
    assert!(error["error"]["message"].as_str().unwrap().contains("SMOOAI_GATEWAY_KEY"));
    Ok(())
}

#[tokio::test]
async fn a_message_is_judged_in_the_order_of_the_contract() -> Result<()> {
    // Without a key: session and skill are judged before the model.
    let server = Setup::new().env("SMOOTH_AGENT_STORAGE", "memory").start().await?;
    let mut socket = Socket::connect(&server.ws_url()).await?;
    let session = socket.session().await?;
    let send = |session: &str, message: &str, skill: Option<&str>| {
        let mut frame = json!({ "action": "send_message", "sessionId": session, "message": message });
        if let Some(skill) = skill {
            frame["skill"] = json!(skill);
        }
        frame
    };
    let error = socket.error(send("", "", Some("a b"))).await?;
    expect(&error, "VALIDATION_ERROR", 400, Some("/sessionId"));
    let error = socket.error(send(UNKNOWN, "", Some("a b"))).await?;
    expect(&error, "VALIDATION_ERROR", 400, Some("/message"));
    let error = socket.error(send(UNKNOWN, "Hello?", Some("a b"))).await?;
    expect(&error, "VALIDATION_ERROR", 400, Some("/skill"));
    let error = socket.error(send(UNKNOWN, "Hello?", None)).await?;
    expect(&error, "SESSION_NOT_FOUND", 404, None);
    let error = socket.error(send(&session, "Hello?", None)).await?;
    expect(&error, "LLM_UNAVAILABLE", 503, None);

    // A running turn comes before everything else.
    let stage = Stage::new(Script::new().say(Reply::text("Half").gate("more"))).await?;
    let (mut socket, session) = stage.session().await?;
    socket.say(&session, "t1", "Hello?").await?;
    socket.until_type("t1", "stream_token").await?;
    let error = socket.error(send(&session, "", Some("a b"))).await?;
    expect(&error, "TURN_IN_PROGRESS", 409, None);
    stage.gateway.release("more");
    socket.turn("t1").await?;
    Ok(())
}

#[tokio::test]
async fn with_agents_an_unknown_agent_is_a_wrong_field() -> Result<()> {
    let agent = "[[agents]]\nid = \"019312ab-5c5e-7d6a-9f3e-2b1c0d9e8f70\"\nname = \"Ada\"\n\
                 default = true\ninstructions = \"Be brief.\"\n";
    let script = Script::new().say(Reply::text("Yes."));
    let stage = Stage::with(script, |setup| setup.operator_toml(agent)).await?;
    let mut socket = stage.socket().await?;
    let create = json!({ "action": "create_conversation_session", "agentId": UNKNOWN });
    expect(&socket.error(create).await?, "VALIDATION_ERROR", 400, Some("/agentId"));
    let default = socket.data(json!({ "action": "create_conversation_session" })).await?;
    assert_eq!(default["agentName"], "Ada");
    socket.whole_turn(default["sessionId"].as_str().unwrap(), "t1", "Hello?").await?;
    assert!(stage.gateway.chats()[0].system().contains("Be brief."));
    Ok(())
}

#[tokio::test]
async fn a_skill_is_added_to_the_turns_instructions() -> Result<()> {
    let script = Script::new().always(Reply::text("Ahoy."));
    let stage = Stage::with(script, |setup| {
        setup.operator_toml("[skills]\ndir = \"skills\"\n").file("skills/pirate.md", "Speak like a pirate.\n")
    })
    .await?;
    let (mut socket, session) = stage.session().await?;
    let message = json!({ "action": "send_message", "sessionId": session, "requestId": "t1",
                          "message": "Hello?", "skill": "pirate" });
    socket.send(message).await?;
    socket.turn("t1").await?;
    socket.whole_turn(&session, "t2", "And now?").await?;
    let chats = stage.gateway.chats();
    assert!(chats[0].system().contains("Speak like a pirate."));
    assert!(!chats[1].system().contains("Speak like a pirate."), "for that turn only");
    Ok(())
}

const AGENT: &str = "019312ab-5c5e-7d6a-9f3e-2b1c0d9e8f70";

/// A server whose one agent has these further settings.
async fn with_agent(settings: &str) -> Result<Stage> {
    let toml =
        format!("[[agents]]\nid = \"{AGENT}\"\nname = \"Ada\"\ninstructions = \"Help.\"\n{settings}\n");
    Stage::with(Script::new(), |setup| setup.operator_toml(&toml)).await
}

#[tokio::test]
async fn an_agent_is_only_for_those_whom_it_is_for() -> Result<()> {
    let stage = with_agent("allow = { users = [\"alice\"] }").await?;
    let mut socket = stage.socket().await?;
    let create = json!({ "action": "create_conversation_session", "agentId": AGENT });
    expect(&socket.error(create).await?, "AGENT_NOT_AUTHORIZED", 403, None);
    Ok(())
}

#[tokio::test]
async fn an_agent_is_only_for_pages_of_its_own_origins() -> Result<()> {
    let stage = with_agent("origins = [\"http://localhost:3000\"]").await?;
    let url = stage.server.ws_url();
    let create = json!({ "action": "create_conversation_session", "agentId": AGENT });
    let mut other = Socket::connect_with(&url, &[("origin", "http://localhost:4000")]).await?;
    expect(&other.error(create.clone()).await?, "ORIGIN_NOT_ALLOWED", 403, None);
    let mut own = Socket::connect_with(&url, &[("origin", "http://localhost:3000")]).await?;
    own.data(create).await?;
    Ok(())
}

#[tokio::test]
async fn a_model_that_may_not_be_chosen_is_forbidden() -> Result<()> {
    let toml = "[gateway]\nallowed_models = [\"small-*\"]\n";
    let script = Script::new().when_model("small-1", Reply::text("Small."));
    let stage = Stage::with(script, |setup| setup.operator_toml(toml)).await?;
    let (mut socket, session) = stage.session().await?;
    let message = |model: &str| {
        json!({ "action": "send_message", "sessionId": session, "requestId": model, "message": "Hello?",
                "model": model })
    };
    expect(&socket.error(message("big-1")).await?, "FORBIDDEN", 403, Some("/model"));
    socket.send(message("small-1")).await?;
    assert_eq!(socket.turn("small-1").await?.reply(), "Small.");
    Ok(())
}

#[tokio::test]
async fn a_context_that_nobody_signed_is_refused() -> Result<()> {
    let stage = Stage::with(Script::new(), |setup| {
        setup
            .operator_toml("[auth]\ncontext_secret = { env = \"CONTEXT\" }\n")
            .env("CONTEXT", "a-long-enough-secret-of-a-test")
    })
    .await?;
    let mut socket = stage.socket().await?;
    let create = json!({ "action": "create_conversation_session",
                         "authContext": { "userId": "alice", "signature": "00ff", "timestamp": 1_767_225_600 } });
    expect(&socket.error(create).await?, "AUTH_CONTEXT_INVALID", 401, None);
    Ok(())
}

#[tokio::test]
async fn what_fails_inside_says_no_more_than_that() -> Result<()> {
    let stage = Stage::with(Script::new(), |setup| {
        // A skill that is there and cannot be read.
        setup.operator_toml("[skills]\ndir = \"skills\"\n").file("skills/broken.md", [0xff, 0xfe, 0x00])
    })
    .await?;
    let (mut socket, session) = stage.session().await?;
    let message =
        json!({ "action": "send_message", "sessionId": session, "message": "Hello?", "skill": "broken" });
    let error = socket.error(message).await?;
    expect(&error, "INTERNAL_ERROR", 500, None);
    let text = error.to_string();
    assert!(!text.contains("skills/") && !text.contains("directory"), "{text}");
    Ok(())
}
