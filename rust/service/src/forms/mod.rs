//! The kinds of forms: what a model may ask by them, and which answers are accepted.

mod choices;
mod identity;

use serde_json::{Map, Value};
use smooai_smooth_operator_core::{ToolSpec, ToolSpecError};
use smooai_smooth_operator_protocol::FieldError;

pub(crate) use identity::contact;

/// A kind of form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FormKind {
    /// Name, e-mail address, phone number.
    IdentityIntake,
    /// Questions with options.
    Choices,
}

impl FormKind {
    pub(crate) const ALL: [Self; 2] = [Self::IdentityIntake, Self::Choices];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::IdentityIntake => "identity_intake",
            Self::Choices => "choices",
        }
    }

    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What a client declares in `supports` to be shown it.
    pub(crate) fn capability(self) -> &'static str {
        match self {
            Self::IdentityIntake => "identity_form",
            Self::Choices => "choice_chips",
        }
    }

    /// The tool that raises it.
    pub(crate) fn tool(self) -> Result<ToolSpec, ToolSpecError> {
        match self {
            Self::IdentityIntake => identity::tool(),
            Self::Choices => choices::tool(),
        }
    }

    /// What the tool's schema cannot say about its arguments.
    pub(crate) fn check_spec(self, spec: &Value) -> Result<(), String> {
        match self {
            Self::IdentityIntake => Ok(()),
            Self::Choices => choices::check_spec(spec),
        }
    }

    /// Judges the values against the form, and brings them into canonical form.
    pub(crate) fn accept(
        self,
        spec: &Value,
        values: &Map<String, Value>,
    ) -> Result<Map<String, Value>, Vec<FieldError>> {
        match self {
            Self::IdentityIntake => identity::accept(spec, values),
            Self::Choices => choices::accept(spec, values),
        }
    }
}

fn field_error(field: impl Into<String>, message: impl Into<String>) -> FieldError {
    FieldError { field: field.into(), message: message.into() }
}
