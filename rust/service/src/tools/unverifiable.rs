//! In place of a tool that needs a one-time code, when there is nowhere to send one.

use async_trait::async_trait;
use smooai_smooth_operator_core::{Tool, ToolCall, ToolError, ToolSpec};
use std::sync::Arc;

/// Has the tool's description and never its effect.
pub(crate) struct Unverifiable(pub(crate) Arc<ToolSpec>);

#[async_trait]
impl Tool for Unverifiable {
    fn spec(&self) -> &Arc<ToolSpec> {
        &self.0
    }

    async fn call(&self, _call: &ToolCall) -> Result<String, ToolError> {
        Err(ToolError(
            "This needs the person to prove who he is by a one-time code, and no e-mail address or phone number \
             is known to send one to. Ask for one first."
                .to_owned(),
        ))
    }
}
