using System.Runtime.CompilerServices;

namespace SmooAI.SmoothOperator;

/// <summary>
/// One message and everything that answers it. It may be iterated, awaited, both or neither; it holds no thread and is
/// forgotten when it ends. Its members may be used from several threads at once.
/// </summary>
public sealed partial class Turn : IAsyncEnumerable<ServerEvent>
{
    /// <summary>
    /// How many events are kept for a reader who is late, or never comes. Beyond it one that only streams is not kept;
    /// one that parks or ends the turn always is.
    /// </summary>
    private const int MostQueued = 4096;

    private readonly object _gate = new();
    private readonly SmoothAgentClient _client;
    private readonly Mux _mux;
    private readonly TurnClock _clock;
    private readonly Channel<ServerEvent> _events = Channel.CreateUnbounded<ServerEvent>();
    private readonly TaskCompletionSource<TurnResult> _result = new(TaskCreationOptions.RunContinuationsAsynchronously);

    internal Turn(SmoothAgentClient client, Mux mux, SendMessageParams message, SmoothAgentOptions limits)
    {
        (_client, _mux, RequestId, SessionId) = (client, mux, message.RequestId!, message.SessionId);
        _clock = new TurnClock(limits, Expire);
    }

    /// <summary>The turn's own id, which all its events carry.</summary>
    public string RequestId { get; }

    /// <summary>The session that the message was sent in.</summary>
    public string SessionId { get; }

    /// <summary>The event by which the turn waits for a person; null while it does not.</summary>
    public ServerEvent? Parked { get; private set; }

    /// <summary>How many events that only stream were not kept because those before them were not taken in time.</summary>
    public int Missed { get; private set; }

    /// <summary>
    /// The answer, or the failure that ended the turn: <see cref="ServerErrorException"/>,
    /// <see cref="TurnCancelledException"/>, <see cref="ConnectionLostException"/>, <see cref="TimeLimitException"/>.
    /// </summary>
    public Task<TurnResult> Result => _result.Task;

    /// <summary>Makes <c>await turn</c> the same as awaiting <see cref="Result"/>.</summary>
    public TaskAwaiter<TurnResult> GetAwaiter() => Result.GetAwaiter();

    /// <summary>Waits for the answer; when the token is cancelled the waiting ends, and the turn goes on.</summary>
    public Task<TurnResult> WaitAsync(CancellationToken cancellationToken) => Result.WaitAsync(cancellationToken);

    /// <summary>Waits for the answer and returns its text.</summary>
    public async Task<string> GetTextAsync(CancellationToken cancellationToken = default) =>
        (await WaitAsync(cancellationToken).ConfigureAwait(false)).Response.ResponseParts.FirstOrDefault() ?? "";

    /// <summary>
    /// The events as they come, each one once, up to the one that ends the turn. A failure on this side (a lost
    /// connection, a time-out) is thrown after the last event; an <see cref="ErrorEvent"/> or
    /// <see cref="CancelledEvent"/> is an event.
    /// </summary>
    public IAsyncEnumerator<ServerEvent> GetAsyncEnumerator(CancellationToken cancellationToken = default) =>
        _events.Reader.ReadAllAsync(cancellationToken).GetAsyncEnumerator(cancellationToken);

    /// <summary>Adds an event of the turn, and does what it means to the turn.</summary>
    internal void Push(ServerEvent serverEvent) => UnlessEnded(() =>
    {
        var effect = serverEvent.GetTurnEffect();
        switch (effect)
        {
            case TurnEffect.Ends:
                End(SmoothOperatorException.Of(serverEvent), serverEvent);
                return;
            case TurnEffect.Parks:
                Parked = serverEvent;
                _clock.Stop();
                break;
            case TurnEffect.GoesOn or TurnEffect.Streams:
                Resume();
                break;
            default:
                Heard();
                break;
        }

        if (effect is TurnEffect.Streams or TurnEffect.Passes && _events.Reader.Count >= MostQueued)
        {
            Missed++;
        }
        else
        {
            _events.Writer.TryWrite(serverEvent);
        }
    });

    /// <summary>Lets the clock run, the silence from its beginning, unless the turn is parked.</summary>
    internal void Heard() => UnlessEnded(_clock.Run, orParked: true);

    /// <summary>Lets a turn that may be parked go on.</summary>
    internal void Resume() => UnlessEnded(() =>
    {
        Parked = null;
        _clock.Run();
    });

    /// <summary>Ends the turn from this side.</summary>
    internal void Fail(Exception error) => UnlessEnded(() => End(error, null));

    private void Expire(TimeLimit limit) => UnlessEnded(() => Fail(new TimeLimitException(limit, RequestId)), orParked: true);

    private void UnlessEnded(Action change, bool orParked = false)
    {
        lock (_gate)
        {
            if (!Result.IsCompleted && !(orParked && Parked is not null))
            {
                change();
            }
        }
    }

    /// <summary>Ends the turn, by an event or from this side. Its id is free before anyone can see that it has ended.</summary>
    private void End(Exception? failure, ServerEvent? last)
    {
        _mux.End(this);
        Parked = null;
        _clock.Dispose();
        _ = failure is null ? _result.TrySetResult((last as EventualResponseEvent)?.Data.Data!) : _result.TrySetException(failure);

        // Once it is looked at, a failure that nobody awaits is no unobserved one.
        _ = Result.Exception;
        _ = last is not null && _events.Writer.TryWrite(last);
        _events.Writer.Complete(last is null ? failure : null);
    }

    /// <summary>The turn's id.</summary>
    public override string ToString() => $"turn {RequestId}";
}
