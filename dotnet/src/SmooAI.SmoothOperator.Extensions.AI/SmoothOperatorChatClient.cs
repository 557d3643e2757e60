using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;

namespace SmooAI.SmoothOperator.Extensions.AI;

/// <summary>
/// The service as an <see cref="IChatClient"/>. The service keeps the conversation: a request carries what is new, and
/// <see cref="ChatOptions.ConversationId"/> of the answer names the conversation in the next request.
/// </summary>
/// <remarks>
/// Of the messages only those after the last of the assistant are sent, their text, images and files. A tool call that
/// needs approval ends the response with a <see cref="ToolApprovalRequestContent"/>; the answer to it, sent as a
/// <see cref="ToolApprovalResponseContent"/>, goes on with the same turn. Forms and one-time codes have no content type
/// of their own: they come as the <see cref="ChatResponseUpdate.RawRepresentation"/> of an update, and are answered by
/// the <see cref="SmoothAgentClient"/> that <see cref="GetService"/> gives. Every update carries its event there.
/// </remarks>
public sealed class SmoothOperatorChatClient : IChatClient
{
    private readonly SmoothAgentClient _client;
    private readonly CreateConversationSessionParams _session;
    private readonly ChatClientMetadata _metadata;
    private readonly ConcurrentDictionary<string, string> _sessions = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Running> _parked = new(StringComparer.Ordinal);

    /// <summary>A chat client over a client that its owner disposes of.</summary>
    /// <param name="client">Is connected at the first request, if it is not yet.</param>
    /// <param name="session">How sessions are opened: the agent, the user's name.</param>
    public SmoothOperatorChatClient(SmoothAgentClient client, CreateConversationSessionParams? session = null)
    {
        ArgumentNullException.ThrowIfNull(client);
        (_client, _session) = (client, session ?? new CreateConversationSessionParams());
        _metadata = new ChatClientMetadata("smooth-operator", client.Url);
    }

    /// <summary>A turn with its conversation.</summary>
    private sealed record Running(Turn Turn, string ConversationId);

    /// <inheritdoc/>
    public Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        GetStreamingResponseAsync(messages, options, cancellationToken).ToChatResponseAsync(cancellationToken);

    /// <inheritdoc/>
    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages,
        ChatOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        await _client.ConnectAsync(cancellationToken).ConfigureAwait(false);
        var (turn, conversationId) = await BeginAsync([.. messages], options, cancellationToken).ConfigureAwait(false);
        var (isParked, hasText) = (false, false);
        try
        {
            await foreach (var serverEvent in turn.WithCancellation(cancellationToken).ConfigureAwait(false))
            {
                var update = Updates.Of(serverEvent, turn, hasText);
                update.ConversationId = conversationId;
                hasText |= serverEvent is StreamTokenEvent;
                isParked = serverEvent is WriteConfirmationRequiredEvent;
                if (isParked)
                {
                    Park(new Running(turn, conversationId));
                }

                yield return update;
                if (isParked)
                {
                    yield break;
                }
            }
        }
        finally
        {
            if (!isParked && !turn.Result.IsCompleted)
            {
                // When that fails, the connection is gone, and the turn with it.
                await turn.CancelAsync(CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        await ThrowIfFailedAsync(turn, conversationId).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is not null ? null
            : serviceType == typeof(ChatClientMetadata) ? _metadata
            : serviceType.IsInstanceOfType(this) ? this
            : serviceType.IsInstanceOfType(_client) ? _client
            : null;
    }

    /// <summary>Leaves the <see cref="SmoothAgentClient"/> to its owner.</summary>
    public void Dispose()
    {
    }

    /// <summary>Keeps a turn until its approval is answered, or the turn has ended.</summary>
    private void Park(Running running)
    {
        _parked[running.Turn.RequestId] = running;
        _ = running.Turn.Result.ContinueWith(_ => _parked.TryRemove(running.Turn.RequestId, out var _), TaskScheduler.Default);
    }

    /// <summary>A new turn, or one that has waited for the approval that the messages hold.</summary>
    private async Task<Running> BeginAsync(List<ChatMessage> messages, ChatOptions? options, CancellationToken cancellationToken)
    {
        var fresh = messages.Skip(messages.FindLastIndex(static message => message.Role == ChatRole.Assistant) + 1).ToList();
        var verdict = fresh.SelectMany(static message => message.Contents).OfType<ToolApprovalResponseContent>().LastOrDefault();
        if (verdict is null)
        {
            var parameters = Messages.ToParams(fresh) with { Model = options?.ModelId };
            var (sessionId, conversationId) = await OpenAsync(options?.ConversationId, cancellationToken).ConfigureAwait(false);
            return new Running(_client.SendMessage(parameters with { SessionId = sessionId }), conversationId);
        }

        if (!_parked.TryGetValue(verdict.RequestId, out var parked) || parked.Turn.Result.IsCompleted)
        {
            throw new InvalidOperationException($"no turn of this client waits for the approval {verdict.RequestId}");
        }

        await parked.Turn.ConfirmAsync(verdict.Approved, cancellationToken).ConfigureAwait(false);
        _parked.TryRemove(verdict.RequestId, out _);
        return parked;
    }

    /// <summary>The session of a conversation: one that this client has opened, or a new one.</summary>
    private async Task<(string SessionId, string ConversationId)> OpenAsync(string? conversationId, CancellationToken cancellationToken)
    {
        if (conversationId is not null && _sessions.TryGetValue(conversationId, out var known))
        {
            return (known, conversationId);
        }

        var wanted = _session with { ConversationId = conversationId ?? _session.ConversationId };
        var session = await _client.CreateConversationSessionAsync(wanted, cancellationToken).ConfigureAwait(false);
        _sessions[session.ConversationId] = session.SessionId;
        return (session.SessionId, session.ConversationId);
    }

    /// <summary>Throws what ended the turn, if it has no answer. A session that is gone is opened anew the next time.</summary>
    private async Task ThrowIfFailedAsync(Turn turn, string conversationId)
    {
        if (turn.Result.Exception?.InnerException is ServerErrorException { Code: var code } && code == ErrorCode.SessionNotFound)
        {
            _sessions.TryRemove(conversationId, out _);
        }

        await turn;
    }
}
