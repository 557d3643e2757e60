//! Lists of documents, from `operator.toml` to the answer, and what happens when they are changed: by a
//! restart, and by another server on the same storage. The tests on PostgreSQL and DynamoDB run where their
//! servers are, see `postgres.rs`.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use smooai_smooth_operator_conformance::gateway::{Reply, Script};
use smooai_smooth_operator_conformance::server_process::Setup;
use smooai_smooth_operator_conformance::socket::Socket;
use smooai_smooth_operator_conformance::stage::Stage;
use smooai_smooth_operator_conformance::webhook::{Answer, Webhook};

use crate::backend::{Backend, Kind};
use crate::shop::{operator_toml, refund, verdict};
use crate::tokens::{connect, guarded};

const QUESTION: &str = "What is the chief salary and the return window?";
const SALARY: &str = "The chief salary is 1 doubloon.";
const RETURNS: &str = "The return window is 17 days.";

fn cited(citations: &Value) -> Vec<&str> {
    let citations = citations.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut ids: Vec<&str> = citations.iter().filter_map(|citation| citation["id"].as_str()).collect();
    ids.sort_unstable();
    ids
}

/// What somebody with these claims is told and cited, and what the model is given for him.
async fn asked(stage: &Stage, claims: &Value) -> Result<(Vec<String>, String)> {
    let mut socket = connect(stage, claims).await?;
    let session = socket.session().await?;
    let turn = socket.whole_turn(&session, "t", QUESTION).await?;
    let ids = cited(&turn.answer()["citations"]).into_iter().map(str::to_owned).collect();
    let prompt = stage.gateway.chats().pop().context("the model was asked")?.body.to_string();
    Ok((ids, prompt))
}

#[tokio::test]
async fn a_list_lets_in_whom_it_names_and_an_absent_one_the_organisation() -> Result<()> {
    let toml = "
[[knowledge]]
source = \"returns.md\"
text = \"The return window is 17 days.\"

[[knowledge]]
source = \"salaries.md\"
text = \"The chief salary is 1 doubloon.\"
acl = { users = [\"carol\"], groups = [\"board\"] }

[[knowledge]]
source = \"nobody.md\"
text = \"The chief salary of nobody.\"
acl = {}

[[knowledge]]
source = \"torn.md\"
text = \"The chief salary, with two lists.\"
acl = { groups = [\"board\"] }

[[knowledge]]
source = \"torn.md\"
text = \"The chief salary, with two lists.\"
acl = { groups = [\"board\", \"staff\"] }

[[knowledge]]
source = \"agreed.md\"
text = \"The chief salary, with two equal lists.\"
acl = { groups = [\"board\", \"staff\"] }

[[knowledge]]
source = \"agreed.md\"
text = \"The chief salary, with two equal lists.\"
acl = { groups = [\"staff\", \"board\"] }
";
    let stage = Stage::with(Script::new().always(Reply::text("Well.")), |setup| {
        guarded(setup).env("AUTH_DEV_ORG_ID", "acme").operator_toml(toml)
    })
    .await?;
    for (claims, expected) in [
        (json!({}), vec!["returns.md"]),
        (json!({ "groups": ["board"] }), vec!["agreed.md", "returns.md", "salaries.md"]),
        (json!({ "groups": ["staff"] }), vec!["agreed.md", "returns.md"]),
        (json!({ "groups": "sales board" }), vec!["agreed.md", "returns.md", "salaries.md"]),
        (json!({ "sub": "carol" }), vec!["returns.md", "salaries.md"]),
        // A user is no group, and a group is no user.
        (json!({ "sub": "board", "groups": ["carol"] }), vec!["returns.md"]),
        (json!({ "sub": "carol", "groups": ["board"], "org_id": "other" }), vec![]),
    ] {
        let (ids, prompt) = asked(&stage, &claims).await?;
        assert_eq!(ids, expected, "{claims}");
        for (id, text) in [("returns.md", RETURNS), ("salaries.md", SALARY)] {
            assert_eq!(prompt.contains(text), expected.contains(&id), "{claims}: {prompt}");
        }
        assert!(!prompt.contains("of nobody") && !prompt.contains("with two lists"), "{claims}: {prompt}");
    }
    stage.server.wait_for_log("different access lists").await?;
    stage.server.wait_for_log("torn.md").await
}

#[tokio::test]
async fn a_list_that_cannot_be_read_stops_the_start() -> Result<()> {
    for acl in ["{ user = [\"carol\"] }", "\"board\"", "{ groups = \"board\" }", "[\"board\"]", "true"] {
        let toml = format!("[[knowledge]]\nsource = \"a.md\"\ntext = \"A.\"\nacl = {acl}\n");
        let ended = Setup::new().arg("--offline").operator_toml(&toml).run_to_end().await?;
        assert!(!ended.status.success(), "{acl}");
        assert!(ended.stderr.contains("knowledge"), "{acl}: {}", ended.stderr);
    }
    Ok(())
}

/// A shop on a storage, whose salaries are for these groups.
struct Place {
    backend: Backend,
    hook: Webhook,
}

impl Place {
    async fn new(kind: Kind) -> Result<Self> {
        let hook = Webhook::start().await?.on("/refund", Answer::json(json!({ "refunded": true })));
        Ok(Self { backend: Backend::new(kind)?, hook })
    }

    async fn stage(&self, groups: &str, script: Script) -> Result<Stage> {
        let knowledge = format!(
            "\n[[knowledge]]\nsource = \"returns.md\"\ntext = \"{RETURNS}\"\n\
             [[knowledge]]\nsource = \"salaries.md\"\ntext = \"{SALARY}\"\nacl = {{ groups = [{groups}] }}\n"
        );
        let toml = format!("{}{knowledge}", operator_toml(&self.hook));
        let setup = self.backend.on(guarded(Setup::new()))?;
        let setup = setup.env("AUTH_DEV_ORG_ID", &self.backend.organization("acme"));
        Stage::on(script, setup.operator_toml(&toml)).await
    }

    /// Alice, of the board.
    async fn alice(&self, stage: &Stage) -> Result<Socket> {
        connect(stage, &json!({ "org_id": self.backend.organization("acme"), "groups": ["board"] })).await
    }
}

/// What the messages of a session show, as one text, and the ids that the last answer cites.
async fn shown(socket: &mut Socket, session: &str) -> Result<(String, Vec<String>)> {
    let page = socket.data(json!({ "action": "get_conversation_messages", "sessionId": session })).await?;
    let ids = cited(&page["messages"][0]["content"]["structuredResponse"]["citations"]);
    Ok((page.to_string(), ids.into_iter().map(str::to_owned).collect()))
}

/// A conversation in which the salaries were cited, and one in which a turn that was given them waits.
async fn cited_and_parked(alice: &mut Socket) -> Result<(String, String)> {
    let (cited, parked) = (alice.session().await?, alice.session().await?);
    let turn = alice.whole_turn(&cited, "cited", QUESTION).await?;
    let citations = turn.answer()["citations"].to_string();
    assert!(citations.contains("salaries.md") && citations.contains("doubloon"), "{citations}");
    let (text, ids) = shown(alice, &cited).await?;
    assert_eq!(ids, ["returns.md", "salaries.md"]);
    assert!(text.contains(SALARY), "{text}");
    alice.say(&parked, "parked", &format!("Refund o-1. {QUESTION}")).await?;
    alice.until_parked("parked").await?;
    Ok((cited, parked))
}

/// Nothing that was found before is shown again, and nothing is found any more: on the first try.
async fn is_gone(stage: &Stage, alice: &mut Socket, cited_in: &str, parked_in: &str) -> Result<()> {
    let (text, ids) = shown(alice, cited_in).await?;
    assert_eq!(ids, ["returns.md"]);
    assert!(!text.contains("salaries.md") && !text.contains(SALARY), "{text}");

    let turn = alice.whole_turn(cited_in, "again", QUESTION).await?;
    assert_eq!(cited(&turn.answer()["citations"]), ["returns.md"]);
    alice.data(verdict(parked_in, true)).await?;
    let turn = alice.turn("parked").await?;
    assert_eq!(turn.reply(), "Well.");
    assert_eq!(cited(&turn.answer()["citations"]), ["returns.md"]);
    for chat in stage.gateway.chats().iter().rev().take(2) {
        let prompt = chat.body.to_string();
        assert!(prompt.contains(RETURNS) && !prompt.contains(SALARY), "{prompt}");
    }
    Ok(())
}

fn script() -> Script {
    let refund = Script::new().when_user("Refund", refund("c1", "o-1"));
    refund.say(Reply::text(SALARY)).always(Reply::text("Well."))
}

/// The list is changed while no server runs.
async fn by_a_restart(kind: Kind) -> Result<()> {
    let place = Place::new(kind).await?;
    let mut first = place.stage("\"board\"", script()).await?;
    let mut alice = place.alice(&first).await?;
    let (cited_in, parked_in) = cited_and_parked(&mut alice).await?;
    first.server.kill().await?;

    let second = place.stage("", Script::new().always(Reply::text("Well."))).await?;
    let mut alice = place.alice(&second).await?;
    is_gone(&second, &mut alice, &cited_in, &parked_in).await?;
    assert_eq!(place.hook.calls("/refund").len(), 1, "what was approved was done");
    Ok(())
}

/// The list is changed by another server, while the one that alice is connected to goes on.
async fn by_another_server(kind: Kind) -> Result<()> {
    let place = Place::new(kind).await?;
    let first = place.stage("\"board\"", script()).await?;
    let mut alice = place.alice(&first).await?;
    let (cited_in, parked_in) = cited_and_parked(&mut alice).await?;
    let _second = place.stage("", Script::new()).await?;
    is_gone(&first, &mut alice, &cited_in, &parked_in).await
}

#[tokio::test]
async fn a_list_that_was_changed_by_a_restart_holds_on_sqlite() -> Result<()> {
    by_a_restart(Kind::Sqlite).await
}

#[tokio::test]
#[ignore = "needs a Postgres server"]
async fn a_list_that_was_changed_by_a_restart_holds_on_postgres() -> Result<()> {
    by_a_restart(Kind::Postgres).await
}

#[tokio::test]
#[ignore = "needs a Postgres server"]
async fn a_list_that_another_server_changed_holds_at_once_on_postgres() -> Result<()> {
    by_another_server(Kind::Postgres).await
}

#[tokio::test]
#[ignore = "needs DynamoDB and S3 Vectors"]
async fn a_list_that_was_changed_by_a_restart_holds_on_dynamodb() -> Result<()> {
    by_a_restart(Kind::Dynamodb).await
}

#[tokio::test]
#[ignore = "needs DynamoDB and S3 Vectors"]
async fn a_list_that_another_server_changed_holds_at_once_on_dynamodb() -> Result<()> {
    by_another_server(Kind::Dynamodb).await
}
