//! Parking: the turn becomes data, then its client is told what is awaited. Approval, one-time code
//! and form are one mechanism with three reasons.

use super::{State, Turn, Watch};
use crate::agents::destinations;
use crate::error::ServiceError;
use crate::seams::CodeDelivery;
use crate::service::Stop;
use crate::sink::EventSink;
use crate::wire::{describe, mask};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use smooai_smooth_operator_core::{Park, ToolCall};
use smooai_smooth_operator_protocol::ErrorCode;
use smooai_smooth_operator_store::{ParkId, ParkReason, ParkedTurn};
use subtle::ConstantTimeEq;

/// What a park is judged by, beside its checkpoint.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "awaits")]
pub(crate) enum Detail {
    /// A yes or no.
    Approval,
    /// The code with this hash.
    Code {
        /// See [`code_hash`].
        hash: String,
    },
    /// The form's values.
    Values {
        /// The kind of form.
        kind: String,
        /// What was asked.
        spec: serde_json::Value,
    },
}

impl Turn<'_> {
    /// Stores the turn as parked and tells its client; `call` is shown after that.
    pub(super) async fn park(
        &mut self,
        park: Park,
        call: Option<ToolCall>,
        sink: &mut dyn EventSink,
    ) -> Result<Watch, Stop> {
        let service = self.service;
        let id = ParkId::new(service.world.uuid());
        let settings = &service.settings;
        let otp = settings.otp;
        let (reason, lifetime, attempts_remaining) = match &park {
            Park::Approval(_) => (ParkReason::Approval, settings.park_lifetime, 0),
            Park::Interaction(..) => (ParkReason::Interaction, settings.park_lifetime, 0),
            Park::Verification(..) => (ParkReason::Verification, otp.lifetime, otp.attempts),
        };
        let code = format!("{:06}", service.world.code());
        let detail = match &park {
            Park::Approval(_) => Detail::Approval,
            Park::Verification(..) => Detail::Code { hash: code_hash(&id, &code) },
            Park::Interaction(_, form) => Detail::Values { kind: form.kind.clone(), spec: form.spec.clone() },
        };
        self.state.findings = self.evidence.findings();
        let parked = ParkedTurn {
            id,
            claim: self.claim.clone(),
            session: self.session.id.clone(),
            reason,
            detail: serde_json::to_value(detail).map_err(ServiceError::internal)?,
            checkpoint: serde_json::to_value(&self.state).map_err(ServiceError::internal)?,
            attempts_remaining,
            expires_at: service.world.now() + lifetime,
        };
        // Watched before it is stored and told, so that no verdict or cancel can come in between, and
        // speaking until all is told, so that nothing of the park is said after its end.
        let watch = Watch::new(&service.backplane, self.caller, &parked);
        let speaking = watch.speaking();
        let _speaking = speaking.lock().await;
        let park_id = parked.id.clone();
        service.storage.turns.park(parked).await?;
        match &park {
            Park::Approval(call) => sink.send(self.stamp().write_confirmation_required(call)).await?,
            Park::Interaction(_, form) => {
                sink.send(self.stamp().interaction_required(park_id.as_str(), form)).await?;
            }
            Park::Verification(call, challenge) => {
                sink.send(self.stamp().otp_verification_required(call, challenge)).await?;
                self.send_code(call, code, sink).await?;
            }
        }
        if let Some(call) = call {
            self.stream(sink, |stamp| stamp.tool_call(&call)).await?;
        }
        Ok(watch)
    }

    async fn send_code(&self, call: &ToolCall, code: String, sink: &mut dyn EventSink) -> Result<(), Stop> {
        let failed = |why: &str| {
            tracing::warn!(request_id = self.claim.request_id, why, "a one-time code was not sent");
            ServiceError::new(
                ErrorCode::OtpSendFailed,
                "The one-time code could not be sent, so the action was not done. Try again in a moment.",
            )
        };
        let Some(sender) = &self.service.codes else {
            return Err(failed("no [otp] url is configured").into());
        };
        let Some((channel, destination)) = destinations(self.caller, &self.session).into_iter().next() else {
            return Err(failed("no destination is known").into());
        };
        let masked = mask(&channel, &destination);
        let delivery = CodeDelivery {
            channel: channel.clone(),
            destination,
            code,
            purpose: describe(call),
            session: self.session.id.clone(),
            lifetime_seconds: self.service.settings.otp.lifetime.as_secs(),
        };
        sender.send(delivery).await.map_err(|error| failed(&error.to_string()))?;
        Ok(sink.send(self.stamp().otp_sent(&channel, masked)).await?)
    }
}

/// SHA-256 over the park's id and the code, in hex: the same code has another hash in every park.
fn code_hash(park: &ParkId, code: &str) -> String {
    let digest = Sha256::digest(format!("{park}:{code}"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether the code is the awaited one, in constant time.
pub(crate) fn code_matches(park: &ParkId, code: &str, hash: &str) -> bool {
    code_hash(park, code.trim()).as_bytes().ct_eq(hash.as_bytes()).into()
}

impl State {
    pub(super) fn read(checkpoint: serde_json::Value) -> Result<Self, ServiceError> {
        serde_json::from_value(checkpoint).map_err(ServiceError::internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_fits_its_own_park_only() {
        let (one, other) = (ParkId::from("one"), ParkId::from("other"));
        let hash = code_hash(&one, "012345");
        assert!(code_matches(&one, " 012345 ", &hash));
        assert!(!code_matches(&one, "012346", &hash));
        assert!(!code_matches(&other, "012345", &hash));
        assert!(!hash.contains("012345"));
    }
}
