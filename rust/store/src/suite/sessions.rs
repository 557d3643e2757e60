//! What is promised of sessions.

use super::records::{HOSTILE, at, conversation, scope, session};
use crate::{Activity, Contact, StorageAdapter};

pub(super) async fn a_session_is_read_back_by_its_scope_only(store: StorageAdapter) {
    let ada = scope("session", "ada");
    let of = conversation(&ada, "c");
    let mut full = session(&of, "full");
    full.agent_name = HOSTILE.concat();
    full.supports = HOSTILE.iter().map(|text| (*text).to_owned()).collect();
    full.contact = Contact {
        name: Some(String::new()),
        email: Some("a'@example.com".to_owned()),
        phone: Some("+15550100".to_owned()),
    };
    let mut bare = session(&of, "bare");
    bare.supports = Vec::new();
    bare.verified_user = None;
    bare.contact = Contact::default();
    bare.metadata = None;
    for made in [full, bare] {
        store.sessions.create(made.clone()).await.unwrap();
        assert_eq!(store.sessions.get(&ada, &made.id).await.unwrap().as_ref(), Some(&made));
        for other in [scope("session", "bob"), scope("elsewhere", "ada")] {
            assert_eq!(store.sessions.get(&other, &made.id).await.unwrap(), None);
            let contact = Contact { name: Some("Mallory".to_owned()), ..Contact::default() };
            store.sessions.identify(&other, &made.id, contact).await.unwrap();
            let activity = Activity { now: at(9), tokens: 9, messages: 9 };
            store.sessions.record(&other, &made.id, activity).await.unwrap();
        }
        assert_eq!(store.sessions.get(&ada, &made.id).await.unwrap(), Some(made));
    }
    assert_eq!(store.sessions.get(&ada, &"unknown".into()).await.unwrap(), None);
}

pub(super) async fn activity_and_contact_are_added_up(store: StorageAdapter) {
    let ada = scope("activity", "ada");
    let made = session(&conversation(&ada, "c"), "s");
    store.sessions.create(made.clone()).await.unwrap();
    for n in 1..=3 {
        let activity = Activity { now: at(n), tokens: 100, messages: 2 };
        store.sessions.record(&ada, &made.id, activity).await.unwrap();
    }
    let email = Contact { email: Some("a@example.com".to_owned()), ..Contact::default() };
    store.sessions.identify(&ada, &made.id, email).await.unwrap();
    let phone = Contact { phone: Some("+15550100".to_owned()), ..Contact::default() };
    store.sessions.identify(&ada, &made.id, phone).await.unwrap();
    let got = store.sessions.get(&ada, &made.id).await.unwrap().unwrap();
    assert_eq!((got.token_count, got.message_count, got.last_activity_at), (300, 6, at(3)));
    assert_eq!(got.contact.name, made.contact.name);
    assert_eq!(got.contact.email.as_deref(), Some("a@example.com"));
    assert_eq!(got.contact.phone.as_deref(), Some("+15550100"));
}
