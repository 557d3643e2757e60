//! The protocol handler: one file per action, the turn, the tools.
//!
//! [`Service`] is the whole program without its edges: a mount gives it frames, a [`Caller`] and an
//! [`EventSink`], and runs its futures. It reads no environment, no clock and no chance of its own.

mod actions;
mod agents;
mod backplane;
mod caller;
mod error;
mod evidence;
mod forms;
mod quotes;
mod seams;
mod service;
mod settings;
mod sink;
mod sources;
mod tools;
mod turn;
mod wire;
mod world;

pub use caller::Caller;
pub use error::{Result, ServiceError};
pub use seams::{
    AuthContextVerifier, CodeDelivery, CodeSender, SendCodeError, SkillSource, ToolSource, TurnContext,
};
pub use service::{Parts, Service};
pub use settings::{AgentSettings, Allow, BUILT_IN_INSTRUCTIONS, OtpSettings, Settings};
pub use sink::{Closed, EventSink};
pub use smooai_smooth_operator_store::Scope;
pub use turn::{Unanswered, Watch};
pub use world::{World, millis};
