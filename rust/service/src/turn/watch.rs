//! Watching a parked turn for its client: keepalives, and the end of the wait when nobody answers.

use super::Parked;
use crate::actions::Handled;
use crate::backplane::{Backplane, WatchGuard};
use crate::caller::Caller;
use crate::error::ServiceError;
use crate::service::{Service, Stop};
use crate::sink::{Closed, EventSink};
use jiff::Timestamp;
use smooai_smooth_operator_core::Verdict;
use smooai_smooth_operator_protocol::{Event, OtpError};
use smooai_smooth_operator_store::{ConversationId, ParkId, ParkReason, ParkedTurn};
use std::sync::Arc;

/// A parked turn whose client is still there. The turn itself is in the store and needs no watch.
pub struct Watch {
    park: ParkId,
    conversation: ConversationId,
    request_id: String,
    expires_at: Timestamp,
    guard: WatchGuard,
}

impl Watch {
    pub(super) fn new(backplane: &Arc<Backplane>, caller: &Caller, parked: &ParkedTurn) -> Self {
        Self {
            park: parked.id.clone(),
            conversation: parked.claim.conversation.clone(),
            request_id: parked.claim.request_id.clone(),
            expires_at: parked.expires_at,
            guard: backplane.watch(caller, parked),
        }
    }

    /// Held while something is said about the parked turn.
    pub(super) fn speaking(&self) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(&self.guard.speaking)
    }
}

/// A parked turn that nobody answered in time.
pub struct Unanswered(ParkedTurn);

impl Service {
    /// Stays with a parked turn: says keepalives until it is taken up elsewhere (`None`) or its park
    /// expires. May be dropped at any time.
    ///
    /// # Errors
    /// [`Closed`] when the caller is gone.
    pub async fn wait(
        &self,
        caller: &Caller,
        watch: &Watch,
        sink: &mut dyn EventSink,
    ) -> Result<Option<Unanswered>, Closed> {
        loop {
            tokio::time::sleep(self.time_until(watch.expires_at).min(self.settings.keepalive)).await;
            let _speaking = watch.guard.speaking.lock().await;
            match self.storage.turns.parked(&caller.scope, &watch.conversation).await {
                Err(error) => {
                    tracing::warn!(%error, request_id = watch.request_id, "a parked turn could not be looked up");
                }
                Ok(Some((parked, _))) if parked.id == watch.park => {
                    if parked.expires_at <= self.world.now() {
                        return Ok(Some(Unanswered(parked)));
                    }
                    sink.send(self.stamp(&watch.request_id).keepalive()).await?;
                }
                Ok(_) => return Ok(None),
            }
        }
    }

    /// Goes on with a turn that nobody answered in time; it may park again.
    ///
    /// # Errors
    /// [`Closed`] when the caller is gone.
    pub async fn expire(
        &self,
        caller: &Caller,
        Unanswered(parked): Unanswered,
        sink: &mut dyn EventSink,
    ) -> Result<Option<Watch>, Closed> {
        let request_id = parked.claim.request_id.clone();
        match self.go_on_without(caller, parked, sink).await {
            Ok(next) => Ok(next),
            Err(Stop::Closed) => Err(Closed),
            Err(Stop::Refused(error)) => {
                sink.send(self.error(error, Some(request_id))).await?;
                Ok(None)
            }
        }
    }

    async fn go_on_without(&self, caller: &Caller, parked: ParkedTurn, sink: &mut dyn EventSink) -> Handled {
        let Some(session) = self.storage.sessions.get(&caller.scope, &parked.session).await? else {
            return Ok(None);
        };
        let detail = serde_json::from_value(parked.detail.clone()).map_err(ServiceError::internal)?;
        let told = (parked.reason == ParkReason::Verification)
            .then(|| self.stamp(&parked.claim.request_id).otp_invalid(OtpError::Expired, 0));
        self.go_on_unanswered(caller, Parked { session, turn: parked, detail }, told, sink).await
    }

    /// Goes on with a turn that nobody answered in time, after telling so.
    pub(crate) async fn go_on_unanswered(
        &self,
        caller: &Caller,
        parked: Parked,
        told: Option<Event>,
        sink: &mut dyn EventSink,
    ) -> Handled {
        match self.take(caller, &parked.turn).await? {
            Some(claim) => self.resume(caller, parked, (claim, Verdict::Expired), told, sink).await,
            None => Ok(None),
        }
    }
}
