//! `verify_otp`: a person's one-time code. Every try is counted before it is compared.

use super::Handled;
use crate::caller::Caller;
use crate::service::Service;
use crate::sink::EventSink;
use crate::turn::{Detail, code_matches};
use smooai_smooth_operator_core::Verdict;
use smooai_smooth_operator_protocol::{OtpError, VerifyOtpParams};
use smooai_smooth_operator_store::ParkReason;

pub(super) async fn verify_otp(
    service: &Service,
    caller: &Caller,
    params: VerifyOtpParams,
    sink: &mut dyn EventSink,
) -> Handled {
    let VerifyOtpParams { request_id, session_id, code } = params;
    let invalid = |error, left| service.stamp(&request_id).otp_invalid(error, left);
    let parked = service.parked(caller, &session_id, Some(&request_id), ParkReason::Verification).await?;
    let Some(parked) = parked else {
        sink.send(invalid(OtpError::NotFound, 0)).await?;
        return Ok(None);
    };
    if parked.has_expired(service) {
        let told = invalid(OtpError::Expired, 0);
        return service.go_on_unanswered(caller, parked, Some(told), sink).await;
    }
    let turns = &service.storage.turns;
    let left = turns.spend_attempt(&caller.scope, &parked.turn.claim.conversation, &parked.turn.id).await?;
    let Some(left) = left else {
        sink.send(invalid(OtpError::NotFound, 0)).await?;
        return Ok(None);
    };
    let right = matches!(&parked.detail, Detail::Code { hash } if code_matches(&parked.turn.id, &code, hash));
    if !right && left > 0 {
        sink.send(invalid(OtpError::InvalidCode, left)).await?;
        return Ok(None);
    }
    let Some(claim) = service.take(caller, &parked.turn).await? else {
        sink.send(invalid(OtpError::NotFound, 0)).await?;
        return Ok(None);
    };
    let (verdict, first) = if right {
        (Verdict::Verified, service.stamp(&request_id).otp_verified())
    } else {
        (Verdict::Locked, invalid(OtpError::MaxAttempts, 0))
    };
    service.resume(caller, parked, (claim, verdict), Some(first), sink).await
}
