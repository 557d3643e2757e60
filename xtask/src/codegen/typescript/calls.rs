//! What a client needs beside the types: a method per action, and what is known of each error code.
use super::layout::{self, Doc, call, text};
use super::quoting::{self, comment};
use super::{Sheet, put};
use crate::codegen::model::{Action, Reply, Shape};

impl Sheet<'_> {
    /// A base class with a typed method for every action; a client says how an action travels.
    pub(super) fn calls(&mut self) {
        let (Some(actions), Some(events)) = (self.model.action_union, self.model.event_union) else { return };
        let Shape::TaggedUnion(events_shape) = &self.model.ty(events).shape else { return };
        let Shape::TaggedUnion(actions_shape) = &self.model.ty(actions).shape else { return };
        let (action, event) = (self.name(actions).to_owned(), self.type_name(events));
        let (tag, key) = (quoting::string(&events_shape.tag), quoting::key(&events_shape.tag));
        let reader = self.support_type("Reader");
        self.page.gap();
        comment(
            &mut self.page,
            &["Every action as a method. A client says how an action travels.".to_owned()],
            false,
        );
        self.page.line("export abstract class ActionCalls<Options, Turn> {");
        self.indented(|sheet| {
            let travel =
                |page: &mut super::Page, doc: &str, head: &str, parameters: Vec<String>, tail: String| {
                    comment(page, &[doc.to_owned()], false);
                    put(page, &layout::enclosed(head, parameters.into_iter().map(text).collect(), &tail));
                };
            let options = "options: Options | undefined".to_owned();
            let sent = format!("action: {action}");
            travel(
                &mut sheet.page,
                "Sends an action that is answered by the `data` of an `immediate_response`.",
                "protected abstract requestData<T>(",
                vec![sent.clone(), format!("read: {reader}<T>"), options.clone()],
                "): Promise<T>;".to_owned(),
            );
            sheet.page.gap();
            travel(
                &mut sheet.page,
                "Sends an action that is answered by one of some events.",
                &format!("protected abstract requestEvent<T extends {event}[{tag}]>("),
                vec![sent.clone(), "types: readonly T[]".to_owned(), options.clone()],
                format!("): Promise<Extract<{event}, {{ {key}: T }}>>;"),
            );
            sheet.page.gap();
            travel(
                &mut sheet.page,
                "Sends an action that starts a turn.",
                "protected abstract startTurn(",
                vec![sent.clone(), options],
                "): Turn;".to_owned(),
            );
            sheet.page.gap();
            travel(
                &mut sheet.page,
                "Sends an action that is not answered.",
                "protected abstract post(",
                vec![sent],
                "): void;".to_owned(),
            );
            for (index, action) in sheet.model.actions.iter().enumerate() {
                sheet.method(index, action, &actions_shape.tag);
            }
        });
        self.page.line("}");
    }

    fn method(&mut self, index: usize, action: &Action, tag: &str) {
        let def = self.model.ty(action.params);
        let Shape::Struct(shape) = &def.shape else { return };
        let params = self.type_name(action.params);
        let empty = if shape.fields.iter().any(|field| field.required) { "" } else { " = {}" };
        let value =
            format!("{{ ...params, {}: {} }}", quoting::literal_key(tag), quoting::string(&action.name));
        let mut parameters = vec![text(format!("params: {params}{empty}"))];
        if action.reply != Reply::None {
            parameters.push(text("options?: Options"));
        }
        let (result, name, middle) = match &action.reply {
            Reply::Data(reply) => {
                let result = format!("Promise<{}>", self.type_name(*reply));
                (result, "requestData", Some(text(self.function("decode", *reply))))
            }
            // An action that is accepted at once and goes on with events is a turn; its client has a type for it.
            reply if reply.is_stream() => ("Turn".to_owned(), "startTurn", None),
            Reply::Events(events) => {
                let types: Vec<String> = events.iter().filter_map(|name| self.event_type(name)).collect();
                let list = events.iter().map(|name| text(quoting::string(name))).collect();
                (
                    format!("Promise<{}>", types.join(" | ")),
                    "requestEvent",
                    Some(layout::enclosed("[", list, "]")),
                )
            }
            Reply::None => ("void".to_owned(), "post", None),
        };
        self.page.gap();
        comment(&mut self.page, std::slice::from_ref(&def.doc), def.deprecated);
        let head = layout::enclosed(
            &format!("{}(", self.names.method(index)),
            parameters,
            &format!("): {result} {{"),
        );
        put(&mut self.page, &head);
        let mut arguments = vec![text(value)];
        arguments.extend(middle);
        if action.reply != Reply::None {
            arguments.push(text("options"));
        }
        let back = if action.reply == Reply::None { "" } else { "return " };
        let body = Doc::Parts(vec![text(back), call(&format!("this.{name}"), arguments), text(";")]);
        self.page.indented(|page| put(page, &body));
        self.page.line("}");
    }

    /// The type of an event's payload.
    fn event_type(&mut self, name: &str) -> Option<String> {
        let payload = self.model.events.iter().find(|event| event.name == name)?.payload;
        Some(self.type_name(payload))
    }

    /// What is known of each error code.
    pub(super) fn error_table(&mut self) {
        let Some(errors) = &self.model.errors else { return };
        let code = self.type_name(errors.ty);
        let page = &mut self.page;
        page.gap().line("/** What is known of an error code. */").line("export interface ErrorInfo {");
        page.indented(|page| {
            page.line("/** The HTTP status that says the same. */").line("status: number;");
            page.line("/** Whether the same request may succeed when it is sent again. */")
                .line("retryable: boolean;");
            page.line("/** Whether a turn ends by it; others answer an action. */")
                .line("endsTurn: boolean;");
            page.line("/** What went wrong. */").line("description: string;");
            page.line("/** What the caller should do. */").line("hint: string;");
        });
        page.line("}").gap();
        page.line("const known: Readonly<Record<string, ErrorInfo>> = {");
        page.indented(|page| {
            for error in &errors.codes {
                page.line(format!("{}: {{", quoting::literal_key(&error.wire)));
                page.indented(|page| {
                    page.line(format!("status: {},", error.status));
                    page.line(format!("retryable: {},", error.retryable));
                    page.line(format!("endsTurn: {},", error.ends_turn));
                    put(page, &layout::entry("description", quoting::string(&error.description)));
                    put(page, &layout::entry("hint", quoting::string(&error.hint)));
                });
                page.line("},");
            }
        });
        page.line("};").gap();
        page.line("/** What is known of a code; nothing for one that this version does not know. */");
        page.line(format!("export function errorInfo(code: {code}): ErrorInfo | undefined {{"));
        page.indented(|page| {
            page.line("return Object.hasOwn(known, code) ? known[code] : undefined;");
        });
        page.line("}");
    }
}
