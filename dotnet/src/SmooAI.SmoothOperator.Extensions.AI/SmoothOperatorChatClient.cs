using System.Runtime.CompilerServices;

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
/// <param name="client">Is connected at the first request, if it is not yet; its owner disposes of it.</param>
/// <param name="session">How sessions are opened: the agent, the user's name.</param>
public sealed class SmoothOperatorChatClient(SmoothAgentClient client, CreateConversationSessionParams? session = null) : IChatClient
{
    private readonly SmoothAgentClient _client = client ?? throw new ArgumentNullException(nameof(client));
    private readonly CreateConversationSessionParams _session = session ?? new CreateConversationSessionParams();
    private readonly ChatClientMetadata _metadata = new("smooth-operator", client.Url);
    private readonly ConcurrentDictionary<string, string> _sessions = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Running> _running = new(StringComparer.Ordinal);

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

        try
        {
            await turn;
        }
        catch (ServerErrorException error) when (error.Code == ErrorCode.SessionNotFound)
        {
            // The next request opens a session anew.
            _sessions.TryRemove(conversationId, out _);
            throw;
        }
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        object[] services = [this, _client, _metadata];
        return serviceKey is null ? Array.Find(services, serviceType.IsInstanceOfType) : null;
    }

    /// <summary>Leaves the <see cref="SmoothAgentClient"/> to its owner.</summary>
    public void Dispose()
    {
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
            return Remember(new Running(_client.SendMessage(parameters with { SessionId = sessionId }), conversationId));
        }

        if (!_running.TryGetValue(verdict.RequestId, out var parked) || parked.Turn.Parked is not WriteConfirmationRequiredEvent)
        {
            throw new InvalidOperationException($"no turn of this client waits for the approval {verdict.RequestId}");
        }

        await parked.Turn.ConfirmAsync(verdict.Approved, cancellationToken).ConfigureAwait(false);
        return parked;
    }

    /// <summary>Keeps a turn until it has ended, since it may come to wait for an approval.</summary>
    private Running Remember(Running running)
    {
        _running[running.Turn.RequestId] = running;
        _ = running.Turn.Result.ContinueWith(_ => _running.TryRemove(running.Turn.RequestId, out var _), TaskScheduler.Default);
        return running;
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
}
