using System.Text.Json;
using System.Text.Json.Nodes;

namespace SmooAI.SmoothOperator.Conformance;

/// <summary>One call of the client's typed method for an action, and the generated codec alone.</summary>
internal static class Calls
{
    private static readonly JsonElement Nothing = JsonElement.Parse("null");

    /// <summary>The fields of an action as its type.</summary>
    public static ClientAction Typed(string action, JsonObject fields)
    {
        var whole = fields.DeepClone().AsObject();
        whole["action"] = action;
        return ClientAction.FromJson(whole.ToJsonString());
    }

    /// <summary>Calls an action by its method.</summary>
    public static async Task<JsonElement> CallAsync(SmoothAgentClient client, string action, JsonObject fields)
    {
        switch (Typed(action, fields))
        {
            case CancelParams it:
                await client.CancelAsync(it).ConfigureAwait(false);
                return Nothing;
            case ConfirmToolActionParams it:
                return Encoded(await client.ConfirmToolActionAsync(it).ConfigureAwait(false));
            case CreateConversationSessionParams it:
                return Encoded(await client.CreateConversationSessionAsync(it).ConfigureAwait(false));
            case GetConversationMessagesParams it:
                return Encoded(await client.GetConversationMessagesAsync(it).ConfigureAwait(false));
            case GetSessionParams it:
                return Encoded(await client.GetSessionAsync(it).ConfigureAwait(false));
            case ListConversationsParams it:
                return Encoded(await client.ListConversationsAsync(it).ConfigureAwait(false));
            case PingParams it:
                return Encoded(await client.PingAsync(it).ConfigureAwait(false));
            case RenameConversationParams it:
                return Encoded(await client.RenameConversationAsync(it).ConfigureAwait(false));
            case SubmitInteractionParams it:
                return Encoded(await client.SubmitInteractionAsync(it).ConfigureAwait(false));
            case VerifyOtpParams it:
                return Encoded(await client.VerifyOtpAsync(it).ConfigureAwait(false));
            case var other:
                throw new InvalidOperationException($"{other.Tag} is no call");
        }
    }

    /// <summary>Reads an event by the generated code, validates it and writes it again.</summary>
    public static JsonElement Decode(string text)
    {
        var serverEvent = ServerEvent.FromJson(text);
        return ServerEvent.Validate(serverEvent) is { } violation
            ? throw new SmoothOperator.DecodeException(violation.Message, violation.Pointer, serverEvent.Tag)
            : Encoded(serverEvent);
    }

    /// <summary>What a method returned, as the generated code encodes it.</summary>
    public static JsonElement Encoded(object value) =>
        value is ServerEvent serverEvent
            ? JsonElement.Parse(serverEvent.ToJson())
            : JsonSerializer.SerializeToElement(value, value.GetType(), SmoothOperator.SmoothOperatorJsonContext.Default);
}
