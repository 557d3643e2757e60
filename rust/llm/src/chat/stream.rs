//! A reply as it comes over HTTP: pulled by whoever reads it, so that a slow reader slows the model, and
//! ended by dropping it.

use crate::chat::reply::{Chunk, Reply};
use crate::failure::{Failure, chain};
use crate::gateway::Inner;
use crate::sse::Decoder;
use bytes::Bytes;
use futures_util::stream;
use reqwest::Response;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use smooai_smooth_operator_core::{LlmError, LlmErrorKind, ModelDelta, ModelStream, Usage};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// The largest event, or unstreamed reply, that is read.
const MAX_EVENT: usize = 8 << 20;

/// After the model has said why it stopped, only the usage may still come; it is not worth more than this.
const TRAILER: Duration = Duration::from_secs(2);

/// A connection whose answer was read to its end can carry the next request; its end follows the last
/// event at once, if the gateway means to send it.
const DRAIN: Duration = Duration::from_millis(10);

/// What an attempt came to.
pub(crate) enum Opened {
    Reply(ModelStream),
    /// The model knows `max_completion_tokens` only: the same request is to be sent in its words.
    Refused(LlmError),
}

/// Sends the request and waits until the reply has begun.
pub(crate) async fn open(
    gateway: Arc<Inner>,
    body: Bytes,
    model: String,
    deadline: Instant,
) -> Result<Opened, Failure> {
    let sent = Instant::now();
    let response = match gateway.send(["chat", "completions"], body, deadline).await {
        Ok(response) => response,
        Err(Failure { error, .. })
            if error.kind == LlmErrorKind::BadRequest && error.detail.contains("max_completion_tokens") =>
        {
            return Ok(Opened::Refused(error));
        }
        Err(failure) => return Err(failure),
    };
    let first_byte = deadline.min(sent + gateway.limits.first_byte);
    let mut incoming = Incoming::new(gateway, response, model, deadline);
    incoming.begin(first_byte).await?;
    Ok(Opened::Reply(Box::pin(stream::unfold(incoming, |mut incoming| async move {
        let delta = incoming.next().await?;
        Some((delta, incoming))
    }))))
}

struct Incoming {
    gateway: Arc<Inner>,
    model: String,
    /// `None` when nothing more is to be read.
    response: Option<Response>,
    /// Not an event stream: the whole body is one reply.
    whole: bool,
    header_cost: Option<f64>,
    decoder: Decoder,
    body: Vec<u8>,
    reply: Option<Reply>,
    has_begun: bool,
    ready: VecDeque<Result<ModelDelta, LlmError>>,
    deadline: Instant,
}

impl Incoming {
    fn new(gateway: Arc<Inner>, response: Response, model: String, deadline: Instant) -> Self {
        let media_type = response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        let whole = media_type.is_some_and(|name| name.starts_with(b"application/json"));
        Self {
            header_cost: header_cost(response.headers()),
            gateway,
            model,
            response: Some(response),
            whole,
            decoder: Decoder::new(MAX_EVENT),
            body: Vec::new(),
            reply: Some(Reply::default()),
            has_begun: false,
            ready: VecDeque::new(),
            deadline,
        }
    }

    /// Reads until the first piece of a reply. Until then a failure may be tried again.
    async fn begin(&mut self, first_byte: Instant) -> Result<(), Failure> {
        let mut until = first_byte;
        while !self.has_begun {
            match self.read(until).await {
                Ok(()) => {}
                Err(failure) if self.has_begun => self.fail(failure),
                Err(mut failure) => {
                    if failure.error.kind == LlmErrorKind::Interrupted {
                        failure.error.kind = LlmErrorKind::Unavailable;
                    }
                    return Err(failure);
                }
            }
            until = self.deadline.min(Instant::now() + self.gateway.limits.idle);
        }
        Ok(())
    }

    async fn next(&mut self) -> Option<Result<ModelDelta, LlmError>> {
        while self.ready.is_empty() && self.response.is_some() {
            let patience = if self.has_finished() { TRAILER } else { self.gateway.limits.idle };
            let until = self.deadline.min(Instant::now() + patience);
            if let Err(failure) = self.read(until).await {
                self.fail(failure);
            }
        }
        self.ready.pop_front()
    }

    fn has_finished(&self) -> bool {
        self.reply.as_ref().is_none_or(Reply::has_finished)
    }

    /// Reads one chunk of the body, or its end.
    async fn read(&mut self, until: Instant) -> Result<(), Failure> {
        let Some(response) = &mut self.response else { return Ok(()) };
        match timeout_at(until, response.chunk()).await {
            Ok(Ok(Some(chunk))) if self.whole => {
                if self.body.len() + chunk.len() > MAX_EVENT {
                    return Err(broken("the reply is too large"));
                }
                self.body.extend_from_slice(&chunk);
                Ok(())
            }
            Ok(Ok(Some(chunk))) => {
                self.decoder.push(&chunk).map_err(|error| broken(error.to_string()))?;
                self.take_events().await
            }
            Ok(Ok(None)) => self.end().await,
            Ok(Err(error)) => Err(broken(chain(&error.without_url()))),
            Err(_) if Instant::now() >= self.deadline => Err(late("the whole reply took too long")),
            Err(_) => Err(late("the gateway stopped sending")),
        }
    }

    async fn take_events(&mut self) -> Result<(), Failure> {
        while let Some(event) = self.decoder.next_event() {
            if event.data.trim() == "[DONE]" {
                self.drain().await;
                self.close();
                return Ok(());
            }
            self.take(event.data.as_bytes())?;
        }
        Ok(())
    }

    fn take(&mut self, data: &[u8]) -> Result<(), Failure> {
        let Some(reply) = &mut self.reply else { return Ok(()) };
        let chunk: Chunk = serde_json::from_slice(data)
            .map_err(|error| broken(format!("the gateway sent a piece that cannot be read: {error}")))?;
        if let Some(error) = &chunk.error {
            return Err(Failure::reported(error, self.gateway.key()));
        }
        self.has_begun = true;
        let ready = &mut self.ready;
        reply
            .take(chunk, &mut |delta| ready.push_back(Ok(delta)))
            .map_err(|_| broken("the reply is larger than any reply should be"))
    }

    /// The body has ended: well, if the model has said why it stopped.
    async fn end(&mut self) -> Result<(), Failure> {
        if self.whole {
            let body = std::mem::take(&mut self.body);
            self.take(&body)?;
            self.close();
            return Ok(());
        }
        self.decoder.finish().map_err(|error| broken(error.to_string()))?;
        self.take_events().await?;
        if self.response.is_some() && !self.has_finished() {
            return Err(broken("the gateway closed the connection in the middle of a reply"));
        }
        self.close();
        Ok(())
    }

    async fn drain(&mut self) {
        if let Some(response) = &mut self.response {
            let rest = async { while let Ok(Some(_)) = response.chunk().await {} };
            // A gateway that keeps the answer open costs the connection, not the reply.
            let _ = timeout(DRAIN, rest).await;
        }
    }

    /// Tells the rest of a whole reply, and lets go of the connection.
    fn close(&mut self) {
        self.response = None;
        self.has_begun = true;
        if let Some(reply) = self.reply.take() {
            let price =
                |usage: &Usage| self.header_cost.or_else(|| self.gateway.prices.cost(&self.model, usage));
            self.ready.extend(reply.close(price).into_iter().map(Ok));
        }
    }

    /// A failure after the reply has begun. It does not matter once the model has said why it stopped;
    /// before, a broken connection means that the reply is only a part.
    fn fail(&mut self, Failure { mut error, .. }: Failure) {
        if self.has_finished() {
            self.close();
            return;
        }
        self.response = None;
        self.reply = None;
        if matches!(error.kind, LlmErrorKind::Unavailable) {
            error.kind = LlmErrorKind::Interrupted;
        }
        self.ready.push_back(Err(error));
    }
}

fn broken(detail: impl Into<String>) -> Failure {
    Failure::passing(LlmErrorKind::Interrupted, detail)
}

fn late(detail: &str) -> Failure {
    Failure::passing(LlmErrorKind::Unavailable, detail)
}

/// The call's price as LiteLLM tells it. When it answers in pieces it does not know the price yet and may
/// say 0, which is no price.
fn header_cost(headers: &HeaderMap) -> Option<f64> {
    let text = headers.get("x-litellm-response-cost")?.to_str().ok()?;
    text.trim().parse().ok().filter(|cost: &f64| cost.is_finite() && *cost > 0.0)
}
