//! `send_message`: begins a turn.

use super::Handled;
use crate::caller::Caller;
use crate::error::ServiceError;
use crate::service::{Service, Stop};
use crate::settings::matches_any;
use crate::sink::EventSink;
use crate::turn::{Opening, Turn};
use serde::Deserialize;
use smooai_smooth_operator_core::ContentPart;
use smooai_smooth_operator_protocol::{
    DecodeError, DecodeErrorKind, ErrorCode, FileInput, ImageInput, SendMessageParams,
};
use smooai_smooth_operator_store::{Claim, ClaimRequest, Session, SessionId, TurnId};

pub(super) async fn send_message(
    service: &Service,
    caller: &Caller,
    params: SendMessageParams,
    sink: &mut dyn EventSink,
) -> Handled {
    let request_id = params.request_id.clone().unwrap_or_else(|| service.world.uuid());
    let (session, skill) = match service.check(caller, &params).await {
        Ok(checked) => checked,
        Err(error) => {
            let busy = service.is_busy(caller, &params.session_id, &request_id).await;
            return Err(if busy { ServiceError::turn_in_progress() } else { error }.into());
        }
    };
    let claim =
        service.claim(caller, &session, &request_id).await?.ok_or_else(ServiceError::turn_in_progress)?;
    let attachments = attachments(params.images, params.files);
    let opening = Opening {
        session,
        claim: claim.clone(),
        text: params.message,
        attachments,
        stream: params.stream.unwrap_or(true),
        model: params.model,
        skill,
    };
    if sink.send(service.stamp(&request_id).accepted()).await.is_err() {
        service.release(&claim).await;
        return Err(Stop::Closed);
    }
    match Turn::begin(service, caller, opening).await {
        Ok(turn) => turn.drive(sink).await,
        Err(error) => {
            service.end(claim, Stop::Refused(error), sink).await?;
            Ok(None)
        }
    }
}

/// Whether a `send_message` that could not be read came while a turn of its session was running:
/// that is told before any fault of the frame.
pub(crate) async fn busy_turn(service: &Service, caller: &Caller, frame: &str, error: &DecodeError) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Probe {
        session_id: String,
    }
    if !matches!(&error.kind, DecodeErrorKind::Invalid { tag, .. } if tag == "send_message") {
        return false;
    }
    match serde_json::from_str::<Probe>(frame) {
        Ok(probe) => service.is_busy(caller, &probe.session_id, "").await,
        Err(_) => false,
    }
}

impl Service {
    /// Everything that can be wrong with a message, in the order of the protocol.
    async fn check(
        &self,
        caller: &Caller,
        params: &SendMessageParams,
    ) -> Result<(Session, Option<String>), ServiceError> {
        params.validate()?;
        let skill = match &params.skill {
            None => None,
            Some(name) => Some(self.skill(name).await?),
        };
        let session = self.session(caller, &params.session_id).await?;
        self.agent_of(&session)?;
        if let (Some(model), Some(allowed)) = (&params.model, &self.settings.allowed_models)
            && !matches_any(allowed, model)
        {
            let message = format!("The model {model:?} may not be chosen here. Leave `model` out.");
            return Err(ServiceError::new(ErrorCode::Forbidden, message).field("/model"));
        }
        if !self.llm.is_available() {
            let message = "No language model is configured. Set SMOOAI_GATEWAY_KEY (and SMOOAI_GATEWAY_URL for \
                           another OpenAI-compatible endpoint), or start the server with --offline.";
            return Err(ServiceError::new(ErrorCode::LlmUnavailable, message));
        }
        if self.backplane.running_on(caller.connection) >= self.settings.turns_per_connection {
            let message = "Too many turns of this connection are running. Wait for one to end, or cancel it.";
            return Err(ServiceError::new(ErrorCode::RateLimited, message));
        }
        Ok((session, skill))
    }

    async fn skill(&self, name: &str) -> Result<String, ServiceError> {
        let found = match &self.skills {
            None => None,
            Some(skills) => skills.skill(name).await.map_err(ServiceError::internal)?,
        };
        found.ok_or_else(|| {
            ServiceError::new(ErrorCode::SkillNotFound, format!("There is no skill {name:?}."))
                .field("/skill")
        })
    }

    async fn claim(
        &self,
        caller: &Caller,
        session: &Session,
        request_id: &str,
    ) -> Result<Option<Claim>, ServiceError> {
        let now = self.world.now();
        let request = ClaimRequest {
            conversation: session.conversation.clone(),
            turn: TurnId::new(self.world.uuid()),
            request_id: request_id.to_owned(),
            now,
            lease_until: now + self.settings.lease,
        };
        Ok(self.storage.turns.claim(&caller.scope, request).await?)
    }

    /// Whether a turn holds the session's conversation, found out by trying to.
    async fn is_busy(&self, caller: &Caller, session_id: &str, request_id: &str) -> bool {
        let Ok(Some(session)) = self.storage.sessions.get(&caller.scope, &SessionId::from(session_id)).await
        else {
            return false;
        };
        match self.claim(caller, &session, request_id).await {
            Ok(Some(claim)) => {
                self.release(&claim).await;
                false
            }
            Ok(None) => true,
            Err(_) => false,
        }
    }
}

fn attachments(images: Option<Vec<ImageInput>>, files: Option<Vec<FileInput>>) -> Vec<ContentPart> {
    let images = images.into_iter().flatten().map(|image| ContentPart::Image {
        url: image.url,
        detail: image.detail.map(|detail| detail.as_str().to_owned()),
    });
    let files = files.into_iter().flatten().map(|file| ContentPart::File {
        name: file.name,
        mime_type: file.mime_type,
        url: file.url,
    });
    images.chain(files).collect()
}
