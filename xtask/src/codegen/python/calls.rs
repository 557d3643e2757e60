//! What a client needs beside the types: a method per action, and what is known of each error code.
use super::declare::Missing;
use super::text::{self, Doc, bracket, call, docstring, text};
use super::{Page, Sheet};
use crate::codegen::model::{Action, Reply, Shape};

/// How an action travels: what a client implements.
const TRAVEL: [(&str, &[&str], &str, &str); 4] = [
    (
        "async def _request_data(",
        &["read: wire.Reader[ResultT]", "timeouts: OptionsT | None"],
        ") -> ResultT:",
        "Sends an action that is answered by the `data` of an `immediate_response`.",
    ),
    (
        "async def _request_event(",
        &["types: tuple[type[EventT], ...]", "timeouts: OptionsT | None"],
        ") -> EventT:",
        "Sends an action that is answered by one of some events.",
    ),
    (
        "def _start_turn(",
        &["timeouts: OptionsT | None"],
        ") -> TurnT:",
        "Sends an action that starts a turn.",
    ),
    ("async def _post(", &[], ") -> None:", "Sends an action that is not answered."),
];

impl Sheet<'_> {
    /// A base class with a typed method for every action; a client says how an action travels.
    pub(super) fn calls(&mut self) {
        let Some(actions) = self.model.action_union else { return };
        let action = self.type_name(actions);
        for (module, names) in
            [("abc", ["ABC", "abstractmethod"].as_slice()), ("typing", &["Generic", "TypeVar"])]
        {
            names.iter().for_each(|name| self.import(module, name));
        }
        self.block(|_, page| {
            for name in ["EventT", "OptionsT", "ResultT", "TurnT"] {
                page.line(format!("{name} = TypeVar(\"{name}\")"));
            }
        });
        self.offers.push("ActionCalls".to_owned());
        self.block(|sheet, page| {
            page.line("class ActionCalls(ABC, Generic[OptionsT, TurnT]):");
            page.indented(|page| {
                let what = "Every action as a method. A client says how an action travels.";
                docstring(page, &[what.to_owned()], false);
                for (head, more, tail, what) in TRAVEL {
                    page.gap().line("@abstractmethod");
                    let own = ["self".to_owned(), format!("action: {action}")];
                    let items = own.into_iter().map(text).chain(more.iter().map(|item| text(*item)));
                    text::put(page, &bracket(head, items.collect(), tail));
                    page.indented(|page| {
                        docstring(page, &[what.to_owned()], false);
                    });
                }
                for (index, action) in sheet.model.actions.iter().enumerate() {
                    page.gap();
                    sheet.method(page, index, action);
                }
            });
        });
    }

    fn method(&mut self, page: &mut Page, index: usize, action: &Action) {
        let def = self.model.ty(action.params);
        let Shape::Struct(shape) = &def.shape else { return };
        let params = self.type_name(action.params);
        let mut taken = vec![text("self"), text("*")];
        let mut given = Vec::new();
        for (place, field) in shape.fields.iter().enumerate() {
            let name = self.names.field(action.params, place).to_owned();
            let ty = self.ty(&field.ty);
            taken.push(text(match self.missing(field.presence(), &field.ty) {
                Missing::Never => format!("{name}: {ty}"),
                Missing::None => format!("{name}: {ty} | None = None"),
                Missing::Unset => format!("{name}: {} = wire.UNSET", super::declare::or_unset(&ty)),
            }));
            given.push(text(format!("{name}={name}")));
        }
        let (start, result, call_name, middle) = match &action.reply {
            Reply::Data(reply) => {
                let name = self.type_name(*reply);
                let read = match self.model.ty(*reply).shape {
                    Shape::Struct(_) => format!("{name}.decode"),
                    _ => self.function("decode", *reply),
                };
                ("async def", name, "return await self._request_data(", Some(text(read)))
            }
            // An action that is accepted at once and goes on with events is a turn; its client has a type for it.
            reply if reply.is_stream() => ("def", "TurnT".to_owned(), "return self._start_turn(", None),
            Reply::Events(events) => {
                let types: Vec<String> = events.iter().filter_map(|name| self.event_type(name)).collect();
                let tuple = match types.as_slice() {
                    [only] => format!("({only},)"),
                    many => format!("({})", many.join(", ")),
                };
                let call_name = "return await self._request_event(";
                ("async def", types.join(" | "), call_name, Some(text(tuple)))
            }
            Reply::None => ("async def", "None".to_owned(), "await self._post(", None),
        };
        let answered = action.reply != Reply::None;
        if answered {
            taken.push(text("timeouts: OptionsT | None = None"));
        }
        if taken.len() == 2 {
            taken.pop();
        }
        let method = self.names.method(index);
        text::put(page, &bracket(format!("{start} {method}("), taken, format!(") -> {result}:")));
        page.indented(|page| {
            docstring(page, std::slice::from_ref(&def.doc), def.deprecated);
            let mut items = vec![call(&params, given)];
            items.extend(middle);
            items.extend(answered.then(|| text("timeouts")));
            text::put(page, &bracket(call_name, items, ")"));
        });
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
        self.import("dataclasses", "dataclass");
        self.typing("Final");
        self.offers.extend(["ErrorInfo", "error_info"].map(str::to_owned));
        self.block(|_, page| {
            page.line("@dataclass(frozen=True, slots=True, kw_only=True)").line("class ErrorInfo:");
            page.indented(|page| {
                page.line("\"\"\"What is known of an error code.\"\"\"").gap();
                for (field, what) in [
                    ("status: int", "The HTTP status that says the same."),
                    ("retryable: bool", "Whether the same request may succeed when it is sent again."),
                    ("ends_turn: bool", "Whether a turn ends by it; others answer an action."),
                    ("description: str", "What went wrong."),
                    ("hint: str", "What the caller should do."),
                ] {
                    page.line(field).line(format!("\"\"\"{what}\"\"\""));
                }
            });
        });
        let entry = |error: &crate::codegen::model::ErrorCode| {
            let truth = |value: bool| if value { "True" } else { "False" };
            let items = [
                format!("status={}", error.status),
                format!("retryable={}", truth(error.retryable)),
                format!("ends_turn={}", truth(error.ends_turn)),
                format!("description={}", text::string(&error.description)),
                format!("hint={}", text::string(&error.hint)),
            ];
            let open = format!("{}: ErrorInfo(", text::string(&error.wire));
            Doc::broken(open, items.into_iter().map(text).collect(), ")")
        };
        let entries = errors.codes.iter().map(entry).collect();
        self.block(|_, page| {
            text::put(page, &Doc::broken("_KNOWN: Final[dict[str, ErrorInfo]] = {", entries, "}"));
        });
        self.block(|_, page| {
            page.line(format!("def error_info(code: {code}) -> ErrorInfo | None:"));
            page.indented(|page| {
                page.line(
                    "\"\"\"What is known of a code; nothing for one that this version does not know.\"\"\"",
                );
                page.line("return _KNOWN.get(code)");
            });
        });
    }
}
