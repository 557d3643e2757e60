//! How often a call waits for the server, counted on the wire.

use crate::database::{in_database, store};
use crate::records::{at, conversation, document, message, scope, session};
use smooai_smooth_operator_store::{
    Access, AccessList, Activity, ChunkRef, ClaimRequest, Page, StorageAdapter,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use url::Url;

/// A relay in front of the server that counts how often the client sent something and then waited.
struct Relay {
    port: u16,
    waits: Arc<AtomicU64>,
    _running: JoinSet<()>,
}

impl Relay {
    async fn start(server: &Url) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let waits = Arc::new(AtomicU64::new(0));
        let target = format!("{}:{}", server.host_str().unwrap(), server.port().unwrap_or(5432));
        let mut running = JoinSet::new();
        let counted = Arc::clone(&waits);
        running.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&target).await.unwrap();
                connections.spawn(relay(client, server, Arc::clone(&counted)));
            }
        });
        Self { port, waits, _running: running }
    }

    fn waits(&self) -> u64 {
        self.waits.load(Ordering::SeqCst)
    }
}

async fn relay(mut client: TcpStream, mut server: TcpStream, waits: Arc<AtomicU64>) {
    let (mut sent, mut came) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut client_spoke_last = false;
    loop {
        tokio::select! {
            read = client.read(&mut sent) => {
                let Ok(size @ 1..) = read else { return };
                if !client_spoke_last {
                    client_spoke_last = true;
                    waits.fetch_add(1, Ordering::SeqCst);
                }
                if server.write_all(&sent[..size]).await.is_err() { return }
            }
            read = server.read(&mut came) => {
                let Ok(size @ 1..) = read else { return };
                client_spoke_last = false;
                if client.write_all(&came[..size]).await.is_err() { return }
            }
        }
    }
}

/// So many turns are counted together.
const TURNS: i64 = 5;

/// What the service asks of its store for a turn with one search, with the name of each call.
async fn turn(store: &StorageAdapter, n: i64, mut told: impl FnMut(&str)) {
    let ada = scope("north", "ada");
    let of = conversation(&ada, "c");
    let held = session(&of);
    let request = ClaimRequest {
        conversation: of.id.clone(),
        turn: format!("turn {n}").into(),
        request_id: "r".to_owned(),
        now: at(n),
        lease_until: at(n + 60),
    };
    store.sessions.get(&ada, &held.id).await.unwrap().unwrap();
    told("sessions.get");
    let claim = store.turns.claim(&ada, request).await.unwrap().unwrap();
    told("turns.claim");
    store.messages.append(&ada, message(&of, 2 * n)).await.unwrap();
    told("messages.append");
    store.conversations.get(&ada, &of.id).await.unwrap().unwrap();
    told("conversations.get");
    store.messages.page(&ada, &of.id, Page { limit: 50, before: None }).await.unwrap();
    told("messages.page");
    let access = Access::public("north");
    let found = store.knowledge.keyword(&access, "parcel", 10).await.unwrap();
    told("knowledge.keyword");
    store.knowledge.dense(&access, &[1.0, 0.0], 10).await.unwrap();
    told("knowledge.dense");
    let chunks: Vec<ChunkRef> = found.into_iter().map(|hit| hit.chunk).collect();
    store.knowledge.passages(&access, &chunks).await.unwrap();
    told("knowledge.passages");
    store.messages.append(&ada, message(&of, 2 * n + 1)).await.unwrap();
    told("messages.append");
    store.sessions.record(&ada, &held.id, Activity { now: at(n), tokens: 9, messages: 2 }).await.unwrap();
    told("sessions.record");
    store.turns.release(&claim).await.unwrap();
    told("turns.release");
}

#[tokio::test]
#[ignore = "needs a Postgres server"]
async fn a_turn_waits_for_the_server_as_often_as_the_documentation_says() {
    in_database(async |database| {
        let relay = Relay::start(&database.url()).await;
        let mut url = database.with("pool_size", "1");
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(relay.port)).unwrap();
        let store = store(&url).await;
        let ada = scope("north", "ada");
        let made = store.conversations.create(conversation(&ada, "c")).await.unwrap();
        store.sessions.create(session(&made)).await.unwrap();
        store.knowledge.put(document("north", "d", AccessList::Public, "parcel", &[1.0, 0.0])).await.unwrap();
        // The first turns prepare the statements.
        for n in 0..3 {
            turn(&store, n, |_| {}).await;
        }
        let start = relay.waits();
        let mut calls = 0;
        for n in 3..3 + TURNS {
            turn(&store, n, |_| calls += 1).await;
        }
        let waits = relay.waits() - start;
        println!("{calls} calls, {waits} waits");
        assert_eq!(calls, 11 * TURNS);
        // For a turn six reads at 2, five writes at 3, and one for each to give its connection back. The last of
        // these may have been under way when the count began, and when it ended.
        let turns = u64::try_from(TURNS).unwrap();
        assert!((38 * turns - 1..=38 * turns + 1).contains(&waits), "{waits}");
    })
    .await;
}
