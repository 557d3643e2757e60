//! One method of the client per action.
use super::super::model::{Action, Kind, Presence, Reply, Shape, TurnAnswer, TurnPart};
use super::super::names::{Case, join, words};
use super::super::printer::Page;
use super::plan::Plan;
use super::text::{quote, summary};

/// The methods of the client and its turns. Standing alone the file has no turns, and says what carries the actions.
pub fn print(plan: &Plan<'_>) -> String {
    let mut page = Page::new(super::INDENT);
    page.gap();
    page.line("/// <summary>A client of the service, with a method for every action.</summary>");
    page.line("public sealed partial class SmoothAgentClient").block("{", "}", |page| {
        // Standing alone there are no turns to start.
        let calls = |(_, action): &(usize, &Action)| !plan.standalone || !action.reply.is_stream();
        for (position, (index, action)) in plan.model.actions.iter().enumerate().filter(calls).enumerate() {
            if position > 0 {
                page.gap();
            }
            if action.reply.is_stream() {
                start(plan, page, index, action);
            } else {
                call(plan, page, index, action);
            }
        }
    });
    if plan.standalone {
        for line in CARRIER.lines() {
            page.line(line);
        }
    } else {
        turn(plan, &mut page);
    }
    page.finish()
}

/// A turn from what its action requires; the client starts it by all of its parameters.
fn start(plan: &Plan<'_>, page: &mut Page, index: usize, action: &Action) {
    let (method, params) = (plan.method(index), plan.name(action.params));
    let Shape::Struct(shape) = super::shape(plan, action.params) else { return };
    let (mut parameters, mut values) = (Vec::new(), Vec::new());
    for (at, field) in shape.fields.iter().enumerate().filter(|(_, field)| field.required) {
        let own = join(&words(&field.wire), Case::Camel, &[]);
        values.push(format!("{} = {own}", plan.member(action.params, at)));
        parameters.push(format!("{} {own}", plan.field_ty(field)));
    }
    summary(page, &plan.def(action.params).doc, method);
    page.line(format!("public Turn {method}({}) =>", parameters.join(", "))).indented(|page| {
        page.line(format!("{method}(new {params} {{ {} }});", values.join(", ")));
    });
}

fn call(plan: &Plan<'_>, page: &mut Page, index: usize, action: &Action) {
    let (method, params) = (plan.method(index), plan.name(action.params));
    let Shape::Struct(shape) = super::shape(plan, action.params) else { return };
    let Some((result, end)) = answered(plan, action) else { return };
    summary(page, &plan.def(action.params).doc, method);
    let optional = shape.fields.iter().all(|field| !field.required);
    let parameter =
        if optional { format!("{params}? parameters = null") } else { format!("{params} parameters") };
    page.line(format!(
        "public {result} {method}Async({parameter}, CancellationToken cancellationToken = default)"
    ));
    page.block("{", "}", |page| {
        if optional {
            page.line(format!("parameters ??= new {params}();"));
        }
        let request = plan.field_named(action.params, "requestId").map(|index| &shape.fields[index]);
        let id = match request.map(|field| (plan.presence(field), &field.ty.kind)) {
            Some((Presence::Required, Kind::String)) => "parameters.RequestId".to_owned(),
            Some((Presence::Optional, Kind::String)) if action.reply != Reply::None => {
                page.line("var requestId = parameters.RequestId ?? NextRequestId();");
                page.line("parameters = parameters with { RequestId = requestId };");
                "requestId".to_owned()
            }
            _ => "NextRequestId()".to_owned(),
        };
        page.line(format!("return {};", end.replace("REQUEST", &format!("parameters, {id}"))));
    });
}

/// What the method of an action returns, and the call that gives it.
fn answered(plan: &Plan<'_>, action: &Action) -> Option<(String, String)> {
    Some(match &action.reply {
        Reply::Data(reply) => {
            let reply = &super::super::model::Ty::plain(Kind::Named(*reply));
            let (name, reader) = (plan.ty(reply), plan.reader(reply));
            (format!("Task<{name}>"), format!("CallAsync(REQUEST, {reader}, cancellationToken)"))
        }
        Reply::Events(names) => {
            let payload = |name: &String| plan.model.events.iter().find(|event| event.name == *name);
            let event = match (names.as_slice(), plan.model.event_union) {
                ([name], _) => payload(name).map(|event| event.payload),
                (_, union) => union,
            };
            let event = event.map(|event| plan.name(event))?;
            let names: Vec<String> = names.iter().map(|name| quote(name)).collect();
            let names = names.join(", ");
            (format!("Task<{event}>"), format!("AwaitAsync<{event}>(REQUEST, [{names}], cancellationToken)"))
        }
        Reply::None => ("Task".to_owned(), "TellAsync(parameters, cancellationToken)".to_owned()),
    })
}

/// The methods of a turn: what stops it, and what answers the event that it waits in.
fn turn(plan: &Plan<'_>, page: &mut Page) {
    let mut methods = Vec::new();
    for (index, action) in plan.model.actions.iter().enumerate() {
        match &action.turn {
            TurnPart::Stops => methods.push((index, None)),
            TurnPart::Answers(answer) => {
                methods.extend((0..answer.methods.len()).map(|at| (index, Some((answer, at)))));
            }
            TurnPart::None | TurnPart::Starts => {}
        }
    }
    page.gap().line("public sealed partial class Turn").block("{", "}", |page| {
        for (position, (index, answer)) in methods.into_iter().enumerate() {
            if position > 0 {
                page.gap();
            }
            turn_method(plan, page, index, answer);
        }
    });
}

fn turn_method(plan: &Plan<'_>, page: &mut Page, index: usize, answer: Option<(&TurnAnswer, usize)>) {
    let action = &plan.model.actions[index];
    let Shape::Struct(shape) = super::shape(plan, action.params) else { return };
    let asked = answer.map(|(answer, at)| &answer.methods[at]);
    let repeats = answer.map_or(&[][..], |(answer, _)| &answer.repeats);
    // One that returns whichever of several events came does not sound as if it had told them apart.
    let name = match (answer, &action.reply) {
        (Some((answer, _)), Reply::Events(events)) if events.len() > 1 && answer.methods.len() == 1 => {
            plan.method(index)
        }
        (Some((_, at)), _) => plan.turn_method(index, at),
        (None, _) => plan.method(index),
    };
    let mut parameter = String::new();
    let mut values = Vec::new();
    for (at, field) in shape.fields.iter().enumerate() {
        let member = plan.member(action.params, at);
        let repeat = repeats.iter().find(|repeat| repeat.field == field.wire);
        let value = match (field.wire.as_str(), asked) {
            ("requestId", _) => "RequestId".to_owned(),
            ("sessionId", _) => "SessionId".to_owned(),
            (wire, Some(asked)) if asked.field == wire && !field.required && field.ty.kind == Kind::Bool => {
                "true".to_owned()
            }
            (wire, Some(asked)) if asked.field == wire => {
                let own = join(&words(wire), Case::Camel, &[]);
                parameter = format!("{} {own}, ", plan.base(&field.ty.kind));
                own
            }
            _ => match (repeat, answer) {
                (Some(repeat), Some((answer, _))) => {
                    format!("park{}", plan.path(answer.event, &repeat.path))
                }
                _ => continue,
            },
        };
        values.push(format!("{member} = {value}"));
    }
    let values = values.join(", ");
    let call = format!(
        "_client.{}Async(new {} {{ {values} }}, cancellationToken)",
        plan.method(index),
        plan.name(action.params)
    );
    summary(page, asked.map_or(&plan.def(action.params).doc, |asked| &asked.doc), name);
    if !repeats.is_empty() {
        page.line(
            "/// <exception cref=\"NotParkedException\">The turn waits for nothing of the kind.</exception>",
        );
    }
    let Some((result, _)) = answered(plan, action) else { return };
    let head = format!("{result} {name}Async({parameter}CancellationToken cancellationToken = default)");
    match answer.filter(|_| !repeats.is_empty()) {
        None => {
            page.line(format!("public {head} =>")).indented(|page| {
                page.line(format!("{call};"));
            });
        }
        Some((answer, _)) => {
            page.line(format!("public async {head}")).block("{", "}", |page| {
                let event = plan.name(answer.event);
                page.line(format!(
                    "var park = Parked as {event} ?? throw new NotParkedException(RequestId);"
                ));
                page.line(format!("return await {call}.ConfigureAwait(false);"));
            });
        }
    }
}

/// What stands in for the hand-written client where there is none.
const CARRIER: &str = "
/// <summary>Carries actions to a server.</summary>
public interface IActionCarrier
{
    /// <summary>Sends an action and returns the data of the immediate_response that answers it.</summary>
    Task<JsonElement> CallAsync(ClientAction action, string requestId, CancellationToken cancellationToken);

    /// <summary>Sends an action and returns the event that answers it, of one of the given types.</summary>
    Task<ServerEvent> AwaitAsync(ClientAction action, string requestId, string[] types, CancellationToken cancellationToken);

    /// <summary>Sends an action that nothing answers.</summary>
    Task TellAsync(ClientAction action, CancellationToken cancellationToken);
}

public sealed partial class SmoothAgentClient
{
    private readonly IActionCarrier _carrier;

    /// <summary>A client over something that carries its actions.</summary>
    public SmoothAgentClient(IActionCarrier carrier) => _carrier = carrier;

    private static string NextRequestId() => Guid.NewGuid().ToString();

    private async Task<T> CallAsync<T>(ClientAction action, string requestId, Func<JsonElement, T> read, CancellationToken cancellationToken) =>
        read(await _carrier.CallAsync(action, requestId, cancellationToken).ConfigureAwait(false));

    private async Task<T> AwaitAsync<T>(ClientAction action, string requestId, string[] types, CancellationToken cancellationToken)
        where T : ServerEvent =>
        await _carrier.AwaitAsync(action, requestId, types, cancellationToken).ConfigureAwait(false) as T
            ?? throw new InvalidOperationException(\"another event came\");

    private Task TellAsync(ClientAction action, CancellationToken cancellationToken) => _carrier.TellAsync(action, cancellationToken);
}";
