//! A document's list is changed, or the document goes, after it was cited: in messages that are read again,
//! in the next turn, in a turn that is running, and in one that waits for a person.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::stage::{Client, Reply, Stage};
use async_trait::async_trait;
use serde_json::{Value, json};
use smooai_smooth_operator::Settings;
use smooai_smooth_operator_store::{
    Access, AccessList, Chunk, ChunkRef, Document, DocumentId, DocumentInfo, Hit, KnowledgeStore,
    OrganizationId, Passage, Put, StorageAdapter, StoreError,
};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// Documents that cannot be read for a while.
struct Troubled {
    inner: Arc<dyn KnowledgeStore>,
    trouble: Arc<Mutex<Trouble>>,
}

#[derive(Clone, Copy)]
enum Trouble {
    None,
    /// The store says that it cannot.
    Refused,
    /// The store says nothing.
    Silent,
}

#[async_trait]
impl KnowledgeStore for Troubled {
    async fn put(&self, document: Document) -> Result<Put, StoreError> {
        self.inner.put(document).await
    }

    async fn content_hash(
        &self,
        organization: &OrganizationId,
        id: &DocumentId,
    ) -> Result<Option<String>, StoreError> {
        self.inner.content_hash(organization, id).await
    }

    async fn delete(&self, organization: &OrganizationId, id: &DocumentId) -> Result<bool, StoreError> {
        self.inner.delete(organization, id).await
    }

    async fn list(
        &self,
        access: &Access,
        after: Option<&DocumentId>,
        limit: usize,
    ) -> Result<Vec<DocumentInfo>, StoreError> {
        self.inner.list(access, after, limit).await
    }

    async fn keyword(&self, access: &Access, query: &str, limit: usize) -> Result<Vec<Hit>, StoreError> {
        self.inner.keyword(access, query, limit).await
    }

    async fn dense(&self, access: &Access, vector: &[f32], limit: usize) -> Result<Vec<Hit>, StoreError> {
        self.inner.dense(access, vector, limit).await
    }

    async fn passages(&self, access: &Access, chunks: &[ChunkRef]) -> Result<Vec<Passage>, StoreError> {
        let trouble = *self.trouble.lock().unwrap();
        match trouble {
            Trouble::None => self.inner.passages(access, chunks).await,
            Trouble::Refused => {
                let context = "the table secret_documents is gone".to_owned();
                Err(StoreError::Unavailable { context, source: None })
            }
            Trouble::Silent => std::future::pending().await,
        }
    }
}

/// A stage whose documents can be made unreadable.
fn troubled(replies: Vec<Reply>) -> (Stage, Arc<Mutex<Trouble>>) {
    let mut storage = smooai_smooth_operator_adapter_memory::adapter();
    let trouble = Arc::new(Mutex::new(Trouble::None));
    let inner = Arc::clone(&storage.knowledge);
    storage.knowledge = Arc::new(Troubled { inner, trouble: Arc::clone(&trouble) });
    (Stage::over(storage, Settings::default(), replies), trouble)
}

const QUESTION: &str = "What is the chief salary and the return window?";

fn board() -> AccessList {
    AccessList::Restricted { users: [].into(), groups: ["board".to_owned()].into() }
}

/// Puts a document of one piece; the list is part of its hash, as the pipeline makes it.
async fn put(storage: &StorageAdapter, id: &str, text: &str, acl: AccessList) {
    let chunk = Chunk {
        text: text.to_owned(),
        headings: Vec::new(),
        start: 0,
        end: text.len(),
        embedding: Vec::new(),
    };
    let document = Document {
        id: id.into(),
        organization: "org".into(),
        source: id.to_owned(),
        title: format!("Title of {id}"),
        url: Some(format!("https://docs.example.org/{id}")),
        content_hash: format!("{text} {acl:?}"),
        acl,
        chunks: vec![chunk],
        updated_at: jiff::Timestamp::UNIX_EPOCH,
    };
    storage.knowledge.put(document).await.unwrap();
}

const SALARIES: &str = "The chief salary is 1 doubloon.";
const RETURNS: &str = "The return window is 17 days.";

async fn documents(storage: &StorageAdapter) {
    put(storage, "salaries.md", SALARIES, board()).await;
    put(storage, "returns.md", RETURNS, AccessList::Public).await;
}

fn cited(citations: &Value) -> Vec<&str> {
    let citations = citations.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut ids: Vec<&str> = citations.iter().filter_map(|citation| citation["id"].as_str()).collect();
    ids.sort_unstable();
    ids
}

/// What the newest message cites.
async fn shown(client: &mut Client, session: &str) -> Value {
    let messages = client.messages(session).await;
    messages[0]["content"]["structuredResponse"]["citations"].clone()
}

async fn cited_turn(stage: &Stage) -> (Client, String) {
    documents(&stage.storage).await;
    let mut client = stage.client("ada").with_groups(&["board"]);
    let session = client.session(&[]).await;
    client.ask(&session, "t1", QUESTION);
    let answer = client.until("eventual_response").await;
    assert_eq!(cited(&answer["data"]["data"]["citations"]), ["returns.md", "salaries.md"], "{answer}");
    (client, session)
}

#[tokio::test]
async fn messages_show_the_citations_of_their_answers() {
    let stage = Stage::new(vec![Reply::Text("One doubloon.")]);
    let (mut client, session) = cited_turn(&stage).await;
    let messages = client.messages(&session).await;
    let citations = &messages[0]["content"]["structuredResponse"]["citations"];
    assert_eq!(cited(citations), ["returns.md", "salaries.md"]);
    for key in ["title", "url", "snippet", "score"] {
        assert!(!citations[0][key].is_null() && !citations[1][key].is_null(), "{key}: {citations}");
    }
    assert!(messages[1]["content"]["structuredResponse"].is_null(), "a question cites nothing");
}

#[tokio::test]
async fn a_document_whose_list_was_changed_is_not_shown_again() {
    let stage = Stage::new(vec![
        Reply::Text("The chief salary is 1 doubloon, and the return window is 17 days."),
        Reply::Text("Well."),
    ]);
    let (mut client, session) = cited_turn(&stage).await;
    let before = client.messages(&session).await;
    assert!(before[0]["content"]["text"].as_str().unwrap().contains("1 doubloon"));

    put(&stage.storage, "salaries.md", SALARIES, AccessList::Nobody).await;
    let messages = client.messages(&session).await;
    let citations = &messages[0]["content"]["structuredResponse"]["citations"];
    assert_eq!(cited(citations), ["returns.md"]);
    let all = Value::from(messages.clone()).to_string();
    for trace in ["salaries.md", "doubloon", "quotes"] {
        assert!(!all.contains(trace), "{trace} is still in {all}");
    }
    let text = "[…], and the return window is 17 days.";
    assert_eq!(messages[0]["content"]["text"], text);
    assert_eq!(messages[0]["content"]["structuredResponse"]["responseParts"], json!([text]));
    // The next question obeys at once, and what was found for an earlier one is not given to the model again.
    client.ask(&session, "t2", QUESTION);
    let answer = client.until("eventual_response").await;
    assert_eq!(cited(&answer["data"]["data"]["citations"]), ["returns.md"]);
    let prompt = format!("{:?}", stage.script.asked.lock().unwrap()[1].messages);
    assert!(prompt.contains(RETURNS) && prompt.contains(text), "{prompt}");
    assert!(!prompt.contains("salaries.md") && !prompt.contains("doubloon"), "{prompt}");

    // The list as it was brings all of it back: nothing was taken out of the record.
    put(&stage.storage, "salaries.md", SALARIES, board()).await;
    let messages = client.messages(&session).await;
    assert_eq!(messages[2], before[0]);
}

#[tokio::test]
async fn a_reader_who_left_the_group_and_a_deleted_document() {
    let stage = Stage::new(vec![Reply::Text("One doubloon.")]);
    let (mut client, session) = cited_turn(&stage).await;
    let mut left = stage.client("ada");
    assert_eq!(cited(&shown(&mut left, &session).await), ["returns.md"]);
    assert_eq!(cited(&shown(&mut client, &session).await), ["returns.md", "salaries.md"]);

    for id in ["salaries.md", "returns.md"] {
        assert!(stage.storage.knowledge.delete(&"org".into(), &id.into()).await.unwrap());
    }
    let messages = client.messages(&session).await;
    let structured = messages[0]["content"]["structuredResponse"].as_object().unwrap();
    assert!(!structured.contains_key("citations"), "no empty list: {structured:?}");
    assert_eq!(structured["responseParts"], json!(["One doubloon."]));
}

#[tokio::test]
async fn a_turn_that_is_running_cites_what_may_be_read_at_its_end() {
    let search = Reply::Calls(vec![("knowledge_search", json!({"query": "chief salary"}))]);
    let go = Arc::new(Notify::new());
    let stage = Stage::new(vec![search, Reply::Held(Arc::clone(&go), "One doubloon.")]);
    documents(&stage.storage).await;
    let mut client = stage.client("ada").with_groups(&["board"]);
    let session = client.session(&[]).await;
    client.ask(&session, "t1", QUESTION);
    stage.script.asked(2).await;
    put(&stage.storage, "salaries.md", SALARIES, AccessList::Nobody).await;
    go.notify_one();
    let answer = client.until("eventual_response").await;
    assert_eq!(cited(&answer["data"]["data"]["citations"]), ["returns.md"], "{answer}");
    assert_eq!(cited(&shown(&mut client, &session).await), ["returns.md"]);
}

/// A turn that found both documents, searched once more by itself, and waits for an approval.
async fn parked() -> (Stage, Client, String) {
    let calls = vec![("knowledge_search", json!({"query": "chief salary"})), ("pay", json!({"amount": 1}))];
    let stage = Stage::new(vec![Reply::Calls(calls)]);
    documents(&stage.storage).await;
    let mut client = stage.client("ada").with_groups(&["board"]);
    let session = client.session(&[]).await;
    client.ask(&session, "t1", QUESTION);
    client.until("write_confirmation_required").await;
    let prompt = format!("{:?}", stage.script.asked.lock().unwrap()[0].messages);
    assert!(prompt.contains(SALARIES) && prompt.contains(RETURNS), "{prompt}");
    (stage, client, session)
}

/// Approves on another process, and returns what the model is then asked and what is cited in the end.
async fn approved(stage: &Stage, session: &str, groups: &[&str]) -> (String, Value) {
    let second = Stage::over(stage.storage.clone(), Settings::default(), vec![Reply::Text("Paid.")]);
    let mut client = second.client("ada").with_groups(groups);
    client.say(
        &json!({"action": "confirm_tool_action", "requestId": "v", "sessionId": session, "approved": true}),
    );
    let answer = client.until("eventual_response").await["data"]["data"].clone();
    let prompt = format!("{:?}", second.script.asked.lock().unwrap()[0].messages);
    (prompt, answer)
}

#[tokio::test]
async fn a_parked_turn_goes_on_without_what_was_revoked() {
    let (stage, _client, session) = parked().await;
    put(&stage.storage, "salaries.md", SALARIES, AccessList::Nobody).await;
    let (prompt, answer) = approved(&stage, &session, &["board"]).await;
    assert!(prompt.contains(RETURNS), "{prompt}");
    assert!(!prompt.contains(SALARIES) && !prompt.contains("salaries.md"), "{prompt}");
    // Once for the question and once for the search of the model's own.
    assert_eq!(prompt.matches("a passage stood here that may no longer be read").count(), 2, "{prompt}");
    assert_eq!(cited(&answer["citations"]), ["returns.md"], "{answer}");
}

#[tokio::test]
async fn a_parked_turn_goes_on_as_it_was_where_nothing_was_revoked() {
    let (stage, _client, session) = parked().await;
    let (prompt, answer) = approved(&stage, &session, &["board"]).await;
    assert_eq!(prompt.matches(SALARIES).count(), 2, "{prompt}");
    assert_eq!(cited(&answer["citations"]), ["returns.md", "salaries.md"], "{answer}");
}

#[tokio::test]
async fn a_parked_turn_is_resumed_with_the_groups_that_its_person_has_then() {
    let (stage, _client, session) = parked().await;
    let (prompt, answer) = approved(&stage, &session, &["sales"]).await;
    assert!(prompt.contains(RETURNS) && !prompt.contains(SALARIES), "{prompt}");
    assert_eq!(cited(&answer["citations"]), ["returns.md"], "{answer}");
}

#[tokio::test]
async fn an_answer_that_repeats_an_earlier_one_quotes_the_same_document() {
    let stage = Stage::new(vec![
        Reply::Text("The chief salary is 1 doubloon."),
        Reply::Text("I said that the chief salary is 1 doubloon."),
    ]);
    let (mut client, session) = cited_turn(&stage).await;
    client.ask(&session, "t2", "Again?");
    client.until("eventual_response").await;
    assert_eq!(
        client.messages(&session).await[0]["content"]["text"],
        "I said that the chief salary is 1 doubloon."
    );
    put(&stage.storage, "salaries.md", SALARIES, AccessList::Nobody).await;
    let messages = client.messages(&session).await;
    assert_eq!(messages[0]["content"]["text"], "I said that […].");
    assert_eq!(messages[2]["content"]["text"], "[…].");
}

#[tokio::test]
async fn a_parked_turn_goes_on_without_what_earlier_answers_quote() {
    let stage = Stage::new(vec![
        Reply::Text("The chief salary is 1 doubloon."),
        Reply::Calls(vec![("pay", json!({"amount": 1}))]),
    ]);
    let (mut client, session) = cited_turn(&stage).await;
    client.ask(&session, "t2", "Pay it.");
    client.until("write_confirmation_required").await;
    let parked = format!("{:?}", stage.script.asked.lock().unwrap()[1].messages);
    assert!(parked.contains("1 doubloon"), "{parked}");
    put(&stage.storage, "salaries.md", SALARIES, AccessList::Nobody).await;
    let (prompt, answer) = approved(&stage, &session, &["board"]).await;
    assert!(prompt.contains("[…]") && !prompt.contains("doubloon"), "{prompt}");
    assert!(answer.get("citations").is_none(), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_checked_is_not_shown_and_the_rest_is() {
    let (stage, trouble) =
        troubled(vec![Reply::Text("The chief salary is 1 doubloon."), Reply::Text("Well.")]);
    let (mut client, session) = cited_turn(&stage).await;
    let before = client.messages(&session).await;
    for kind in [Trouble::Refused, Trouble::Silent] {
        *trouble.lock().unwrap() = kind;
        let messages = client.messages(&session).await;
        assert_eq!(messages[0]["content"]["text"], "[…].");
        assert!(messages[0]["content"]["structuredResponse"].get("citations").is_none());
        assert_eq!(messages[1], before[1]);
    }
    *trouble.lock().unwrap() = Trouble::None;
    assert_eq!(client.messages(&session).await, before);
}

#[tokio::test]
async fn a_parked_turn_that_cannot_be_checked_ends_and_frees_its_conversation() {
    let (stage, trouble) =
        troubled(vec![Reply::Calls(vec![("pay", json!({"amount": 1}))]), Reply::Text("Hi.")]);
    documents(&stage.storage).await;
    let mut client = stage.client("ada").with_groups(&["board"]);
    let session = client.session(&[]).await;
    client.ask(&session, "t1", QUESTION);
    client.until("write_confirmation_required").await;
    *trouble.lock().unwrap() = Trouble::Refused;
    client.say(
        &json!({"action": "confirm_tool_action", "requestId": "v", "sessionId": session, "approved": true}),
    );
    let error = client.until("error").await;
    assert_eq!((&error["requestId"], &error["error"]["code"]), (&json!("t1"), &json!("STORAGE_ERROR")));
    assert!(!error.to_string().contains("secret_documents"), "{error}");
    assert_eq!(stage.paid.load(std::sync::atomic::Ordering::SeqCst), 0);
    *trouble.lock().unwrap() = Trouble::None;
    client.ask(&session, "t2", "Hello?");
    client.until("eventual_response").await;
}
