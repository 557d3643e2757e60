//! An agent for one turn: the settings, and the tools with what their caller may see and the gates
//! that stand before them.

use crate::caller::Caller;
use crate::evidence::Evidence;
use crate::forms::FormKind;
use crate::seams::TurnContext;
use crate::service::Service;
use crate::settings::{AgentSettings, RETRIEVED_PASSAGES, matches_any};
use crate::tools::{Ask, Journaled, KnowledgeSearch, Unverifiable};
use smooai_smooth_operator_core::{
    Agent, AgentConfig, Challenge, Effect, Gate, Retrieve, Tool, ToolRegistry, ToolSpec, ToolSpecError,
    Workflow,
};
use smooai_smooth_operator_store::{Claim, Session};
use std::sync::Arc;

/// The descriptions of the built-in tools, made once.
pub(crate) struct BuiltInTools {
    knowledge_search: Arc<ToolSpec>,
    forms: Vec<(FormKind, Arc<ToolSpec>)>,
}

impl BuiltInTools {
    pub(crate) fn new() -> Result<Self, ToolSpecError> {
        let forms = FormKind::ALL.into_iter().map(|kind| Ok((kind, Arc::new(kind.tool()?))));
        Ok(Self {
            knowledge_search: Arc::new(KnowledgeSearch::describe()?),
            forms: forms.collect::<Result<_, ToolSpecError>>()?,
        })
    }
}

/// A turn's place: who asked, in which session, under which claim.
pub(crate) struct Place<'a> {
    pub caller: &'a Caller,
    pub session: &'a Session,
    pub claim: &'a Claim,
}

/// Where one-time codes can be sent for this session: what the token vouches for comes first.
pub(crate) fn destinations(caller: &Caller, session: &Session) -> Vec<(String, String)> {
    let email = caller.email.as_ref().or(session.contact.email.as_ref());
    let phone = caller.phone.as_ref().or(session.contact.phone.as_ref());
    let email = email.map(|address| ("email".to_owned(), address.clone()));
    let phone = phone.map(|number| ("sms".to_owned(), number.clone()));
    email.into_iter().chain(phone).collect()
}

impl Service {
    /// The agent of a turn.
    pub(crate) fn agent(
        &self,
        place: &Place<'_>,
        settings: &AgentSettings,
        model: Option<&str>,
        evidence: &Arc<Evidence>,
    ) -> Agent {
        let shared = &self.settings;
        let model = model.or(settings.model.as_deref()).unwrap_or(&shared.model);
        let config = AgentConfig {
            name: settings.name.clone(),
            instructions: settings.instructions.clone(),
            model: model.to_owned(),
            max_iterations: settings.max_iterations,
            max_tokens: shared.max_tokens,
            temperature: None,
            budget: shared.budget,
            ..AgentConfig::default()
        };
        let mut agent = Agent::new(config, Arc::clone(&self.llm));
        agent.tools = self.tools(place, settings, evidence);
        agent.workflow =
            Workflow::default().then(Arc::new(Retrieve::new(Arc::clone(evidence) as _, RETRIEVED_PASSAGES)));
        agent
    }

    fn tools(&self, place: &Place<'_>, settings: &AgentSettings, evidence: &Arc<Evidence>) -> ToolRegistry {
        let session = place.session;
        let mut all: Vec<Arc<dyn Tool>> = vec![Arc::new(KnowledgeSearch::new(
            Arc::clone(&self.built_in.knowledge_search),
            Arc::clone(evidence),
        ))];
        for (kind, spec) in &self.built_in.forms {
            let renders = session.supports.iter().any(|capability| capability == kind.capability());
            all.push(Arc::new(Ask { spec: Arc::clone(spec), kind: *kind, renders }));
        }
        let context = TurnContext {
            organization: session.organization.clone(),
            user: place.caller.user.clone().or_else(|| session.verified_user.clone()),
            conversation: session.conversation.clone(),
            session: session.id.clone(),
            turn: place.claim.turn.clone(),
        };
        for source in &self.tool_sources {
            all.extend(source.tools(&context));
        }
        let mut registry = ToolRegistry::new();
        for tool in all {
            let wanted = settings.tools.as_ref().is_none_or(|names| matches_any(names, tool.spec().name()));
            if wanted {
                let (tool, gates) = self.guarded(tool, place, settings);
                registry.add(tool, gates);
            }
        }
        registry
    }

    /// The tool behind its gates: identity first, then approval.
    fn guarded(
        &self,
        tool: Arc<dyn Tool>,
        place: &Place<'_>,
        settings: &AgentSettings,
    ) -> (Arc<dyn Tool>, Vec<Gate>) {
        let name = tool.spec().name();
        let writes = tool.spec().effect() == Effect::Write;
        let mut gates = Vec::new();
        if matches_any(&settings.verify, name) || matches_any(&self.settings.auth_tools, name) {
            let channels: Vec<String> =
                destinations(place.caller, place.session).into_iter().map(|(channel, _)| channel).collect();
            if channels.is_empty() {
                return (Arc::new(Unverifiable(Arc::clone(tool.spec()))), Vec::new());
            }
            gates.push(Gate::Verification(Challenge { channels, auth_level: "otp".to_owned() }));
        }
        let own = settings.confirm.as_ref().map_or(writes, |patterns| matches_any(patterns, name));
        if own || matches_any(&self.settings.confirm_tools, name) {
            gates.push(Gate::Approval);
        }
        if !writes {
            return (tool, gates);
        }
        let journaled = Journaled {
            inner: tool,
            journal: Arc::clone(&self.storage.journal),
            claim: place.claim.clone(),
            world: Arc::clone(&self.world),
        };
        (Arc::new(journaled), gates)
    }
}
