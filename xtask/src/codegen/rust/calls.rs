//! What the client has of every action: a method of its own, methods of a turn, and who waits for the answer.
use super::super::model::{Action, Field, Kind, Reply, Shape, TurnAnswer, TurnPart, TypeId};
use super::super::printer::{Input, Page};
use super::Ctx;
use super::text::{arm, deprecation, doc, list, module_doc, quote};

/// The file of methods, which stands in the client's crate: only there can its types be given methods.
pub(super) fn print(input: &Input<'_>) -> String {
    let rust = Ctx::new(input);
    let mut page = Page::new("    ");
    module_doc(
        &mut page,
        "What the client has of the schemas: methods, what an action is to a turn, and settings.",
    );
    page.line("use crate::mux::Role;");
    page.line("use crate::{Client, Error, Turn, Verdict};");
    page.line("use smooai_smooth_operator_protocol::*;");
    if input.model.settings.is_some() {
        page.line("use std::time::Duration;");
    }
    page.gap();
    page.block("impl Client {", "}", |page| {
        for (index, action) in input.model.actions.iter().enumerate() {
            if index > 0 {
                page.gap();
            }
            if action.reply.is_stream() {
                rust.starting_method(page, index, action);
            } else {
                rust.client_method(page, index, action);
            }
        }
    });
    page.gap().block("impl Turn {", "}", |page| {
        let mut is_first = true;
        for (index, action) in input.model.actions.iter().enumerate() {
            if action.turn == TurnPart::Stops {
                separate(page, &mut is_first);
                rust.stopping_method(page, index, action);
            }
            let TurnPart::Answers(answer) = &action.turn else { continue };
            for at in 0..answer.methods.len() {
                separate(page, &mut is_first);
                rust.answering_method(page, (index, at), answer);
            }
        }
    });
    rust.roles(&mut page);
    if let Some(settings) = &input.model.settings {
        super::settings::print(&mut page, settings);
    }
    page.finish()
}

/// An empty line, but not before the first method.
fn separate(page: &mut Page, is_first: &mut bool) {
    if !std::mem::take(is_first) {
        page.gap();
    }
}

/// `head`, a block of what `body` writes: `head` with its parameters one per line where it is too wide.
fn method(page: &mut Page, name: &str, parameters: &[String], result: &str, body: impl FnOnce(&mut Page)) {
    let result = format!(") -> {result} {{");
    list(page, &format!("pub {name}("), parameters, &result, false);
    page.indented(body).line("}");
}

impl Ctx<'_> {
    /// The method of an action. One that has nothing to say but its `requestId` is given that by the client.
    fn client_method(&self, page: &mut Page, index: usize, action: &Action) {
        let def = self.model.ty(action.params);
        doc(page, &def.doc, || format!("The action `{}`.", action.name));
        page.line("///").line("/// # Errors");
        let (name, params) = (self.names.names.method(index), self.name(action.params));
        let says_nothing =
            self.params(action).iter().all(|field| field.wire == "requestId" && !field.required);
        let (mut parameters, mut value) = (vec!["&self".to_owned()], format!("{params}::default()"));
        if !says_nothing {
            parameters.push(format!("params: {params}"));
            value = "params".to_owned();
        }
        let name = match action.reply {
            Reply::None => format!("fn {name}"),
            Reply::Data(_) | Reply::Events(_) => format!("async fn {name}"),
        };
        match &action.reply {
            Reply::Data(reply) => {
                page.line("/// Why there is no answer.");
                deprecation(page, def.deprecated);
                method(page, &name, &parameters, &format!("Result<{}, Error>", self.name(*reply)), |page| {
                    page.line(format!("self.call({value}).await"));
                });
            }
            Reply::Events(names) => {
                let Some((event, refusals)) = names.split_first() else { return };
                let refusals: Vec<String> = refusals.iter().map(|name| format!("`{name}`")).collect();
                page.line(match refusals.as_slice() {
                    [] => "/// Why there is no answer.".to_owned(),
                    some => format!("/// What {} says, or why there is no answer.", some.join(" or ")),
                });
                deprecation(page, def.deprecated);
                let Some((variant, payload)) = self.event(event) else { return };
                method(page, &name, &parameters, &format!("Result<{payload}, Error>"), |page| {
                    page.block(format!("match self.ask({value}).await? {{"), "}", |page| {
                        page.line(format!("Event::{variant}(event) => Ok(event),"));
                        page.line("other => Err(Error::unfit(other)),");
                    });
                });
            }
            Reply::None => {
                page.line("/// Why it could not be sent: there is no answer to wait for.");
                deprecation(page, def.deprecated);
                method(page, &name, &parameters, "Result<(), Error>", |page| {
                    page.line(format!("self.post(None, &{value}.into())"));
                });
            }
        }
    }

    /// The method by which a turn is started.
    fn starting_method(&self, page: &mut Page, index: usize, action: &Action) {
        doc(page, &self.model.ty(action.params).doc, || format!("The action `{}`.", action.name));
        page.line("///").line("/// It is on its way when this returns, whether or not the turn is read.");
        let name = self.names.names.method(index);
        let parameters = ["&self".to_owned(), format!("params: {}", self.name(action.params))];
        method(page, &format!("fn {name}"), &parameters, "Turn", |page| {
            if let Some(session) = self.session(action) {
                page.line(format!("let session = params.{session}.clone();"));
                page.line("Turn::new(self.clone(), session, self.begin(params))");
            }
        });
    }

    /// The field that names the session, where an action has one in any case.
    fn session(&self, action: &Action) -> Option<&str> {
        let mut fields = self.params(action).iter();
        let at = fields.position(|field| field.wire == "sessionId" && field.required)?;
        Some(self.names.names.field(action.params, at))
    }

    /// The method by which a turn is stopped.
    fn stopping_method(&self, page: &mut Page, index: usize, action: &Action) {
        doc(page, &self.model.ty(action.params).doc, || format!("The action `{}`.", action.name));
        page.line("///").line("/// # Errors");
        page.line("/// Why it could not be sent: there is no answer to wait for.");
        let name = self.names.names.method(index);
        method(page, &format!("fn {name}"), &["&self".to_owned()], "Result<(), Error>", |page| {
            self.fill(page, action, |field| match field.wire.as_str() {
                "requestId" => Some("self.request_id().to_owned()".to_owned()),
                "sessionId" => Some("self.session_id().to_owned()".to_owned()),
                _ => None,
            });
            page.line(format!("self.client.{name}(params)"));
        });
    }

    /// A method by which a turn that waits for a person is given the answer.
    fn answering_method(&self, page: &mut Page, (index, at): (usize, usize), answer: &TurnAnswer) {
        let (action, asked) = (&self.model.actions[index], &answer.methods[at]);
        let reply = match &action.reply {
            Reply::Data(reply) => Some(self.name(*reply)),
            Reply::Events(names) => {
                names.first().and_then(|name| self.event(name)).map(|(_, payload)| payload)
            }
            Reply::None => None,
        };
        let Some(reply) = reply else { return };
        let Some((position, own)) =
            self.params(action).iter().enumerate().find(|(_, field)| field.wire == asked.field)
        else {
            return;
        };
        let own_name = self.names.names.field(action.params, position);
        let (parameter, value) = match (&own.ty.kind, own.required) {
            (Kind::Bool, false) => (None, "true"),
            (Kind::JsonObject, _) => (Some("&impl serde::Serialize".to_owned()), own_name),
            (Kind::String, _) => (Some("impl Into<String>".to_owned()), own_name),
            _ => (Some(self.ty(&own.ty, None)), own_name),
        };
        let mut parameters = vec!["&self".to_owned()];
        parameters.extend(parameter.map(|ty| format!("{own_name}: {ty}")));
        let waits = !answer.repeats.is_empty();
        doc(page, &asked.doc, || format!("The action `{}`.", action.name));
        if waits {
            page.line("///")
                .line("/// The answer is [`Error::NotParked`] when the turn waits for nothing of the kind.");
        }
        let name = format!("fn {}", self.names.names.turn_method(index, at));
        method(page, &name, &parameters, &format!("Verdict<{reply}>"), |page| {
            page.line("let (client, session) = (self.client.clone(), self.session_id().to_owned());");
            if waits {
                page.line("let park = self.park();");
            }
            match (&own.ty.kind, value == own_name) {
                (Kind::JsonObject, true) => {
                    page.line(format!("let {value} = serde_json::to_value({value});"))
                }
                (Kind::String, true) => page.line(format!("let {value} = {value}.into();")),
                _ => page,
            };
            page.block("Box::pin(async move {", "})", |page| {
                if own.ty.kind == Kind::JsonObject {
                    let problem = quote(&format!("{} must be a JSON object", own.wire));
                    page.block(
                        format!("let Ok(serde_json::Value::Object({value})) = {value} else {{"),
                        "};",
                        |page| {
                            page.line(format!("return Err(Error::Invalid({problem}.to_owned()));"));
                        },
                    );
                }
                let event = self.model.events.iter().find(|event| event.payload == answer.event);
                if let Some((variant, _)) = event.filter(|_| waits).and_then(|event| self.event(&event.name))
                {
                    page.line(format!(
                        "let Some(Event::{variant}(park)) = park else {{ return Err(Error::NotParked) }};"
                    ));
                }
                self.fill(page, action, |field| match field.wire.as_str() {
                    "requestId" => field.required.then(|| "String::new()".to_owned()),
                    "sessionId" => Some("session".to_owned()),
                    wire if wire == own.wire => Some(value.to_owned()),
                    wire => {
                        let repeat = answer.repeats.iter().find(|repeat| repeat.field == wire)?;
                        Some(format!("park.{}", self.path(answer.event, &repeat.path)))
                    }
                });
                page.line(format!("client.{}(params).await", self.names.names.method(index)));
            });
        });
    }

    /// Who waits for the answer to an action.
    fn roles(&self, page: &mut Page) {
        page.gap().block("impl From<&Action> for Role {", "}", |page| {
            page.block("fn from(action: &Action) -> Self {", "}", |page| {
                page.block("match action {", "}", |page| {
                    for action in &self.model.actions {
                        let role = match action.turn {
                            TurnPart::Starts => "Turn",
                            TurnPart::Answers(_) => "Verdict",
                            TurnPart::Stops | TurnPart::None => continue,
                        };
                        let Some(session) = self.session(action) else { continue };
                        let variant = self.variant(self.model.action_union, &action.name).unwrap_or_default();
                        let value = format!("Self::{role}(params.{session}.clone())");
                        arm(page, &format!("Action::{variant}(params)"), &value);
                    }
                    page.line("_ => Self::Call,");
                });
            });
        });
    }

    /// `let params = …;` from what is known of each field; others are absent.
    fn fill(&self, page: &mut Page, action: &Action, value: impl Fn(&Field) -> Option<String>) {
        let fields = self.params(action).iter().enumerate().map(|(at, field)| {
            let name = self.names.names.field(action.params, at);
            match value(field) {
                Some(value) if field.required && value == name => name.to_owned(),
                Some(value) if field.required => format!("{name}: {value}"),
                Some(value) => format!("{name}: Some({value})"),
                None => format!("{name}: None"),
            }
        });
        let fields: Vec<String> = fields.collect();
        list(page, &format!("let params = {} {{", self.name(action.params)), &fields, "};", true);
    }

    fn params(&self, action: &Action) -> &[Field] {
        match &self.model.ty(action.params).shape {
            Shape::Struct(shape) => &shape.fields,
            _ => &[],
        }
    }

    /// The variant and the payload of an event.
    fn event(&self, name: &str) -> Option<(&str, &str)> {
        let event = self.model.events.iter().find(|event| event.name == name)?;
        Some((self.variant(self.model.event_union, name)?, self.name(event.payload)))
    }

    fn variant(&self, union: Option<TypeId>, value: &str) -> Option<&str> {
        let id = union?;
        let Shape::TaggedUnion(union) = &self.model.ty(id).shape else { return None };
        let at = union.members.iter().position(|member| member.value == value)?;
        Some(self.names.names.variant(id, at))
    }

    /// A path of properties as a Rust one.
    pub(super) fn path(&self, owner: TypeId, path: &[String]) -> String {
        let fields = self.model.fields_at(owner, path);
        fields.iter().map(|(id, at)| self.names.names.field(*id, *at)).collect::<Vec<_>>().join(".")
    }
}
