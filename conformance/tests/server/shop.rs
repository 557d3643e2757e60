//! A shop whose systems are HTTP endpoints: an order can be looked up, a refund needs approval, an
//! invoice needs a one-time code.

use anyhow::Result;
use serde_json::{Value, json};
use smooai_smooth_operator_conformance::gateway::{Reply, Script};
use smooai_smooth_operator_conformance::server_process::Setup;
use smooai_smooth_operator_conformance::socket::Socket;
use smooai_smooth_operator_conformance::stage::Stage;
use smooai_smooth_operator_conformance::webhook::{Answer, Webhook};

/// The shop's systems, and the server in front of them.
pub struct Shop {
    pub stage: Stage,
    pub hook: Webhook,
}

impl Shop {
    /// A shop whose systems answer at once.
    pub async fn open(script: Script) -> Result<Self> {
        let hook = Webhook::start()
            .await?
            .on("/order", Answer::json(json!({ "status": "shipped" })))
            .on("/refund", Answer::json(json!({ "refunded": true })))
            .on("/invoice", Answer::json(json!({ "total": "42.00" })))
            .on("/code", Answer::text(204, ""));
        Self::with(script, hook, |setup| setup).await
    }

    /// A shop with its own systems and settings.
    pub async fn with(script: Script, hook: Webhook, settings: impl FnOnce(Setup) -> Setup) -> Result<Self> {
        let stage = Stage::with(script, |setup| settings(setup.operator_toml(&operator_toml(&hook)))).await?;
        Ok(Self { stage, hook })
    }

    pub async fn session(&self) -> Result<(Socket, String)> {
        self.stage.session().await
    }

    /// A session of somebody whom a code can reach.
    pub async fn reachable_session(&self) -> Result<(Socket, String)> {
        self.stage.session_that(json!({ "userEmail": "visitor@example.com" })).await
    }

    /// The code of the `n`th message that was sent.
    pub async fn code(&self, n: usize) -> Result<String> {
        let call = self.hook.wait_for_call("/code", n).await?;
        Ok(call.body["code"].as_str().unwrap().to_owned())
    }
}

/// The settings of the shop.
pub fn operator_toml(hook: &Webhook) -> String {
    let tools = [
        ("look_up_order", "Looks an order up.", "/order", "read"),
        ("issue_refund", "Refunds an order.", "/refund", "write"),
        ("show_invoice", "Shows an invoice.", "/invoice", "read"),
    ];
    let tools: String = tools
        .iter()
        .map(|(name, description, path, effect)| {
            format!(
                r#"
[[tools]]
name = "{name}"
description = "{description}"
parameters = {{ type = "object", properties = {{ orderId = {{ type = "string" }} }}, required = ["orderId"] }}
url = "{}"
timeout_ms = 60000
effect = "{effect}"
"#,
                hook.url(path)
            )
        })
        .collect();
    format!("[otp]\nurl = \"{}\"\n{tools}", hook.url("/code"))
}

/// A reply that asks for a refund.
pub fn refund(call: &str, order: &str) -> Reply {
    Reply::tool(call, "issue_refund", json!({ "orderId": order }))
}

/// A reply that looks an order up.
pub fn look_up(call: &str, order: &str) -> Reply {
    Reply::tool(call, "look_up_order", json!({ "orderId": order }))
}

/// A reply that shows an invoice.
pub fn invoice(call: &str, order: &str) -> Reply {
    Reply::tool(call, "show_invoice", json!({ "orderId": order }))
}

/// The verdict on an approval.
pub fn verdict(session: &str, approved: bool) -> Value {
    json!({ "action": "confirm_tool_action", "sessionId": session, "approved": approved })
}
