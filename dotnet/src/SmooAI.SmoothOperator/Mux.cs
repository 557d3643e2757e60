namespace SmooAI.SmoothOperator;

/// <summary>
/// Knows who waits for what. It has no socket: frames are put in with <c>Deliver</c>, <c>Flush</c> says that the next
/// one is still to come, and <c>Fail</c> that no more will come for those who wait now; these three are for one reader.
/// </summary>
internal sealed class Mux(Action<ServerEvent> stray)
{
    /// <summary>Bounds what is held, so that the first event of a long burst is soon seen.</summary>
    private const int MostHeld = 64;

    /// <summary>
    /// Events that stream, while more frames are there already. To wake the reader of a turn costs about as much as to
    /// read an event, and so it is woken once for all that came together.
    /// </summary>
    private readonly List<(Turn Turn, ServerEvent Event)> _held = [];

    private readonly ConcurrentDictionary<string, Call> _calls = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Turn> _turns = new(StringComparer.Ordinal);

    /// <summary>Registers a call. A verdict may go under the id of the turn that waits for it.</summary>
    public void Begin(Call call) => Begin(_calls, call.RequestId, call);

    /// <summary>Registers a turn, which is given its events from now on.</summary>
    public void Begin(Turn turn) => Begin(_turns, turn.RequestId, turn);

    /// <summary>Ends the wait for a call; what still comes for it is stray.</summary>
    public void End(Call call) => _calls.TryRemove(KeyValuePair.Create(call.RequestId, call));

    public void End(Turn turn) => _turns.TryRemove(KeyValuePair.Create(turn.RequestId, turn));

    /// <summary>Takes one frame to whoever waits for it. The memory is looked at only during the call.</summary>
    public void Deliver(ReadOnlyMemory<byte> frame)
    {
        try
        {
            Wire.Parse(frame, Deliver);
        }
        catch (DecodeException error)
        {
            Flush();
            ClientLog.Instance.UnreadableFrame(error.Message);
            Fail(error.RequestId ?? "", new ProtocolException($"an event cannot be read: {error.Message}", error.RequestId, error));
        }
    }

    /// <summary>Gives the turns what is held for them.</summary>
    public void Flush()
    {
        _held.ForEach(static held => held.Turn.Push(held.Event));
        _held.Clear();
    }

    /// <summary>Ends everything that is under way.</summary>
    public void Fail(Func<string?, Exception> cause)
    {
        foreach (var id in _calls.Keys.Union(_turns.Keys, StringComparer.Ordinal))
        {
            Fail(id, cause(id));
        }
    }

    private static void Begin<T>(ConcurrentDictionary<string, T> waiting, string requestId, T waiter)
    {
        if (!waiting.TryAdd(requestId, waiter))
        {
            throw new ProtocolException("another call or turn has this requestId", requestId);
        }
    }

    /// <summary>Takes one event, which it returns, to whoever waits for it.</summary>
    private ServerEvent Deliver(JsonElement frame)
    {
        var serverEvent = Wire.Read<ServerEvent>(frame);
        var id = serverEvent.GetRequestId() ?? "";
        var turn = _turns.GetValueOrDefault(id);
        if (turn is not null && serverEvent.GetTurnEffect() == TurnEffect.Streams && _held.Count < MostHeld)
        {
            _held.Add((turn, serverEvent));
            return serverEvent;
        }

        // Nothing overtakes what is held.
        Flush();

        // An error by which a turn ends is no answer to a verdict under its id.
        var isTurns = turn is not null && serverEvent is ErrorEvent { Error.Code.EndsTurn: true };
        var call = isTurns ? null : _calls.GetValueOrDefault(id);
        var isAnswer = call is not null && call.IsAnsweredBy(serverEvent);
        switch (serverEvent)
        {
            // They are about a call alone, and no part of a turn that waits under the same id.
            case ErrorEvent when isAnswer:
                break;
            case ImmediateResponseEvent when isAnswer:
                turn?.Resume();
                break;
            case var _ when turn is not null:
                turn.Push(serverEvent);
                break;
            case var _ when !isAnswer:
                stray(serverEvent);
                break;
        }

        // Whoever awaits the answer finds the turn as it is after it.
        _ = isAnswer && call!.TrySetResult(new Answer(serverEvent, frame.Clone()));
        return serverEvent;
    }

    /// <summary>Fails what waits under an id.</summary>
    private void Fail(string requestId, Exception error)
    {
        _turns.GetValueOrDefault(requestId)?.Fail(error);
        _calls.GetValueOrDefault(requestId)?.TrySetException(error);
    }
}

/// <summary>A call that waits for its answer.</summary>
/// <param name="requestId">The id that the answer carries.</param>
/// <param name="types">The types of event that answer it, beside an error.</param>
internal sealed class Call(string requestId, string[] types) : TaskCompletionSource<Answer>(TaskCreationOptions.RunContinuationsAsynchronously)
{
    public string RequestId => requestId;

    /// <summary>Whether the event is the answer, which is still awaited. A 202 accepts a turn and answers none.</summary>
    public bool IsAnsweredBy(ServerEvent serverEvent) =>
        !Task.IsCompleted && (serverEvent is ErrorEvent || (serverEvent is not ImmediateResponseEvent { Status: 202 } && types.Contains(serverEvent.Tag, StringComparer.Ordinal)));
}

/// <summary>What answers a call, as it was read and as it came.</summary>
internal readonly record struct Answer(ServerEvent Event, JsonElement Frame);
