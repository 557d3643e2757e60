//! Named latches: a scripted reply stops at one until the test opens it, and the test can wait until
//! the reply has come that far. They stand where a sleep would otherwise stand.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Result;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::bound::within;

/// All gates of one endpoint; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Gates {
    named: Arc<Mutex<HashMap<String, watch::Sender<Gate>>>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Gate {
    arrived: usize,
    open: bool,
}

impl Gates {
    /// Comes to the gate and waits, without a bound, until it is open. An open gate stays open.
    pub async fn pass(&self, name: &str) {
        let sender = self.gate(name);
        sender.send_modify(|gate| gate.arrived += 1);
        let mut state = sender.subscribe();
        // The sender is held by this very function, so that waiting cannot fail.
        let _ = state.wait_for(|gate| gate.open).await;
    }

    /// Opens a gate, for those who wait at it and for all who come later.
    pub fn open(&self, name: &str) {
        self.gate(name).send_modify(|gate| gate.open = true);
    }

    /// Waits until somebody has come to the gate `times` times.
    ///
    /// # Errors
    /// When nobody came within the bound.
    pub async fn arrived(&self, name: &str, times: usize) -> Result<()> {
        let mut state = self.gate(name).subscribe();
        within(&format!("arrival {times} at the gate {name:?}"), async {
            let _ = state.wait_for(|gate| gate.arrived >= times).await;
        })
        .await
    }

    fn gate(&self, name: &str) -> watch::Sender<Gate> {
        self.named.lock().entry(name.to_owned()).or_default().clone()
    }
}
