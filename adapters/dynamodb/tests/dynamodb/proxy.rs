//! A proxy in front of both services that throttles, refuses, hangs, and cuts connections before and after a
//! request has been done. It takes every request on a connection of its own.

use crate::servers::address;
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use smooai_smooth_operator_adapter_dynamodb::sdk;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long an answer that hangs is waited for,
pub const SHORT: Duration = Duration::from_secs(2);
/// and one that must come.
pub const LONG: Duration = Duration::from_secs(20);

/// What is done to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is not forwarded, and the service says that it throttles.
    Throttled,
    /// It is not forwarded, and the service says that something went wrong inside it.
    Broken,
    /// It is not forwarded, and the connection ends.
    CutBefore,
    /// It is done, and the connection ends without an answer.
    CutAfter,
    /// It is done, and no answer ever comes.
    Hangs,
}

pub const ALL: [Fault; 5] =
    [Fault::Throttled, Fault::CutAfter, Fault::Broken, Fault::CutBefore, Fault::Hangs];

/// Which requests are hit.
#[derive(Debug, Clone)]
pub enum Plan {
    /// None.
    Nothing,
    /// Every one whose number can be divided by this, by the faults in turn.
    Every(u64, Vec<Fault>),
    /// So many from now on, by the faults in turn.
    Next(u64, Vec<Fault>),
    /// After so many from now on that pass, all.
    AllAfter(u64, Fault),
}

#[derive(Debug)]
struct State {
    plan: Plan,
    /// Requests that have come, and those that were hit, since the plan was made.
    came: u64,
    hit: u64,
}

impl State {
    fn judge(&mut self) -> Option<Fault> {
        let number = self.came;
        self.came += 1;
        let in_turn = |faults: &[Fault], hit: u64| faults[usize::try_from(hit).unwrap() % faults.len()];
        let fault = match &self.plan {
            Plan::Nothing => None,
            Plan::Every(each, faults) if number % each == each - 1 => Some(in_turn(faults, self.hit)),
            Plan::Next(count, faults) if number < *count => Some(in_turn(faults, self.hit)),
            Plan::AllAfter(passed, fault) if number >= *passed => Some(*fault),
            _ => None,
        };
        self.hit += u64::from(fault.is_some());
        fault
    }
}

/// A running proxy. Dropping it ends it.
pub struct Proxy {
    port: u16,
    state: Arc<Mutex<State>>,
    came: watch::Receiver<u64>,
    _running: JoinSet<()>,
}

/// A request as it came.
struct Request {
    head: String,
    body: Vec<u8>,
}

impl Request {
    fn is_dynamodb(&self) -> bool {
        self.head.contains("DynamoDB_")
    }

    fn is_transaction(&self) -> bool {
        self.head.contains("TransactWriteItems")
    }
}

impl Proxy {
    /// Starts it; nothing is hit yet.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State { plan: Plan::Nothing, came: 0, hit: 0 }));
        let (telling, came) = watch::channel(0);
        let servers = Arc::new([address("TEST_DYNAMODB_URL"), address("TEST_S3VECTORS_URL")]);
        let mut running = JoinSet::new();
        let judging = Arc::clone(&state);
        running.spawn(async move {
            let telling = Arc::new(telling);
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                let (state, telling) = (Arc::clone(&judging), Arc::clone(&telling));
                connections.spawn(serve(client, Arc::clone(&servers), state, telling));
            }
        });
        Self { port, state, came, _running: running }
    }

    /// From now on.
    pub fn plan(&self, plan: Plan) {
        *self.state.lock().unwrap() = State { plan, came: 0, hit: 0 };
    }

    /// How many were hit since the plan was made.
    pub fn hit(&self) -> u64 {
        self.state.lock().unwrap().hit
    }

    /// Waits until so many requests have come since the plan was made.
    pub async fn until_came(&self, count: u64) {
        let mut came = self.came.clone();
        let state = Arc::clone(&self.state);
        let enough = came.wait_for(|_| state.lock().unwrap().came >= count);
        let Ok(Ok(_)) = tokio::time::timeout(Duration::from_secs(60), enough).await else {
            panic!("no {count} requests came")
        };
    }

    /// The SDK as the store uses it, through the proxy, with attempts that are given up after `patience`.
    pub async fn config(&self, attempts: u32, patience: Duration) -> SdkConfig {
        let limits = TimeoutConfig::builder()
            .operation_attempt_timeout(patience)
            .operation_timeout(patience * attempts + Duration::from_secs(30));
        let retries = RetryConfig::standard()
            .with_max_attempts(attempts)
            .with_initial_backoff(Duration::from_millis(5));
        sdk()
            .endpoint_url(format!("http://127.0.0.1:{}", self.port))
            .timeout_config(limits.build())
            .retry_config(retries)
            .load()
            .await
    }
}

async fn serve(
    mut client: TcpStream,
    servers: Arc<[String; 2]>,
    state: Arc<Mutex<State>>,
    telling: Arc<watch::Sender<u64>>,
) {
    let Some(request) = receive(&mut client).await else { return };
    let fault = state.lock().unwrap().judge();
    telling.send_modify(|came| *came += 1);
    match fault {
        None => {
            let answer = forward(&servers, &request).await;
            // A client that has gone away by itself is no matter of this test.
            let _gone = client.write_all(&answer).await;
        }
        Some(Fault::Throttled) => {
            let _gone = client.write_all(throttling(&request).as_bytes()).await;
        }
        Some(Fault::Broken) => {
            let error = answer(&request, 500, "InternalServerError", "");
            let _gone = client.write_all(error.as_bytes()).await;
        }
        Some(Fault::CutBefore) => {}
        Some(Fault::CutAfter) => {
            forward(&servers, &request).await;
        }
        Some(Fault::Hangs) => {
            forward(&servers, &request).await;
            // Until the client has had enough.
            let _end = client.read(&mut [0]).await;
        }
    }
}

async fn receive(client: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let end = loop {
        if client.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let mut body = bytes.split_off(end);
    let head = String::from_utf8(bytes).unwrap();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
    });
    while body.len() < length.unwrap_or_default() {
        if client.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(Request { head, body })
}

async fn forward(servers: &[String; 2], request: &Request) -> Vec<u8> {
    let server = &servers[usize::from(!request.is_dynamodb())];
    let mut server = TcpStream::connect(server).await.unwrap();
    let (first, rest) = request.head.split_once("\r\n").unwrap();
    server.write_all(format!("{first}\r\nConnection: close\r\n{rest}").as_bytes()).await.unwrap();
    server.write_all(&request.body).await.unwrap();
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await.unwrap();
    answer
}

/// What a service says when it throttles: a transaction is cancelled by it.
fn throttling(request: &Request) -> String {
    if request.is_transaction() {
        let reasons = r#","CancellationReasons":[{"Code":"ThrottlingError","Message":"throttled"}]"#;
        return answer(request, 400, "TransactionCanceledException", reasons);
    }
    match request.is_dynamodb() {
        true => answer(request, 400, "ProvisionedThroughputExceededException", ""),
        false => answer(request, 429, "TooManyRequestsException", ""),
    }
}

fn answer(request: &Request, status: u16, error: &str, more: &str) -> String {
    let kind = match request.is_dynamodb() {
        true => format!("com.amazonaws.dynamodb.v20120810#{error}"),
        false => error.to_owned(),
    };
    let body = format!(r#"{{"__type":"{kind}","message":"by the test"{more}}}"#);
    format!(
        "HTTP/1.1 {status} Status\r\nConnection: close\r\nContent-Type: application/x-amz-json-1.0\r\n\
         x-amzn-ErrorType: {error}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
