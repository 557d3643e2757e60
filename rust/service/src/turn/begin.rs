//! The beginning of a turn: store the message, load the history by token budget, make the run.

use super::{State, Turn};
use crate::agents::Place;
use crate::caller::Caller;
use crate::error::ServiceError;
use crate::evidence::{Evidence, Finding};
use crate::quotes::Quoted;
use crate::service::Service;
use crate::settings::HISTORY_MESSAGES;
use crate::sources;
use smooai_smooth_operator_core::{ChatMessage, Checkpoint, ContentPart};
use smooai_smooth_operator_store::{Claim, Direction, Message, MessageId, Page, Session};
use std::sync::Arc;

/// The longest title made from a first message, in characters.
const TITLE_LENGTH: usize = 60;

/// What opens a turn.
pub(crate) struct Opening {
    pub session: Session,
    pub claim: Claim,
    /// The message as text.
    pub text: String,
    /// Images and files beside it.
    pub attachments: Vec<ContentPart>,
    pub stream: bool,
    pub model: Option<String>,
    /// Instructions added for this turn.
    pub skill: Option<String>,
}

impl<'s> Turn<'s> {
    /// Begins a claimed turn.
    pub(crate) async fn begin(
        service: &'s Service,
        caller: &'s Caller,
        opening: Opening,
    ) -> Result<Self, ServiceError> {
        let Opening { session, claim, text, attachments, stream, model, skill } = opening;
        let (history, quoted) = service.history(caller, &session).await?;
        if history.is_empty() {
            service.entitle(caller, &session, &text).await?;
        }
        let message = Message {
            id: MessageId::new(service.world.uuid()),
            conversation: session.conversation.clone(),
            direction: Direction::Inbound,
            text: text.clone(),
            structured: None,
            from: session.user_participant.clone(),
            to: session.agent_participant.clone(),
            request_id: claim.request_id.clone(),
            created_at: service.world.now(),
        };
        service.storage.messages.append(&caller.scope, message).await?;

        let mut settings = service.agent_of(&session)?;
        if let Some(skill) = skill {
            settings.instructions.push_str("\n\n");
            settings.instructions.push_str(&skill);
        }
        let evidence = service.evidence(caller, &session, Vec::new(), quoted.clone());
        let place = Place { caller, session: &session, claim: &claim };
        let agent = service.agent(&place, &settings, model.as_deref(), &evidence);
        let parts = [ContentPart::Text { text }].into_iter().chain(attachments).collect();
        let run = agent.begin(history, ChatMessage::User { parts });
        let state = State { checkpoint: Checkpoint::new(run), stream, model, findings: Vec::new(), quoted };
        Ok(Self { service, caller, session, claim, agent, evidence, state })
    }

    /// Takes a turn up again from what was stored when it parked, without what was revoked since.
    pub(super) async fn restore(
        service: &'s Service,
        caller: &'s Caller,
        session: Session,
        claim: Claim,
        mut state: State,
    ) -> Result<Self, ServiceError> {
        let settings = service.agent_of(&session)?;
        let run = &mut state.checkpoint.run;
        let (findings, quoted) = (&mut state.findings, &mut state.quoted);
        service.withdraw(&caller.access(&session), run, findings, quoted).await?;
        let findings = std::mem::take(&mut state.findings);
        let evidence = service.evidence(caller, &session, findings, state.quoted.clone());
        let place = Place { caller, session: &session, claim: &claim };
        let agent = service.agent(&place, &settings, state.model.as_deref(), &evidence);
        Ok(Self { service, caller, session, claim, agent, evidence, state })
    }
}

impl Service {
    fn evidence(
        &self,
        caller: &Caller,
        session: &Session,
        findings: Vec<Finding>,
        quoted: Vec<Quoted>,
    ) -> Arc<Evidence> {
        Arc::new(Evidence::new(Arc::clone(&self.retriever), caller.access(session), findings, quoted))
    }

    /// The newest messages that fit the budget, oldest first, without what they quote from documents that
    /// were revoked since; and what they still quote.
    async fn history(
        &self,
        caller: &Caller,
        session: &Session,
    ) -> Result<(Vec<ChatMessage>, Vec<Quoted>), ServiceError> {
        let page = Page { limit: HISTORY_MESSAGES, before: None };
        let mut newest =
            self.storage.messages.page(&caller.scope, &session.conversation, page).await?.messages;
        let quotable = self.citable(&caller.access(session), sources::documents(&newest)).await;
        let quoted = newest.iter().flat_map(|message| sources::quoted(message, &quotable)).collect();
        newest.iter_mut().for_each(|message| sources::keep(message, &quotable));
        let mut left = self.settings.history_tokens;
        let mut history = Vec::with_capacity(newest.len());
        for message in newest {
            let said = match message.direction {
                Direction::Inbound => ChatMessage::user(message.text),
                Direction::Outbound => ChatMessage::assistant(message.text),
            };
            let Some(rest) = left.checked_sub(said.tokens()) else { break };
            left = rest;
            history.push(said);
        }
        history.reverse();
        Ok((history, quoted))
    }

    /// Gives a conversation that has no title one from its first message.
    async fn entitle(&self, caller: &Caller, session: &Session, text: &str) -> Result<(), ServiceError> {
        let conversations = &self.storage.conversations;
        let conversation = conversations.get(&caller.scope, &session.conversation).await?;
        if conversation.is_some_and(|conversation| conversation.title.is_none()) {
            let title = title(text);
            conversations.rename(&caller.scope, &session.conversation, &title, self.world.now()).await?;
        }
        Ok(())
    }
}

/// The first line, cut at a word's end.
fn title(text: &str) -> String {
    let line: String =
        text.trim().lines().next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= TITLE_LENGTH {
        return line;
    }
    let head: String = line.chars().take(TITLE_LENGTH).collect();
    let cut = head.rfind(' ').filter(|at| *at > 0).unwrap_or(head.len());
    format!("{}…", &head[..cut])
}

#[cfg(test)]
mod tests {
    use super::title;

    #[test]
    fn a_title_is_the_first_line_cut_at_a_word() {
        assert_eq!(title("  How long is\tyour return window?\nThanks"), "How long is your return window?");
        assert_eq!(
            title("I bought a pair of shoes last week and they do not fit me at all, what now?"),
            "I bought a pair of shoes last week and they do not fit me…"
        );
        assert_eq!(title(&"ä".repeat(80)).chars().count(), 61);
    }
}
