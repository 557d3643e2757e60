//! One method of the client per action.
use super::super::model::{Action, Kind, Presence, Reply, Shape};
use super::super::printer::Page;
use super::plan::Plan;
use super::text::{quote, summary};

/// The client's methods. Standing alone the file also says what carries them.
pub fn print(plan: &Plan<'_>) -> String {
    let mut page = Page::new(super::INDENT);
    page.gap();
    page.line("/// <summary>A client of the service, with a method for every action.</summary>");
    page.line("public sealed partial class SmoothAgentClient").block("{", "}", |page| {
        let mut calls =
            plan.model.actions.iter().enumerate().filter(|(_, action)| !is_turn_of_events(action)).peekable();
        while let Some((index, action)) = calls.next() {
            call(plan, page, index, action);
            if calls.peek().is_some() {
                page.gap();
            }
        }
    });
    if plan.standalone {
        for line in CARRIER.lines() {
            page.line(line);
        }
    }
    page.finish()
}

/// Whether an immediate_response and then further events answer: the client writes that by hand.
fn is_turn_of_events(action: &Action) -> bool {
    matches!(&action.reply, Reply::Events(names) if names.first().is_some_and(|name| name == "immediate_response"))
}

fn call(plan: &Plan<'_>, page: &mut Page, index: usize, action: &Action) {
    let (method, params) = (plan.method(index), plan.name(action.params));
    let Shape::Struct(shape) = super::shape(plan, action.params) else { return };
    let (result, end) = match &action.reply {
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
            let Some(event) = event.map(|event| plan.name(event)) else { return };
            let names: Vec<String> = names.iter().map(|name| quote(name)).collect();
            let names = names.join(", ");
            (format!("Task<{event}>"), format!("AwaitAsync<{event}>(REQUEST, [{names}], cancellationToken)"))
        }
        Reply::None => ("Task".to_owned(), "TellAsync(parameters, cancellationToken)".to_owned()),
    };
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
