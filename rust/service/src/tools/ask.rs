//! `request_identity_intake` and `request_choices`: the model asks the person by a form. A session
//! that cannot show the form gets the question back, for the model to ask in words.

use crate::forms::FormKind;
use async_trait::async_trait;
use serde_json::{Value, json};
use smooai_smooth_operator_core::{Form, Tool, ToolCall, ToolError, ToolSpec};
use std::sync::Arc;

/// A tool that asks.
pub(crate) struct Ask {
    pub(crate) spec: Arc<ToolSpec>,
    pub(crate) kind: FormKind,
    /// Whether the session's client can show this kind of form.
    pub(crate) renders: bool,
}

impl Ask {
    fn question(&self, arguments: &Value) -> Form {
        let mut spec = arguments.clone();
        let reason = spec.as_object_mut().and_then(|spec| spec.remove("reason"));
        let reason = reason.and_then(|reason| reason.as_str().map(str::to_owned)).unwrap_or_default();
        Form { kind: self.kind.name().to_owned(), spec, reason }
    }
}

#[async_trait]
impl Tool for Ask {
    fn spec(&self) -> &Arc<ToolSpec> {
        &self.spec
    }

    async fn call(&self, call: &ToolCall) -> Result<String, ToolError> {
        self.kind.check_spec(call.arguments()).map_err(ToolError)?;
        let Form { kind, spec, reason } = self.question(call.arguments());
        let instructions = "The person's client cannot show a form. Ask for this in words, a little at a time, \
                            and go on with what the person answers.";
        let reply = json!({
            "mode": "conversational", "kind": kind, "spec": spec, "reason": reason, "instructions": instructions
        });
        Ok(reply.to_string())
    }

    fn form(&self, arguments: &Value) -> Option<Form> {
        (self.renders && self.kind.check_spec(arguments).is_ok()).then(|| self.question(arguments))
    }
}
