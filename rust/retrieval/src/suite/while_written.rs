//! What is answered while documents are put and deleted.

use super::{Numbers, embedder};
use smooai_smooth_operator_store::{Access, Document, DocumentId, KnowledgeStore, OrganizationId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

/// So many changes are made, one after another.
const CHANGES: usize = 48;

/// So many ask at once, each its own question again and again.
const ASKERS: usize = 4;

/// A test that takes longer has come to a stop.
const BOUND: Duration = Duration::from_secs(300);

#[derive(Clone)]
enum Change {
    Put(Document),
    Delete((OrganizationId, DocumentId)),
}

/// A question, and who asks it.
#[derive(Debug, Clone)]
struct Question {
    access: Access,
    text: String,
    limit: usize,
}

/// Every way of reading that a document may turn up in.
const READS: usize = 3;

impl Question {
    async fn ask(&self, store: &Arc<dyn KnowledgeStore>, organization: &str, read: usize) -> String {
        let access = Access { organization: organization.into(), ..self.access.clone() };
        match read {
            0 => format!("{:?}", store.keyword(&access, &self.text, self.limit).await.unwrap()),
            1 => {
                let vector = embedder().vector(&self.text);
                format!("{:?}", store.dense(&access, &vector, self.limit).await.unwrap())
            }
            _ => {
                let listed = store.list(&access, None, self.limit).await.unwrap();
                let listed = listed.into_iter().map(|info| (info.id, info.content_hash));
                format!("{:?}", listed.collect::<Vec<_>>())
            }
        }
    }
}

/// Puts and deletes documents in an organisation of the store that nobody else uses, while others ask:
/// every answer must be that of a state in which the documents were between question and answer, down to
/// the scores.
///
/// # Panics
/// When one is not; the message holds the seed.
pub async fn answers_while_written(store: Arc<dyn KnowledgeStore>, seed: u64) {
    tokio::time::timeout(BOUND, case(store, seed)).await.unwrap();
}

async fn case(store: Arc<dyn KnowledgeStore>, seed: u64) {
    let mut numbers = Numbers(seed);
    let organization = format!("written {seed}");
    let questions = (0..ASKERS).map(|_| Question {
        access: numbers.reader(&organization),
        text: numbers.words(5),
        limit: 1 + numbers.below(8),
    });
    let questions: Vec<Question> = questions.collect();
    let changes: Vec<Change> = (0..CHANGES).map(|n| numbers.change(&organization, n)).collect();
    let right = Arc::new(answers(&store, &changes, &questions, seed).await);

    // How many changes were begun, and how many are done: the states that an answer may be of.
    let (begun, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let ready = Arc::new(Barrier::new(ASKERS + 1));
    let mut askers = JoinSet::new();
    for (n, question) in questions.into_iter().enumerate() {
        let (store, right, organization) = (Arc::clone(&store), Arc::clone(&right), organization.clone());
        let (begun, done, ready) = (Arc::clone(&begun), Arc::clone(&done), Arc::clone(&ready));
        askers.spawn(async move {
            ready.wait().await;
            for read in (0..READS).cycle() {
                let first = done.load(Ordering::SeqCst);
                let answer = question.ask(&store, &organization, read).await;
                let last = begun.load(Ordering::SeqCst);
                let states = &right[first..=last];
                let is_right = states.iter().any(|state| state[n][read] == answer);
                assert!(
                    is_right,
                    "seed {seed}, states {first} to {last}: {question:?} was answered with {answer}"
                );
                if first == CHANGES && read == READS - 1 {
                    return;
                }
                // A store that answers without waiting must not keep the writer from its turn.
                tokio::task::yield_now().await;
            }
        });
    }
    ready.wait().await;
    for (n, change) in changes.into_iter().enumerate() {
        begun.store(n + 1, Ordering::SeqCst);
        apply(&store, change).await;
        done.store(n + 1, Ordering::SeqCst);
    }
    askers.join_all().await;
}

async fn apply(store: &Arc<dyn KnowledgeStore>, change: Change) {
    match change {
        Change::Put(document) => {
            store.put(document).await.unwrap();
        }
        Change::Delete((organization, id)) => {
            store.delete(&organization, &id).await.unwrap();
        }
    }
}

/// The answers to all questions after each number of changes, from organisations that hold just those
/// documents.
async fn answers(
    store: &Arc<dyn KnowledgeStore>,
    changes: &[Change],
    questions: &[Question],
    seed: u64,
) -> Vec<Vec<[String; READS]>> {
    let mut documents: BTreeMap<DocumentId, Document> = BTreeMap::new();
    let mut states = Vec::with_capacity(changes.len() + 1);
    for n in 0..=changes.len() {
        match n.checked_sub(1).map(|last| &changes[last]) {
            Some(Change::Put(document)) => drop(documents.insert(document.id.clone(), document.clone())),
            Some(Change::Delete((_, id))) => drop(documents.remove(id)),
            None => {}
        }
        let organization = format!("written {seed} state {n}");
        for document in documents.values() {
            let organization = organization.as_str().into();
            store.put(Document { organization, ..document.clone() }).await.unwrap();
        }
        let mut state = Vec::with_capacity(questions.len());
        for question in questions {
            state.push([
                question.ask(store, &organization, 0).await,
                question.ask(store, &organization, 1).await,
                question.ask(store, &organization, 2).await,
            ]);
        }
        states.push(state);
    }
    states
}

impl Numbers {
    fn change(&mut self, organization: &str, n: usize) -> Change {
        let id = format!("d{}", self.below(7));
        let document = self.document(organization, &id, 16, n);
        match self.below(5) {
            0 => Change::Delete((document.organization, document.id)),
            _ => Change::Put(document),
        }
    }
}
