//! `create_conversation_session`: a new conversation, or a hold on an earlier one.

use super::Handled;
use crate::caller::Caller;
use crate::error::ServiceError;
use crate::service::Service;
use crate::settings::{AgentSettings, Allow};
use crate::sink::EventSink;
use serde_json::Value;
use smooai_smooth_operator_protocol::{
    AuthContext, CreateConversationSessionParams, CreateConversationSessionReply, ErrorCode,
};
use smooai_smooth_operator_store::{
    Contact, Conversation, ConversationId, Participant, ParticipantId, ParticipantKind, Session, SessionId,
    SessionStatus,
};

const VISITOR: &str = "Visitor";

pub(super) async fn create_conversation_session(
    service: &Service,
    caller: &Caller,
    params: CreateConversationSessionParams,
    sink: &mut dyn EventSink,
) -> Handled {
    let agent = service.settings.agent(params.agent_id.as_deref()).ok_or_else(|| {
        ServiceError::validation(
            "/agentId",
            "`agentId` is not one of the configured agents. Leave it out for the default one.",
        )
    })?;
    let verified_user = verified_user(service, params.auth_context.as_ref())?;
    admit(caller, verified_user.as_deref(), &agent)?;

    let earlier = match &params.conversation_id {
        None => None,
        Some(id) => {
            service.storage.conversations.get(&caller.scope, &ConversationId::from(id.as_str())).await?
        }
    };
    let conversation = match earlier {
        Some(conversation) => conversation,
        None => service.storage.conversations.create(fresh(service, caller, &params, &agent)).await?,
    };
    let now = service.world.now();
    let session = Session {
        id: SessionId::new(service.world.uuid()),
        conversation: conversation.id.clone(),
        organization: caller.scope.organization.clone(),
        principal: caller.scope.principal.clone(),
        agent_id: agent.id,
        agent_name: agent.name,
        user_participant: conversation.user.id,
        agent_participant: conversation.agent.id,
        thread_id: service.world.uuid(),
        status: SessionStatus::Active,
        supports: params.supports.unwrap_or_default().iter().map(|c| c.as_str().to_owned()).collect(),
        verified_user,
        contact: Contact {
            name: Some(name(params.user_name.as_deref())),
            email: params.user_email,
            phone: None,
        },
        metadata: params.metadata.map(Value::Object),
        token_count: 0,
        message_count: 0,
        created_at: now,
        last_activity_at: now,
    };
    let data = CreateConversationSessionReply {
        session_id: session.id.to_string(),
        conversation_id: session.conversation.to_string(),
        agent_id: session.agent_id.clone(),
        agent_name: session.agent_name.clone(),
        user_participant_id: session.user_participant.to_string(),
        agent_participant_id: session.agent_participant.to_string(),
    };
    service.storage.sessions.create(session).await?;
    service.reply(sink, params.request_id, "Session created", &data).await?;
    Ok(None)
}

fn name(given: Option<&str>) -> String {
    given.map(str::trim).filter(|name| !name.is_empty()).unwrap_or(VISITOR).to_owned()
}

fn fresh(
    service: &Service,
    caller: &Caller,
    params: &CreateConversationSessionParams,
    agent: &AgentSettings,
) -> Conversation {
    let now = service.world.now();
    let participant = |kind, name: String| Participant {
        id: ParticipantId::new(service.world.uuid()),
        kind,
        name,
        email: None,
        browser_fingerprint: None,
    };
    let id = service.world.uuid();
    Conversation {
        idempotency_key: id.clone(),
        id: ConversationId::new(id),
        organization: caller.scope.organization.clone(),
        principal: caller.scope.principal.clone(),
        platform: "web".to_owned(),
        title: None,
        user: Participant {
            email: params.user_email.clone(),
            browser_fingerprint: params.browser_fingerprint.clone(),
            ..participant(ParticipantKind::User, name(params.user_name.as_deref()))
        },
        agent: participant(ParticipantKind::AiAgent, agent.name.clone()),
        message_count: 0,
        created_at: now,
        updated_at: now,
    }
}

fn verified_user(service: &Service, context: Option<&AuthContext>) -> Result<Option<String>, ServiceError> {
    let (Some(context), Some(judge)) = (context, &service.auth_context) else {
        return Ok(None);
    };
    let now = service.world.now().as_second();
    if judge.verify(&context.user_id, context.timestamp, &context.signature, now) {
        return Ok(Some(context.user_id.clone()));
    }
    let message = "The signature of `authContext` is not right, or it is too old. Sign userId and the present time again.";
    Err(ServiceError::new(ErrorCode::AuthContextInvalid, message).field("/authContext"))
}

fn admit(caller: &Caller, verified_user: Option<&str>, agent: &AgentSettings) -> Result<(), ServiceError> {
    if let Some(origin) = &caller.origin
        && !agent.origins.is_empty()
        && !agent.origins.contains(origin)
    {
        let message = "This agent may not be used from this web page's origin.";
        return Err(ServiceError::new(ErrorCode::OriginNotAllowed, message));
    }
    let admitted = match &agent.allow {
        None => true,
        Some(Allow { users, groups }) => {
            let user = caller.user.as_deref().or(verified_user);
            user.is_some_and(|user| users.iter().any(|allowed| allowed == user))
                || caller.groups.iter().any(|group| groups.contains(group))
        }
    };
    if admitted {
        return Ok(());
    }
    Err(ServiceError::new(ErrorCode::AgentNotAuthorized, "You may not use this agent.").field("/agentId"))
}
