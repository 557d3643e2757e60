//! The end of a scenario: what must hold in every one, and the trace that it leaves.

use anyhow::anyhow;
use serde_json::json;

use super::Cell;
use crate::fault::Side;
use crate::pattern::{equal, shortened};
use crate::proxy::Frame;
use crate::{around, witness};

impl Cell<'_> {
    /// What must hold at the end of every scenario.
    pub(super) async fn end(&mut self) {
        for client in std::mem::take(&mut self.open) {
            let command = json!({ "do": "close", "client": client });
            let closed = match self.send(command).await {
                Ok(id) => self.report(id, "close").await.map(|_| ()),
                Err(error) => Err(error),
            };
            if closed.is_err() {
                self.checks.check("close", closed);
                break;
            }
        }
        let frames = self.proxy.look(|seen| seen.frames.clone());
        for place in 0..frames.len() {
            if let Err(error) = witness::frame(&frames, place) {
                self.checks.check("schema", Err(error));
            }
        }
        self.checks.check("order", witness::turns(&frames));
        let (turns, odd) = self.driver.look(|book| (book.turns.clone(), book.odd.clone()));
        let mut told = std::mem::take(&mut self.replies);
        for (own, mut seen) in turns {
            seen.request = self.request(&own);
            let name = own.split('-').next().unwrap_or_default().to_owned();
            let reading = self.reading.get(&name).cloned().unwrap_or_default();
            let agreed = witness::agreement(&name, &seen, &frames, &reading);
            self.checks.check("agreement", agreed);
            seen.events.iter().for_each(|(event, _)| told.push_str(&event.to_string()));
            for ended in &seen.ended {
                told.push_str(&format!("{:?} {:?}", ended.text, ended.result));
            }
        }
        let odd = if odd.is_empty() { Ok(()) } else { Err(anyhow!("the driver said: {odd:?}")) };
        self.checks.check("driver", odd);
        self.strays(&frames);
        self.gateway(&told);
    }

    /// What the client delivered outside of all calls and turns did come, and belongs to none. What a client of
    /// the scenario before tells late is no matter of this one.
    fn strays(&mut self, frames: &[Frame]) {
        let (stray, own) = (self.driver.look(|book| book.stray.clone()), self.own(""));
        for (_, event) in stray.into_iter().filter(|(client, _)| client.ends_with(&own)) {
            let came = frames.iter().any(|frame| frame.from == Side::Server && equal(&frame.json, &event));
            let result = if came { Ok(()) } else { Err(anyhow!("{event} was delivered and never came")) };
            self.checks.check("stray", result);
        }
    }

    /// The model was asked what the script has, and what it said has come back typed.
    fn gateway(&mut self, told: &str) {
        self.checks.check("gateway", around::as_scripted(self.lane, self.scenario));
        if self.scenario.has_nonce() {
            let found = told.contains(&self.terms.nonce);
            let result =
                if found { Ok(()) } else { Err(anyhow!("the nonce {} did not come back", self.terms.nonce)) };
            self.checks.check("nonce", result);
        }
    }

    /// Everything that was done and seen.
    pub(super) fn told(&self) -> String {
        let mut text = self.trace.clone();
        text.push_str("\nframes:\n");
        self.proxy.look(|seen| {
            for frame in &seen.frames {
                let arrow = if frame.from == Side::Client { ">" } else { "<" };
                let note = match (&frame.sent, &frame.delivered) {
                    (None, _) => " (by the proxy)",
                    (_, None) => " (not delivered)",
                    (Some(sent), Some(delivered)) if sent != delivered => " (rewritten)",
                    _ => "",
                };
                let json = shortened(&frame.json);
                text.push_str(&format!("{} {arrow}{note} {json}\n", frame.connection));
            }
            for handshake in &seen.handshakes {
                text.push_str(&format!("handshake: {}\n", handshake.status));
            }
        });
        text.push_str("\nfailures:\n");
        for failure in &self.checks.failures {
            text.push_str(&format!("[{}] {}\n", failure.check, failure.what));
        }
        let log = self.driver.log();
        let from = (0..=log.len().saturating_sub(4000)).rev().find(|place| log.is_char_boundary(*place));
        text.push_str(&format!("\nthe driver's log:\n{}\n", &log[from.unwrap_or(0)..]));
        if let Ok(running) = self.lane.running(&self.server) {
            let log = running.log();
            let from = (0..=log.len().saturating_sub(4000)).rev().find(|place| log.is_char_boundary(*place));
            text.push_str(&format!("\nthe server's log:\n{}\n", &log[from.unwrap_or(0)..]));
        }
        text
    }
}
