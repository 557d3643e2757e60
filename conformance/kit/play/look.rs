//! What has come, looked at: on the wire, and as the client tells it.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use smooai_smooth_operator_conformance_driver::{ErrorKind, ErrorSeen, Report};

use super::{Cell, expect_error};
use crate::fault::Side;
use crate::pattern::{equal, fill, fill_string, fits};
use crate::proxy::Frame;
use crate::step::{Decode, Wire};
use crate::witness;

impl Cell<'_> {
    /// An error that is the server's has come over the wire.
    pub(super) fn same_error(&self, error: &ErrorSeen) -> Result<()> {
        let is_servers = error.kind == ErrorKind::Server;
        if !is_servers || error.code == "INTERACTION_INVALID" {
            return Ok(());
        }
        self.proxy.look(|seen| {
            let mut errors = seen
                .frames
                .iter()
                .filter(|frame| frame.from == Side::Server && frame.json["type"] == "error");
            let found = errors.any(|frame| witness::same_error(error, &frame.json).is_ok());
            if found { Ok(()) } else { bail!("no such error came over the wire: {error:?}") }
        })
    }

    /// A caller that only iterates sees an error of the server as an event.
    pub(super) fn error_event(&self, name: &str, wanted: &Value) -> Result<()> {
        let last = self.driver.look(|book| book.turns.get(name)?.events.last().cloned());
        let (event, _) = last.context("the turn had no event")?;
        match wanted["kind"].as_str() {
            Some("cancelled") => ensure!(event["type"] == "cancelled", "the last event is {event}"),
            _ => fits(&json!({ "code": wanted["code"] }), &event["error"])?,
        }
        Ok(())
    }

    /// The same lines, seen by the client and by the proxy.
    pub(super) fn lines(&self, name: &str, expected: &[String]) -> Result<()> {
        let expected: Vec<String> =
            expected.iter().map(|line| fill_string(line, &self.captured)).collect::<Result<_>>()?;
        let seen = self.driver.look(|book| book.turns.get(name).cloned()).unwrap_or_default();
        let request =
            seen.request.clone().or_else(|| self.request(name)).context("the turn has no requestId")?;
        let wire = self.proxy.look(|seen| witness::events_of(&request, &seen.frames));
        let wire = witness::lines(&wire);
        ensure!(wire == expected, "on the wire: {wire:#?}\nexpected: {expected:#?}");
        if !seen.events.is_empty() {
            let told: Vec<Value> = seen.events.into_iter().map(|(event, _)| event).collect();
            let told = witness::lines(&told);
            ensure!(told == expected, "told by the client: {told:#?}\nexpected: {expected:#?}");
        }
        Ok(())
    }

    /// The requestId of a turn by the driver's name for it.
    pub(super) fn request(&self, own: &str) -> Option<String> {
        let name = own.strip_suffix(&format!("-{}", self.terms.nonce))?;
        self.captured.get(name)?["requestId"].as_str().map(str::to_owned)
    }

    /// What went over the wire, so many times.
    pub(super) async fn wire(&mut self, wire: &Wire) -> Result<()> {
        let expected = fill(&wire.frame, &self.captured)?;
        let count = |frames: &[Frame]| {
            let own = frames.iter().filter(|frame| frame.from == wire.from);
            own.filter(|frame| fits(&expected, &frame.json).is_ok()).count()
        };
        self.until(&format!("{} frames like {expected}", wire.times), |seen| {
            count(&seen.frames) >= wire.times
        })
        .await?;
        let found = self.proxy.look(|seen| count(&seen.frames));
        ensure!(found == wire.times, "{found} frames like {expected}, not {}", wire.times);
        Ok(())
    }

    /// What the client's generated code makes of a frame.
    pub(super) async fn decode(&mut self, decode: &Decode) -> Result<()> {
        let frame = fill(&decode.frame, &self.captured)?;
        let text = frame.as_str().map_or_else(|| frame.to_string(), str::to_owned);
        let id = self.send(json!({ "do": "decode", "text": text })).await?;
        match (self.report(id, "decode").await?, &decode.refused_at) {
            (Report::Replied(replied), None) => {
                ensure!(equal(&replied.reply, &frame), "{frame} became {}", replied.reply);
                Ok(())
            }
            (Report::Failed(failed), Some(pointer)) => {
                expect_error(&json!({ "kind": "invalid", "field": pointer }), &failed.error)
            }
            (other, _) => bail!("the frame {frame} was answered by {other:?}"),
        }
    }
}
