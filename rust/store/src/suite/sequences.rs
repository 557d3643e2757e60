//! Random operations, each done to the store and to the plain model: both must answer the same.

use super::model::model;
use super::records::{
    Numbers, at, conversation, document, message, message_id, parked, request, scope, session,
};
use crate::{
    Access, AccessList, Activity, Before, ChunkRef, Claim, Contact, ConversationId, JournalEntry,
    JournalOutcome, Page, ParkId, ParkedTurn, Result, Scope, StorageAdapter, StoreError,
};
use std::fmt::Debug;

/// Conversations, sessions and documents are few, so that operations meet.
const LABELS: [&str; 3] = ["a", "b", "c"];

/// Does `count` random operations to the store and to a plain model.
///
/// # Panics
/// When the store answers differently; the message holds the seed and the step.
pub async fn random_operations(store: StorageAdapter, seed: u64, count: usize) {
    let names = [format!("random {seed}"), format!("random {seed} elsewhere")];
    let scopes = vec![scope(&names[0], "ada"), scope(&names[0], "bob"), scope(&names[1], "ada")];
    let mut pair = Pair {
        store,
        model: model(),
        numbers: Numbers::new(seed),
        place: String::new(),
        step: 0,
        scopes,
        claims: Vec::new(),
        parks: vec!["unknown".into()],
        cursors: Vec::new(),
    };
    for step in 0..count {
        pair.step = i64::try_from(step).unwrap();
        pair.one(seed).await;
    }
}

/// The two stores and what was got from them.
struct Pair {
    store: StorageAdapter,
    model: StorageAdapter,
    numbers: Numbers,
    place: String,
    step: i64,
    scopes: Vec<Scope>,
    /// The store's claim and the model's; their fencing numbers may differ.
    claims: Vec<(Claim, Claim)>,
    parks: Vec<ParkId>,
    /// The conversation, the store's cursor and the model's.
    cursors: Vec<(Scope, ConversationId, String, String)>,
}

/// An answer without what stores choose for themselves.
fn shown<T: Debug>(answer: &Result<T>) -> String {
    match answer {
        Ok(value) => format!("{value:?}"),
        Err(StoreError::NotFound(_)) => "not found".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}

fn unfenced(mut parked: ParkedTurn) -> ParkedTurn {
    parked.claim.fence = 0;
    parked
}

macro_rules! same {
    ($pair:ident, $part:ident.$call:ident($($argument:expr),*)) => {{
        let from_store = $pair.store.$part.$call($($argument),*).await;
        let from_model = $pair.model.$part.$call($($argument),*).await;
        let place = &$pair.place;
        assert_eq!(shown(&from_store), shown(&from_model), "{place}: {}", stringify!($call));
    }};
}

impl Pair {
    async fn one(&mut self, seed: u64) {
        let kind = self.numbers.below(10);
        self.place = format!("seed {seed}, step {}, kind {kind}", self.step);
        match kind {
            0 => self.conversations().await,
            1..=3 => self.messages().await,
            4 => self.sessions().await,
            5..=7 => self.turns().await,
            8 => self.journal().await,
            _ => self.knowledge().await,
        }
    }

    /// A conversation, and a scope that is mostly its own.
    fn any(&mut self) -> (Scope, ConversationId) {
        let owner = self.numbers.pick(&self.scopes);
        let id = conversation(&owner, self.numbers.pick(&LABELS)).id;
        let asker = if self.numbers.below(8) == 0 { self.numbers.pick(&self.scopes) } else { owner };
        (asker, id)
    }

    async fn conversations(&mut self) {
        let (scope, id) = self.any();
        match self.numbers.below(5) {
            0 | 1 => {
                let mut made = conversation(&scope, self.numbers.pick(&LABELS));
                made.created_at = at(self.step);
                made.updated_at = at(self.step);
                same!(self, conversations.create(made.clone()));
            }
            2 => same!(self, conversations.get(&scope, &id)),
            3 => {
                let title = format!("title {}", self.step);
                same!(self, conversations.rename(&scope, &id, &title, at(self.step)));
            }
            _ => same!(self, conversations.list(&scope, 50)),
        }
    }

    async fn messages(&mut self) {
        let (scope, id) = self.any();
        let n = self.numbers.below(30);
        match self.numbers.below(5) {
            0..=2 => {
                let mut sent = message(&conversation(&scope, "a"), n);
                sent.conversation.clone_from(&id);
                sent.id = message_id(&id, n);
                sent.created_at = at(self.step);
                same!(self, messages.append(&scope, sent.clone()));
            }
            3 => {
                let before = match self.numbers.below(3) {
                    0 => Some(Before::Message(message_id(&id, n))),
                    1 => Some(Before::Instant(at(self.step / 2))),
                    _ => None,
                };
                self.page(&scope, &id, before.clone(), before).await;
            }
            _ if self.cursors.is_empty() => {}
            _ => {
                let (scope, id, store, model) = self.numbers.pick(&self.cursors);
                self.page(&scope, &id, Some(Before::Cursor(store)), Some(Before::Cursor(model))).await;
            }
        }
    }

    async fn page(
        &mut self,
        scope: &Scope,
        id: &ConversationId,
        store: Option<Before>,
        model: Option<Before>,
    ) {
        let limit = 1 + self.numbers.below(6);
        let from_store = self.store.messages.page(scope, id, Page { limit, before: store }).await;
        let from_model = self.model.messages.page(scope, id, Page { limit, before: model }).await;
        match (from_store, from_model) {
            (Ok(store), Ok(model)) => {
                assert_eq!(store.messages, model.messages, "{}: page", self.place);
                assert_eq!(store.next.is_some(), model.next.is_some(), "{}: end", self.place);
                if let (Some(store), Some(model)) = (store.next, model.next) {
                    self.cursors.push((scope.clone(), id.clone(), store, model));
                }
            }
            (store, model) => {
                assert_eq!(shown(&store), shown(&model), "{}: page", self.place);
            }
        }
    }

    async fn sessions(&mut self) {
        let owner = self.numbers.pick(&self.scopes);
        let label = format!("{}", self.step);
        let mut made = session(&conversation(&owner, "a"), &label);
        made.created_at = at(self.step);
        same!(self, sessions.create(made.clone()));
        let scope = self.numbers.pick(&self.scopes);
        let now = at(self.step);
        same!(self, sessions.record(&scope, &made.id, Activity { now, tokens: 7, messages: 2 }));
        let contact = Contact { email: Some(label), ..Contact::default() };
        same!(self, sessions.identify(&scope, &made.id, contact.clone()));
        for scope in self.scopes.clone() {
            same!(self, sessions.get(&scope, &made.id));
        }
    }

    async fn turns(&mut self) {
        let (scope, id) = self.any();
        match self.numbers.below(9) {
            0..=2 => self.claim(&scope, &id).await,
            3 => self.unpark(&scope, &id).await,
            4 => {
                let park = self.numbers.pick(&self.parks);
                same!(self, turns.spend_attempt(&scope, &id, &park));
            }
            5 => {
                let store = self.store.turns.parked(&scope, &id).await.unwrap();
                let model = self.model.turns.parked(&scope, &id).await.unwrap();
                let plain = |(parked, ended)| (unfenced(parked), ended);
                assert_eq!(store.map(plain), model.map(plain), "{}: parked", self.place);
            }
            _ if self.claims.is_empty() => {}
            chosen => {
                // Mostly the latest, so that some claims still hold.
                let newest = self.claims.len() - 1;
                let back = self.numbers.below(4).min(newest);
                let (store, model) = self.claims[newest - back].clone();
                self.held(chosen, store, model).await;
            }
        }
    }

    async fn held(&mut self, chosen: usize, store: Claim, model: Claim) {
        let (store, model) = match chosen {
            6 => {
                let until = at(self.step + 40);
                (self.store.turns.renew(&store, until).await, self.model.turns.renew(&model, until).await)
            }
            7 => (self.store.turns.release(&store).await, self.model.turns.release(&model).await),
            _ => {
                let label = format!("{}", self.step);
                let mut waiting = parked(&store, &label);
                waiting.expires_at = at(self.step + 40);
                self.parks.push(waiting.id.clone());
                let other = ParkedTurn { claim: model, ..waiting.clone() };
                (self.store.turns.park(waiting).await, self.model.turns.park(other).await)
            }
        };
        assert_eq!(shown(&store), shown(&model), "{}: held", self.place);
    }

    async fn claim(&mut self, scope: &Scope, id: &ConversationId) {
        let mut wish = request(id, &self.step.to_string());
        (wish.now, wish.lease_until) = (at(self.step), at(self.step + 20));
        let store = self.store.turns.claim(scope, wish.clone()).await;
        let model = self.model.turns.claim(scope, wish).await;
        self.got(store, model);
    }

    async fn unpark(&mut self, scope: &Scope, id: &ConversationId) {
        let park = self.numbers.pick(&self.parks);
        let until = at(self.step + 20);
        let store = self.store.turns.unpark(scope, id, &park, until).await;
        let model = self.model.turns.unpark(scope, id, &park, until).await;
        self.got(store, model);
    }

    fn got(&mut self, store: Result<Option<Claim>>, model: Result<Option<Claim>>) {
        match (store, model) {
            (Ok(Some(store)), Ok(Some(model))) => {
                let plain = |claim: &Claim| Claim { fence: 0, ..claim.clone() };
                assert_eq!(plain(&store), plain(&model), "{}: claim", self.place);
                self.claims.push((store, model));
            }
            (store, model) => assert_eq!(shown(&store), shown(&model), "{}: claim", self.place),
        }
    }

    async fn journal(&mut self) {
        if self.claims.is_empty() {
            return;
        }
        let (store, model) = self.numbers.pick(&self.claims);
        let entry = JournalEntry {
            call: format!("call {}", self.step),
            tool: "tool".to_owned(),
            outcome: JournalOutcome::Begun,
            at: at(self.step),
        };
        let from_store = self.store.journal.append(&store, entry.clone()).await;
        let from_model = self.model.journal.append(&model, entry).await;
        assert_eq!(shown(&from_store), shown(&from_model), "{}: journal", self.place);
        same!(self, journal.entries(&model.turn));
    }

    async fn knowledge(&mut self) {
        let scope = self.numbers.pick(&self.scopes);
        let id = self.numbers.pick(&LABELS);
        let users = ["ada".to_owned()].into();
        let acl = self.numbers.pick(&[
            AccessList::Public,
            AccessList::Nobody,
            AccessList::Restricted { users, groups: [].into() },
        ]);
        match self.numbers.below(4) {
            0 | 1 => {
                let text = format!("text {}", self.numbers.below(2));
                let chunks = vec![(text.as_str(), [1.0, 0.0, 0.0, 0.0]); self.numbers.below(3)];
                let made = document(&scope, id, acl, &chunks);
                same!(self, knowledge.put(made.clone()));
            }
            2 => same!(self, knowledge.delete(&scope.organization, &id.into())),
            _ => same!(self, knowledge.content_hash(&scope.organization, &id.into())),
        }
        let access = Access::user(scope.organization.clone(), scope.principal.to_string(), [""; 0]);
        same!(self, knowledge.list(&access, None, 2));
        same!(self, knowledge.list(&access, Some(&"a".into()), 2));
        let chunks: Vec<ChunkRef> = LABELS
            .iter()
            .flat_map(|id| (0..3).map(|ordinal| ChunkRef { document: (*id).into(), ordinal }))
            .collect();
        same!(self, knowledge.passages(&access, &chunks));
    }
}
