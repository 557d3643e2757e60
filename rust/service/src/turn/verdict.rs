//! Verdicts: a person's answer to a parked turn, taken exactly once.

use super::park::Detail;
use super::{State, Turn};
use crate::actions::Handled;
use crate::caller::Caller;
use crate::error::ServiceError;
use crate::service::{Service, Stop};
use crate::sink::EventSink;
use smooai_smooth_operator_core::Verdict;
use smooai_smooth_operator_protocol::Event;
use smooai_smooth_operator_store::{Claim, ParkReason, ParkedTurn, Session, SessionId};

/// A parked turn as a verdict finds it.
pub(crate) struct Parked {
    pub session: Session,
    pub turn: ParkedTurn,
    pub detail: Detail,
}

impl Parked {
    pub(crate) fn has_expired(&self, service: &Service) -> bool {
        self.turn.expires_at <= service.world.now()
    }
}

impl Service {
    /// The turn of this session that is parked for this reason. `None` as well for a session that is
    /// not the caller's, and for a verdict that names a turn which has ended: it comes late.
    pub(crate) async fn parked(
        &self,
        caller: &Caller,
        session: &str,
        request_id: Option<&str>,
        reason: ParkReason,
    ) -> Result<Option<Parked>, ServiceError> {
        let Some(session) = self.storage.sessions.get(&caller.scope, &SessionId::from(session)).await? else {
            return Ok(None);
        };
        let found = self.storage.turns.parked(&caller.scope, &session.conversation).await?;
        let Some((turn, ended)) = found.filter(|(turn, _)| turn.reason == reason) else {
            return Ok(None);
        };
        let late =
            request_id.is_some_and(|id| id != turn.claim.request_id && ended.iter().any(|old| old == id));
        if late {
            return Ok(None);
        }
        let detail = serde_json::from_value(turn.detail.clone()).map_err(ServiceError::internal)?;
        Ok(Some(Parked { session, turn, detail }))
    }

    /// Takes the park: of all who try, one gets the claim. Nothing is said about it as parked after this.
    pub(crate) async fn take(
        &self,
        caller: &Caller,
        parked: &ParkedTurn,
    ) -> Result<Option<Claim>, ServiceError> {
        let speaking = self.backplane.speaking(&parked.id);
        let _held = match &speaking {
            Some(speaking) => Some(speaking.lock().await),
            None => None,
        };
        let lease_until = self.world.now() + self.settings.lease;
        let claim = self
            .storage
            .turns
            .unpark(&caller.scope, &parked.claim.conversation, &parked.id, lease_until)
            .await?;
        Ok(claim)
    }

    /// Goes on with a turn that was taken: says `first` (the answer to the verdict), then what the
    /// verdict means for the call, then drives.
    pub(crate) async fn resume(
        &self,
        caller: &Caller,
        parked: Parked,
        (claim, verdict): (Claim, Verdict),
        first: Option<Event>,
        sink: &mut dyn EventSink,
    ) -> Handled {
        if let Some(first) = first
            && let Err(closed) = sink.send(first).await
        {
            self.release(&claim).await;
            return Err(closed.into());
        }
        let restored = match State::read(parked.turn.checkpoint) {
            Ok(state) => Turn::restore(self, caller, parked.session, claim.clone(), state).await,
            Err(error) => Err(error),
        };
        let mut turn = match restored {
            Ok(turn) => turn,
            Err(error) => {
                self.end(claim, Stop::Refused(error), sink).await?;
                return Ok(None);
            }
        };
        if let Err(stop) = turn.apply(verdict, sink).await {
            self.end(claim, stop, sink).await?;
            return Ok(None);
        }
        turn.drive(sink).await
    }
}

impl Turn<'_> {
    async fn apply(&mut self, verdict: Verdict, sink: &mut dyn EventSink) -> Result<(), Stop> {
        let run = &mut self.state.checkpoint.run;
        let smooai_smooth_operator_core::Step::Park(park) = run.next() else {
            return Err(ServiceError::internal(std::io::Error::other("the stored run does not wait")).into());
        };
        let result = run.resume(verdict).map_err(ServiceError::internal)?;
        if let Some(result) = result {
            self.stream(sink, |stamp| stamp.tool_result(&park.call().name, &result)).await?;
        }
        Ok(())
    }
}
