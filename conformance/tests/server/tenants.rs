//! What another organisation has, and what another user of the same organisation has, is answered like what
//! nobody has: every action with every id that it takes. The tests on PostgreSQL and DynamoDB run where
//! their servers are: `cargo xtask services postgres -- cargo test -p smooai-smooth-operator-conformance
//! --test server postgres -- --ignored`.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use smooai_smooth_operator_conformance::gateway::{Reply, Script};
use smooai_smooth_operator_conformance::server_process::Setup;
use smooai_smooth_operator_conformance::socket::Socket;
use smooai_smooth_operator_conformance::stage::Stage;
use smooai_smooth_operator_conformance::webhook::{Answer, Webhook};
use smooai_smooth_operator_protocol::Action;

use crate::backend::{Backend, Kind};
use crate::shop::{Shop, invoice, operator_toml, refund, verdict};
use crate::tokens::{connect, guarded};

/// Sessions of somebody else, by what goes on in them.
const SESSIONS: [&str; 5] = ["$idle", "$running", "$approval", "$code", "$form"];
/// Turns of somebody else.
const TURNS: [&str; 2] = ["$runningTurn", "$approvalTurn"];

/// Every action with every id of somebody else's that it takes. `$own…` is the caller's own, made anew for
/// each frame; every other `$` is somebody else's, or nobody's.
fn frames() -> Vec<Value> {
    let mut frames = vec![
        json!({ "action": "ping" }),
        json!({ "action": "list_conversations" }),
        json!({ "action": "create_conversation_session", "conversationId": "$conversation" }),
        json!({ "action": "create_conversation_session", "agentId": "$agent" }),
        json!({ "action": "get_session", "sessionId": "$own" }),
        json!({ "action": "get_conversation_messages", "sessionId": "$own", "cursor": "$cursor" }),
        json!({ "action": "get_conversation_messages", "sessionId": "$own", "before": "$message" }),
        json!({ "action": "rename_conversation", "conversationId": "$conversation", "title": "Mine" }),
        json!({ "action": "send_message", "sessionId": "$own", "message": "Hello?" }),
        json!({ "action": "send_message", "sessionId": "$own", "message": "What does $document say?" }),
        json!({ "action": "confirm_tool_action", "sessionId": "$ownApproval", "approved": false }),
        json!({ "action": "verify_otp", "sessionId": "$ownCode", "code": "no code" }),
        json!({ "action": "submit_interaction", "sessionId": "$ownForm", "interactionId": "$interaction",
                "declined": true }),
        json!({ "action": "cancel" }),
    ];
    for session in SESSIONS {
        let with = |action: &str, more: Value| {
            let mut frame = json!({ "action": action, "sessionId": session });
            frame.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            frame
        };
        frames.extend([
            with("get_session", json!({})),
            with("get_conversation_messages", json!({})),
            with("get_conversation_messages", json!({ "cursor": "$cursor" })),
            with("get_conversation_messages", json!({ "before": "$message" })),
            with("get_conversation_messages", json!({ "before": "2000-01-01T00:00:00Z" })),
            with("send_message", json!({ "message": "Hello?" })),
            with("send_message", json!({ "message": "Hello?", "stream": false })),
            with("confirm_tool_action", json!({ "approved": true })),
            with("verify_otp", json!({ "code": "000000" })),
            with("submit_interaction", json!({ "interactionId": "$interaction", "declined": true })),
            with(
                "submit_interaction",
                json!({ "interactionId": "$interaction", "kind": "choices", "values": {} }),
            ),
            with("cancel", json!({})),
        ]);
    }
    let named = frames.iter().flat_map(|frame| TURNS.map(|turn| with_request(frame, turn)));
    let named: Vec<Value> = named.collect();
    frames.extend(named);
    frames
}

fn with_request(frame: &Value, request: &str) -> Value {
    let mut frame = frame.clone();
    frame["requestId"] = json!(request);
    frame
}

/// An action or an id that the protocol gets and this table does not have fails the test.
#[test]
fn every_action_is_tried_with_every_id_that_it_takes() {
    let frames = frames();
    let spec = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/actions");
    let files = std::fs::read_dir(&spec).unwrap().count();
    assert_eq!(files, Action::TAGS.len());
    for action in Action::TAGS {
        let schema = std::fs::read_to_string(spec.join(format!("{action}.json"))).unwrap();
        let schema: Value = serde_json::from_str(&schema).unwrap();
        let of_action: Vec<&Value> = frames.iter().filter(|frame| frame["action"] == *action).collect();
        assert!(!of_action.is_empty(), "{action} is not tried");
        for name in schema["properties"].as_object().unwrap().keys() {
            if !name.ends_with("Id") && !["cursor", "before"].contains(&name.as_str()) {
                continue;
            }
            let others = |value: &Value| value.as_str().is_some_and(is_placeholder);
            assert!(
                of_action.iter().any(|frame| others(&frame[name])),
                "{action} is not tried with another's {name}"
            );
        }
        // What looks like an id and is none is named here, so that a new one is thought about.
        let texts =
            schema["properties"].as_object().unwrap().iter().filter(|(_, field)| field["type"] == "string");
        for (name, _) in texts {
            let known = name.ends_with("Id")
                || [
                    "cursor",
                    "before",
                    "title",
                    "message",
                    "model",
                    "skill",
                    "code",
                    "userName",
                    "userEmail",
                    "browserFingerprint",
                ]
                .contains(&name.as_str());
            assert!(known, "is {name} of {action} an id? Then it belongs into the table");
        }
    }
}

fn is_placeholder(text: &str) -> bool {
    text.starts_with('$') && !text.starts_with("$own")
}

/// What stands for the placeholders.
struct Ids(Vec<(&'static str, String)>);

impl Ids {
    fn get(&self, name: &str) -> &str {
        &self.0.iter().find(|(known, _)| *known == name).unwrap().1
    }

    /// Ids of the same form that nobody has.
    fn of_nobody(&self) -> Self {
        let other = |(at, (name, value)): (usize, &(&'static str, String))| {
            let other = match *name {
                "$document" => "bulletin.md".to_owned(),
                _ if is_uuid(value) => format!("7c9e6679-7425-40de-944b-{at:012}"),
                _ => format!("nobodys-{at}"),
            };
            (*name, other)
        };
        Self(self.0.iter().enumerate().map(other).collect())
    }

    fn put_into(&self, frame: &Value) -> Value {
        let mut text = frame.to_string();
        for (name, value) in &self.0 {
            text = text.replace(&format!("{name}\""), &format!("{value}\""));
            text = text.replace(&format!("{name} "), &format!("{value} "));
        }
        serde_json::from_str(&text).unwrap()
    }
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    groups == [8, 4, 4, 4, 12] && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

const KNOWLEDGE: &str = "
[[knowledge]]
source = \"salaries.md\"
text = \"The chief salary is 1 doubloon.\"
acl = { users = [\"alice\"], groups = [\"owners\"] }

[[knowledge]]
source = \"returns.md\"
text = \"What does the shop say? Returns are taken for 17 days.\"
";

/// A shop with its storage, and what alice has in it.
struct Scene {
    backend: Backend,
    shop: Shop,
    alice: Socket,
    ids: Ids,
}

fn form() -> Reply {
    let fields = json!([{ "key": "email", "required": true }]);
    Reply::tool("c1", "request_identity_intake", json!({ "fields": fields, "reason": "To send it." }))
}

async fn scene(kind: Kind) -> Result<Scene> {
    let backend = Backend::new(kind)?;
    let hook = Webhook::start()
        .await?
        .on("/refund", Answer::json(json!({})))
        .on("/invoice", Answer::json(json!({})))
        .on("/code", Answer::text(204, ""));
    let toml = format!("{}{KNOWLEDGE}", operator_toml(&hook));
    let home = backend.organization("acme");
    let server = backend.on(guarded(Setup::new()))?;
    let server =
        server.env("AUTH_DEV_ORG_ID", &home).env("SMOOTH_AGENT_AUTH_TOOLS", "show_*").operator_toml(&toml);
    let stage = Stage::on(Script::new(), server).await?;
    let shop = Shop { stage, hook };
    let mut alice = connect(&shop.stage, &json!({ "org_id": home, "groups": ["owners"] })).await?;
    let ids = prepare(&shop, &mut alice).await?;
    Ok(Scene { backend, shop, alice, ids })
}

/// What others are to try: an idle conversation of two turns, a running turn, and a park of each kind.
async fn prepare(shop: &Shop, alice: &mut Socket) -> Result<Ids> {
    let mut ids = Vec::new();
    let agent = "0b7e1a52-4c1f-4f5c-9a54-0f8f3f6f2f10";
    let make = async |alice: &mut Socket, reply: Reply, turn: &str| -> Result<Value> {
        shop.stage.gateway.play(Script::new().when_user("Alice", reply).always(Reply::text("Done.")));
        let made = alice
            .data(json!({ "action": "create_conversation_session", "agentId": agent, "userEmail": "alice@example.com",
                          "supports": ["identity_form"] }))
            .await?;
        let session = made["sessionId"].as_str().context("a session")?;
        alice.say(session, turn, "Alice asks: what is the chief salary?").await?;
        Ok(made)
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let idle = make(alice, Reply::text("One doubloon."), "alice-idle").await?;
    let cited = alice.turn("alice-idle").await?.answer()["citations"].to_string();
    assert!(cited.contains("salaries.md"), "alice may read it: {cited}");
    let page = json!({ "action": "get_conversation_messages", "sessionId": idle["sessionId"], "limit": 1 });
    let page = alice.data(page).await?;
    ids.push(("$idle", text(&idle["sessionId"])));
    ids.push(("$conversation", text(&idle["conversationId"])));
    ids.push(("$cursor", text(&page["nextCursor"])));
    ids.push(("$message", text(&page["messages"][0]["id"])));
    ids.push(("$agent", agent.to_owned()));
    ids.push(("$document", "salaries.md".to_owned()));
    for (name, turn, reply) in [
        ("$approval", "alice-approval", refund("c1", "o-1")),
        ("$code", "alice-code", invoice("c1", "o-1")),
        ("$form", "alice-form", form()),
    ] {
        let made = make(alice, reply, turn).await?;
        let parked = alice.until_parked(turn).await?;
        ids.push((name, text(&made["sessionId"])));
        if name == "$form" {
            ids.push((
                "$interaction",
                text(&parked.first("interaction_required")["data"]["data"]["interactionId"]),
            ));
        }
    }
    ids.push(("$approvalTurn", "alice-approval".to_owned()));
    let running = make(alice, Reply::text("Half").gate("alice").then(" whole."), "alice-running").await?;
    alice.until_type("alice-running", "stream_token").await?;
    ids.push(("$running", text(&running["sessionId"])));
    ids.push(("$runningTurn", "alice-running".to_owned()));
    Ok(Ids(ids))
}

/// Somebody else, on a connection of his own.
struct Stranger<'a> {
    shop: &'a Shop,
    socket: Socket,
    /// How many frames he has sent.
    frames: usize,
}

impl Stranger<'_> {
    /// Everything that a frame is answered with, and what the model is asked for it.
    async fn told(&mut self, frame: &Value, ids: &Ids) -> Result<(Vec<Value>, Vec<Value>)> {
        self.frames += 1;
        let own_turn = format!("own-{}", self.frames);
        let mut frame = ids.put_into(frame);
        let own =
            frame["sessionId"].as_str().filter(|session| session.starts_with("$own")).map(str::to_owned);
        if let Some(own) = own {
            frame["sessionId"] = json!(self.own(&own, &own_turn).await?);
        }
        if frame["requestId"].is_null() {
            frame["requestId"] = json!(format!("frame-{}", self.frames));
        }
        // The model looks for what it is asked about.
        let shop = self.shop;
        let gateway = &shop.stage.gateway;
        let search = Reply::tool("c1", "knowledge_search", json!({ "query": frame["message"] }));
        gateway.play(match frame["message"].as_str() {
            Some(message) => Script::new().when_user(message, search).always(Reply::text("Well.")),
            None => Script::new().always(Reply::text("Well.")),
        });
        let asked_before = gateway.chats().len();
        let mut events = match frame["action"].as_str() {
            Some("cancel") => self.nothing(&frame).await?,
            _ => vec![self.socket.ask(frame.clone()).await?],
        };
        let turn = match &events[..] {
            [first] if first["status"] == 202 => frame["requestId"].as_str(),
            [first] if first["data"]["approved"].is_boolean() => Some(own_turn.as_str()),
            _ => None,
        };
        if let Some(turn) = turn {
            events.extend(self.socket.turn(turn).await?.events().iter().cloned());
        }
        // What comes beside an answer is a part of it, and so is what came late to the one before.
        events.extend(self.socket.events_before_pong().await?);
        let asked = gateway.chats().into_iter().skip(asked_before);
        Ok((events, asked.map(|chat| chat.body["messages"].clone()).collect()))
    }

    /// What comes of a frame that is to be answered by nothing: storage has been asked several times since.
    async fn nothing(&mut self, frame: &Value) -> Result<Vec<Value>> {
        self.socket.send(frame.clone()).await?;
        for _ in 0..3 {
            self.socket.data(json!({ "action": "list_conversations" })).await?;
        }
        self.socket.events_before_pong().await
    }

    /// A session of his own in which nothing has been said, or a turn waits for him.
    async fn own(&mut self, what: &str, turn: &str) -> Result<String> {
        let fields = json!({ "supports": ["identity_form"], "userEmail": "stranger@example.com" });
        let session = self.socket.session_that(fields).await?;
        let reply = match what {
            "$own" => return Ok(session),
            "$ownApproval" => refund("c1", "o-2"),
            "$ownCode" => invoice("c1", "o-2"),
            _ => form(),
        };
        self.shop.stage.gateway.play(Script::new().say(reply));
        self.socket.say(&session, turn, "Mine.").await?;
        self.socket.until_parked(turn).await?;
        Ok(session)
    }
}

/// The answer with everything blanked that differs from one time to the next, and the ids that were sent.
fn blanked(value: &Value, ids: &Ids) -> Value {
    match value {
        Value::Object(fields) => {
            let blank = |(name, value): (&String, &Value)| {
                let changing =
                    ["requestId", "timestamp", "createdAt", "updatedAt", "nextCursor", "maskedDestination"];
                let value = if changing.contains(&name.as_str()) { Value::Null } else { blanked(value, ids) };
                (name.clone(), value)
            };
            fields.iter().map(blank).collect()
        }
        Value::Array(values) => values.iter().map(|value| blanked(value, ids)).collect(),
        Value::String(text) if is_uuid(text) => json!("<uuid>"),
        Value::String(text) => {
            json!(ids.0.iter().fold(text.clone(), |text, (name, value)| text.replace(value, name)))
        }
        other => other.clone(),
    }
}

/// Events without keepalives, adjacent pieces of text as one.
fn joined(events: &[Value]) -> Vec<Value> {
    let mut joined: Vec<Value> = Vec::new();
    for event in events.iter().filter(|event| event["type"] != "keepalive") {
        match (joined.last_mut(), event["token"].as_str()) {
            (Some(last), Some(token)) if last["type"] == event["type"] => {
                let text = format!("{}{token}", last["token"].as_str().unwrap_or_default());
                last["token"] = json!(text);
                last["data"]["token"] = json!(text);
            }
            _ => joined.push(event.clone()),
        }
    }
    joined
}

/// Nothing of alice's is in an answer but what was sent by the one who asked.
fn tells_nothing(frame: &Value, told: &[Value], asked: &[Value], ids: &Ids) {
    let (sent, told) = (ids.put_into(frame).to_string(), json!([told, asked]).to_string());
    for secret in ["Alice asks", "One doubloon", "chief salary is", "Half", "alice@example.com"] {
        assert!(!told.contains(secret), "{secret:?} after {sent}: {told}");
    }
    if frame["conversationId"] == "$conversation" {
        assert!(!told.contains(ids.get("$conversation")), "a fresh conversation, not hers: {told}");
    }
    for (name, value) in ids.0.iter().filter(|(_, value)| !sent.contains(value.as_str())) {
        // The titles of his own conversations are what he has said.
        if *name == "$document" && frame["action"] == "list_conversations" {
            continue;
        }
        assert!(!told.contains(value.as_str()), "{name} after {sent}: {told}");
    }
}

async fn matrix(kind: Kind) -> Result<()> {
    let mut scene = scene(kind).await?;
    let nobody = scene.ids.of_nobody();
    let frames = frames();
    for (organization, user) in [("acme", "bob"), ("other", "alice"), ("other", "bob")] {
        let claims = json!({ "org_id": scene.backend.organization(organization), "sub": user });
        let socket = connect(&scene.shop.stage, &claims).await?;
        let mut stranger = Stranger { shop: &scene.shop, socket, frames: 0 };
        let listed = stranger.socket.data(json!({ "action": "list_conversations" })).await?;
        assert_eq!(listed["conversations"], json!([]));
        for frame in &frames {
            let (told, asked) = stranger.told(frame, &scene.ids).await?;
            tells_nothing(frame, &told, &asked, &scene.ids);
            let (expected, expected_asked) = stranger.told(frame, &nobody).await?;
            if frame["action"] == "list_conversations" {
                continue;
            }
            let real = json!([joined(&told), asked]);
            let none = json!([joined(&expected), expected_asked]);
            assert_eq!(blanked(&real, &scene.ids), blanked(&none, &nobody), "{claims} says {frame}");
        }
    }
    untouched(&mut scene).await
}

/// All that alice had goes on as if nobody had been there.
async fn untouched(scene: &mut Scene) -> Result<()> {
    let Scene { shop, alice, ids, .. } = scene;
    assert!(shop.hook.calls("/refund").is_empty(), "nobody's verdict was taken for alice's");
    shop.stage.gateway.play(Script::new().always(Reply::text("Done.")));
    // Her running turn still runs, and is hers to end.
    alice.send(json!({ "action": "cancel", "requestId": "alice-running" })).await?;
    let running = alice.turn("alice-running").await?;
    assert_eq!(
        (running.events().len(), &running.last()["type"]),
        (1, &json!("cancelled")),
        "{}",
        running.text()
    );
    let listed = alice.data(json!({ "action": "list_conversations" })).await?;
    let listed = listed["conversations"].as_array().unwrap();
    assert_eq!(listed.len(), 5);
    assert!(listed.iter().all(|one| one["title"] == "Alice asks: what is the chief salary?"), "{listed:?}");
    let idle = json!({ "action": "get_conversation_messages", "sessionId": ids.get("$idle") });
    assert_eq!(alice.data(idle).await?["messages"].as_array().unwrap().len(), 2);

    // The code still has all its attempts but this one, and both other parks wait for their verdict.
    let wrong =
        json!({ "action": "verify_otp", "sessionId": ids.get("$code"), "requestId": "v", "code": "no code" });
    assert_eq!(alice.ask(wrong).await?["data"]["data"]["attemptsRemaining"], 4);
    alice.data(verdict(ids.get("$approval"), true)).await?;
    assert_eq!(alice.turn("alice-approval").await?.reply(), "Done.");
    assert_eq!(shop.hook.calls("/refund").len(), 1);
    let decline = json!({ "action": "submit_interaction", "sessionId": ids.get("$form"), "requestId": "f",
                          "interactionId": ids.get("$interaction"), "declined": true });
    assert_eq!(alice.data(decline).await?["declined"], true);
    assert_eq!(alice.turn("alice-form").await?.reply(), "Done.");
    Ok(())
}

#[tokio::test]
async fn what_others_have_is_answered_like_what_nobody_has_in_memory() -> Result<()> {
    matrix(Kind::Memory).await
}

#[tokio::test]
async fn what_others_have_is_answered_like_what_nobody_has_on_sqlite() -> Result<()> {
    matrix(Kind::Sqlite).await
}

#[tokio::test]
#[ignore = "needs a Postgres server"]
async fn what_others_have_is_answered_like_what_nobody_has_on_postgres() -> Result<()> {
    matrix(Kind::Postgres).await
}

#[tokio::test]
#[ignore = "needs DynamoDB and S3 Vectors"]
async fn what_others_have_is_answered_like_what_nobody_has_on_dynamodb() -> Result<()> {
    matrix(Kind::Dynamodb).await
}
