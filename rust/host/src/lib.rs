//! The composition root: configuration, backend choice, authentication, telemetry.
//!
//! A mount reads its [`Launch`] from the process, starts a [`Host`] with it, and serves the host's
//! service to whomever the host's [`Authenticator`] lets in.

pub mod auth;
mod codes;
pub mod config;
mod http_tools;
mod knowledge;
mod launch;
mod skills;
mod start;
mod storage;
mod telemetry;
mod transfer;
mod world;

pub use auth::{AuthError, Authenticator, Identity};
pub use codes::CodeWebhookError;
pub use config::{Command, Config};
pub use http_tools::HttpToolError;
pub use launch::{Exit, Launch};
pub use start::{Host, StartError};
pub use storage::StorageError;
pub use telemetry::TelemetryError;
pub use transfer::{TransferError, export, import, transfer};
pub use world::RealWorld;
