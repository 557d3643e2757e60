//! A real HTTP server on a free port that answers each request with the next script: bytes as they are
//! written here, with waits and broken connections between them.

use futures_util::future::BoxFuture;
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// A step of an answer.
pub enum Act {
    /// Writes these bytes.
    Send(Vec<u8>),
    /// Writes what this makes of the request's body.
    Answer(fn(&Value) -> Vec<u8>),
    /// Waits until the test says go.
    Wait(Arc<Notify>),
    /// Closes the connection.
    Close,
    /// Says nothing until the other side closes the connection, then tells the test.
    AwaitClose(Arc<Notify>),
}

/// A request as it arrived.
#[derive(Debug)]
pub struct Request {
    pub path: String,
    pub headers: HashMap<String, String>,
    pub body: Value,
    /// Which connection carried it, counted from 0.
    pub connection: usize,
}

pub struct Server {
    pub url: String,
    requests: mpsc::Receiver<Request>,
    _accepting: JoinSet<()>,
}

type Scripts = Arc<Mutex<VecDeque<Vec<Act>>>>;

impl Server {
    pub async fn start(scripts: Vec<Vec<Act>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let (tell, requests) = mpsc::channel(64);
        let scripts: Scripts = Arc::new(Mutex::new(scripts.into()));
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            for connection in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(serve(stream, connection, Arc::clone(&scripts), tell.clone()));
            }
        });
        Self { url, requests, _accepting: accepting }
    }

    /// The next request; a test that waits for one that never comes fails.
    pub async fn request(&mut self) -> Request {
        within(self.requests.recv()).await.expect("the server runs")
    }

    /// How many more requests have come.
    pub fn further_requests(&mut self) -> usize {
        std::iter::from_fn(|| self.requests.try_recv().ok()).count()
    }
}

/// Waits with the bound that every wait of a test has.
pub async fn within<T>(wait: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), wait).await.expect("in time")
}

async fn serve(stream: TcpStream, connection: usize, scripts: Scripts, tell: mpsc::Sender<Request>) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read_request(&mut stream, connection).await {
        let body = request.body.clone();
        if tell.send(request).await.is_err() {
            return;
        }
        let Some(script) = scripts.lock().unwrap().pop_front() else { return };
        for act in script {
            let bytes = match act {
                Act::Send(bytes) => bytes,
                Act::Answer(answer) => answer(&body),
                Act::Wait(go) => {
                    go.notified().await;
                    continue;
                }
                Act::Close => return,
                Act::AwaitClose(closed) => {
                    let mut rest = [0; 64];
                    while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
                    closed.notify_one();
                    return;
                }
            };
            if stream.write_all(&bytes).await.is_err() {
                return;
            }
            stream.flush().await.unwrap();
        }
    }
}

fn read_request(stream: &mut BufReader<TcpStream>, connection: usize) -> BoxFuture<'_, Option<Request>> {
    Box::pin(async move {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
        let path = line.split(' ').nth(1)?.to_owned();
        let mut headers = HashMap::new();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.ok()?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.insert(name.to_lowercase(), value.to_owned());
        }
        let length = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.ok()?;
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Some(Request { path, headers, body, connection })
    })
}

/// The head of an event stream, whose body comes in HTTP chunks.
pub fn stream_head(headers: &str) -> Act {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n";
    Act::Send(format!("{head}{headers}\r\n").into_bytes())
}

/// One HTTP chunk.
pub fn chunk(bytes: impl AsRef<[u8]>) -> Act {
    let bytes = bytes.as_ref();
    let mut framed = format!("{:x}\r\n", bytes.len()).into_bytes();
    framed.extend_from_slice(bytes);
    framed.extend_from_slice(b"\r\n");
    Act::Send(framed)
}

/// The last HTTP chunk.
pub fn end() -> Act {
    Act::Send(b"0\r\n\r\n".to_vec())
}

/// An answer that is no stream.
pub fn plain(status: &str, headers: &str, body: &str) -> Vec<Act> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
    vec![Act::Send(format!("{head}{body}").into_bytes())]
}

/// A whole, good event stream of these `data` lines.
pub fn reply(data: &[&str]) -> Vec<Act> {
    let events: String = data.iter().map(|data| format!("data: {data}\n\n")).collect();
    // In one write: a client that has read the last event waits but a moment for the answer's end.
    let (Act::Send(mut bytes), Act::Send(end)) = (chunk(events), end()) else {
        unreachable!("both are sent")
    };
    bytes.extend_from_slice(&end);
    vec![stream_head(""), Act::Send(bytes)]
}
