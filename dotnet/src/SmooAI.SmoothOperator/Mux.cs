using System.Text.Json;

namespace SmooAI.SmoothOperator;

/// <summary>
/// Knows who waits for what. It has no socket: frames are put in with <c>Deliver</c>, and <see cref="Fail"/> says
/// that no more will come.
/// </summary>
internal sealed class Mux(Action<ServerEvent> stray)
{
    private readonly object _gate = new();
    private Dictionary<string, Pending> _calls = new(StringComparer.Ordinal);
    private Dictionary<string, Turn> _turns = new(StringComparer.Ordinal);
    private Exception? _closed;

    /// <summary>Registers a call. A verdict may go under the id of the turn that waits for it.</summary>
    public void Expect(Pending call)
    {
        lock (_gate)
        {
            ThrowIfClosed(call.RequestId);
            if (!_calls.TryAdd(call.RequestId, call))
            {
                throw new ProtocolException("another call has this requestId", call.RequestId);
            }
        }
    }

    /// <summary>Ends the wait for a call; what still comes for it is stray.</summary>
    public void Forget(Pending call)
    {
        lock (_gate)
        {
            if (_calls.TryGetValue(call.RequestId, out var known) && known == call)
            {
                _calls.Remove(call.RequestId);
            }
        }
    }

    public void Begin(Turn turn)
    {
        lock (_gate)
        {
            ThrowIfClosed(turn.RequestId);
            if (!_turns.TryAdd(turn.RequestId, turn))
            {
                throw new ProtocolException("another turn has this requestId", turn.RequestId);
            }
        }
    }

    public void End(Turn turn)
    {
        lock (_gate)
        {
            if (_turns.TryGetValue(turn.RequestId, out var known) && known == turn)
            {
                _turns.Remove(turn.RequestId);
            }
        }
    }

    /// <summary>Takes one frame to whoever waits for it.</summary>
    public void Deliver(ReadOnlyMemory<byte> frame)
    {
        JsonDocument document;
        try
        {
            document = Wire.Document(frame);
        }
        catch (DecodeException error)
        {
            ClientLog.Instance.UnreadableFrame(error.Message);
            return;
        }

        using (document)
        {
            try
            {
                Deliver(Wire.Read<ServerEvent>(document.RootElement), document.RootElement);
            }
            catch (DecodeException error)
            {
                DeliverBroken(document.RootElement, error);
            }
        }
    }

    private void Deliver(ServerEvent serverEvent, JsonElement frame)
    {
        var id = serverEvent.GetRequestId() ?? "";
        var (call, turn) = Find(id, serverEvent);
        call?.Take(serverEvent, frame);
        if (call is not null && turn is not null && serverEvent is ImmediateResponseEvent or ErrorEvent)
        {
            // It is about a verdict alone, and no part of the turn that waits for it.
            turn.Resume();
            return;
        }

        if (turn is not null)
        {
            turn.Push(serverEvent);
        }
        else if (call is null)
        {
            stray(serverEvent);
        }
    }

    private (Pending? Call, Turn? Turn) Find(string id, ServerEvent serverEvent)
    {
        lock (_gate)
        {
            var turn = _turns.GetValueOrDefault(id);
            if (!_calls.TryGetValue(id, out var call) || !call.Takes(serverEvent))
            {
                return (null, turn);
            }

            _calls.Remove(id);
            return (call, turn);
        }
    }

    /// <summary>Gives a frame that cannot be read to the call or turn that it names, so that neither waits in vain.</summary>
    private void DeliverBroken(JsonElement frame, DecodeException error)
    {
        ClientLog.Instance.UnreadableFrame(error.Message);
        var id = frame.ValueKind == JsonValueKind.Object ? Wire.Lenient(frame, "requestId"u8, Wire.Text) ?? "" : "";
        Pending? call;
        Turn? turn;
        lock (_gate)
        {
            turn = _turns.GetValueOrDefault(id);
            _calls.Remove(id, out call);
        }

        var wrong = new ProtocolException($"an event cannot be read: {error.Message}", id, error);
        if (call is not null)
        {
            call.Fail(wrong);
        }
        else
        {
            turn?.Fail(wrong);
        }
    }

    /// <summary>Ends everything that is under way. With <paramref name="last"/> nothing may begin any more.</summary>
    public void Fail(Func<string, Exception> cause, bool last)
    {
        Dictionary<string, Pending> calls;
        Dictionary<string, Turn> turns;
        lock (_gate)
        {
            (calls, turns) = (_calls, _turns);
            _calls = new Dictionary<string, Pending>(StringComparer.Ordinal);
            _turns = new Dictionary<string, Turn>(StringComparer.Ordinal);
            _closed ??= last ? cause("") : null;
        }

        foreach (var call in calls.Values)
        {
            call.Fail(cause(call.RequestId));
        }

        foreach (var turn in turns.Values)
        {
            turn.Fail(cause(turn.RequestId));
        }
    }

    private void ThrowIfClosed(string requestId)
    {
        if (_closed is not null)
        {
            throw new ClientClosedException(requestId, _closed);
        }
    }
}

/// <summary>A call that waits for its answer.</summary>
/// <param name="requestId">The id that the answer carries.</param>
/// <param name="types">The types of event that answer it, beside an error.</param>
internal abstract class Pending(string requestId, string[] types)
{
    public string RequestId => requestId;

    /// <summary>Whether an event answers the call. A 202 accepts a turn and answers none.</summary>
    public bool Takes(ServerEvent serverEvent) =>
        serverEvent is ErrorEvent || (serverEvent is not ImmediateResponseEvent { Status: 202 } && types.Contains(serverEvent.Tag, StringComparer.Ordinal));

    public abstract void Take(ServerEvent serverEvent, JsonElement frame);

    public abstract void Fail(Exception error);
}

/// <summary>A call whose answer is read as <typeparamref name="T"/>.</summary>
internal sealed class Pending<T>(string requestId, string[] types, Func<ServerEvent, JsonElement, T> read) : Pending(requestId, types)
{
    private readonly TaskCompletionSource<T> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task<T> Answer => _answer.Task;

    public override void Take(ServerEvent serverEvent, JsonElement frame)
    {
        switch (serverEvent)
        {
            case ErrorEvent error:
                Fail(new ServerErrorException(error));
                break;
            case InteractionInvalidEvent invalid when invalid is not T:
                Fail(new InteractionInvalidException(invalid));
                break;
            default:
                Read(serverEvent, frame);
                break;
        }
    }

    private void Read(ServerEvent serverEvent, JsonElement frame)
    {
        try
        {
            _answer.TrySetResult(read(serverEvent, frame));
        }
        catch (DecodeException error)
        {
            Fail(new ProtocolException($"the answer cannot be read: {error.Message}", RequestId, error));
        }
    }

    public override void Fail(Exception error) => _answer.TrySetException(error);
}
