//! `submit_interaction`: a person's answer to a form, or the wish not to give one.

use super::Handled;
use crate::caller::Caller;
use crate::error::ServiceError;
use crate::forms::{FormKind, contact};
use crate::service::Service;
use crate::sink::EventSink;
use crate::turn::{Detail, Parked};
use crate::wire;
use serde_json::{Map, Value};
use smooai_smooth_operator_core::Verdict;
use smooai_smooth_operator_protocol::{ErrorCode, SubmitInteractionParams, SubmitInteractionReply};
use smooai_smooth_operator_store::ParkReason;

pub(super) async fn submit_interaction(
    service: &Service,
    caller: &Caller,
    params: SubmitInteractionParams,
    sink: &mut dyn EventSink,
) -> Handled {
    let parked =
        service.parked(caller, &params.session_id, Some(&params.request_id), ParkReason::Interaction).await?;
    let parked = parked
        .filter(|parked| !parked.has_expired(service))
        .ok_or_else(ServiceError::no_pending_interaction)?;
    let (kind, spec) = meant(&parked, &params)?;
    let declined = params.declined == Some(true);
    let values = if declined {
        Map::new()
    } else {
        match kind.accept(&spec, &params.values.unwrap_or_default()) {
            Ok(values) => values,
            Err(errors) => {
                let stamp = service.stamp(&params.request_id);
                sink.send(stamp.interaction_invalid(&params.interaction_id, kind.name(), errors)).await?;
                return Ok(None);
            }
        }
    };
    let claim = service.take(caller, &parked.turn).await?.ok_or_else(ServiceError::no_pending_interaction)?;
    let parked = if kind == FormKind::IdentityIntake && !declined {
        service.identify(caller, parked, &values).await?
    } else {
        parked
    };
    let data = SubmitInteractionReply {
        session_id: params.session_id,
        interaction_id: params.interaction_id,
        kind: (!declined).then(|| kind.name().into()),
        values: (!declined).then(|| values.clone()),
        declined: declined.then_some(true),
    };
    let verdict = if declined { Verdict::Declined } else { Verdict::Submitted(Value::Object(values)) };
    let said = if declined { "Form declined" } else { "Form accepted" };
    let reply =
        wire::reply(Some(params.request_id), service.now(), said, &data).map_err(ServiceError::internal)?;
    service.resume(caller, parked, (claim, verdict), Some(reply), sink).await
}

/// The form that is parked, if it is the one the client means.
fn meant(parked: &Parked, params: &SubmitInteractionParams) -> Result<(FormKind, Value), ServiceError> {
    let mismatch = |field: &str| {
        ServiceError::new(
            ErrorCode::InteractionMismatch,
            format!("Another form is waiting: `{field}` does not fit it."),
        )
        .field(format!("/{field}"))
    };
    if params.interaction_id != parked.turn.id.as_str() {
        return Err(mismatch("interactionId"));
    }
    let Detail::Values { kind, spec } = &parked.detail else {
        return Err(mismatch("interactionId"));
    };
    if params.kind.as_ref().is_some_and(|named| named.as_str() != kind) {
        return Err(mismatch("kind"));
    }
    let kind = FormKind::of(kind).ok_or_else(|| mismatch("kind"))?;
    Ok((kind, spec.clone()))
}

impl Service {
    /// Keeps the person's contact with the session.
    async fn identify(
        &self,
        caller: &Caller,
        mut parked: Parked,
        values: &Map<String, Value>,
    ) -> Result<Parked, ServiceError> {
        let sessions = &self.storage.sessions;
        sessions.identify(&caller.scope, &parked.session.id, contact(values)).await?;
        if let Some(session) = sessions.get(&caller.scope, &parked.session.id).await? {
            parked.session = session;
        }
        Ok(parked)
    }
}
