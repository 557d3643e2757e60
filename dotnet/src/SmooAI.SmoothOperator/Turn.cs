using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;

namespace SmooAI.SmoothOperator;

/// <summary>
/// One message and everything that answers it. It may be iterated, awaited, both or neither; it holds no thread and is
/// forgotten when it ends. Its members may be used from several threads at once.
/// </summary>
public sealed class Turn : IAsyncEnumerable<ServerEvent>
{
    /// <summary>
    /// How many events are kept for a reader who is late, or never comes. Beyond it the oldest event that only streams
    /// gives way; one that parks or ends the turn never does.
    /// </summary>
    private const int MostQueued = 4096;

    private readonly object _gate = new();
    private readonly SmoothAgentClient _client;
    private readonly Mux _mux;
    private readonly TurnClock _clock;
    private readonly LinkedList<ServerEvent> _queue = new();
    private readonly TaskCompletionSource<TurnResult> _result = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TaskCompletionSource? _news;
    private Exception? _failure;

    internal Turn(SmoothAgentClient client, Mux mux, string requestId, string sessionId, TimeProvider time, TimeSpan limit, TimeSpan silence)
    {
        (_client, _mux, RequestId, SessionId) = (client, mux, requestId, sessionId);
        _clock = new TurnClock(time, limit, silence, Expire);

        // A turn that nobody awaits is no unobserved failure.
        _ = _result.Task.ContinueWith(
            static task => _ = task.Exception,
            CancellationToken.None,
            TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
    }

    /// <summary>The turn's own id, which all its events carry.</summary>
    public string RequestId { get; }

    /// <summary>The session that the message was sent in.</summary>
    public string SessionId { get; }

    /// <summary>The event by which the turn waits for a person; null while it does not.</summary>
    public ServerEvent? Parked { get; private set; }

    /// <summary>How many events that only stream were dropped because they were not taken in time.</summary>
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
    public async Task<string> GetTextAsync(CancellationToken cancellationToken = default)
    {
        var result = await Result.WaitAsync(cancellationToken).ConfigureAwait(false);
        return result.Response.ResponseParts.FirstOrDefault() ?? "";
    }

    /// <summary>
    /// The events as they come, each one once, up to the one that ends the turn. A failure on this side (a lost
    /// connection, a time-out) is thrown after the last event; an <see cref="ErrorEvent"/> or
    /// <see cref="CancelledEvent"/> is an event.
    /// </summary>
    public async IAsyncEnumerator<ServerEvent> GetAsyncEnumerator(CancellationToken cancellationToken = default)
    {
        while (true)
        {
            var (next, news) = Next();
            if (next is not null)
            {
                yield return next;
            }
            else if (news is not null)
            {
                await news.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
            else
            {
                yield break;
            }
        }
    }

    /// <summary>Asks the server to stop the work. The turn ends as cancelled, or with its answer if that was faster.</summary>
    public Task CancelAsync(CancellationToken cancellationToken = default) =>
        _client.CancelAsync(new CancelParams { RequestId = RequestId, SessionId = SessionId }, cancellationToken);

    /// <summary>Approves or denies the tool call that a <see cref="WriteConfirmationRequiredEvent"/> asked about.</summary>
    public Task<ConfirmToolActionReply> ConfirmAsync(bool approved, CancellationToken cancellationToken = default) =>
        _client.ConfirmToolActionAsync(new ConfirmToolActionParams { RequestId = RequestId, SessionId = SessionId, Approved = approved }, cancellationToken);

    /// <summary>Answers an <see cref="OtpVerificationRequiredEvent"/>.</summary>
    /// <returns>An <see cref="OtpVerifiedEvent"/> or an <see cref="OtpInvalidEvent"/>.</returns>
    public Task<ServerEvent> VerifyOtpAsync(string code, CancellationToken cancellationToken = default) =>
        _client.VerifyOtpAsync(new VerifyOtpParams { RequestId = RequestId, SessionId = SessionId, Code = code }, cancellationToken);

    /// <summary>Answers the form of an <see cref="InteractionRequiredEvent"/>.</summary>
    /// <exception cref="InteractionInvalidException">The server finds values wrong; the turn stays parked.</exception>
    /// <exception cref="NotParkedException">The turn waits for no form.</exception>
    public async Task<SubmitInteractionReply> SubmitAsync(JsonObject values, CancellationToken cancellationToken = default) =>
        await _client.SubmitInteractionAsync(Form() with { Values = values }, cancellationToken).ConfigureAwait(false);

    /// <summary>Answers an <see cref="InteractionRequiredEvent"/> by saying no.</summary>
    /// <exception cref="NotParkedException">The turn waits for no form.</exception>
    public async Task<SubmitInteractionReply> DeclineAsync(CancellationToken cancellationToken = default) =>
        await _client.SubmitInteractionAsync(Form() with { Declined = true }, cancellationToken).ConfigureAwait(false);

    private SubmitInteractionParams Form() => Parked is InteractionRequiredEvent { Data.Data: var form }
        ? new SubmitInteractionParams { RequestId = RequestId, SessionId = SessionId, InteractionId = form.InteractionId, Kind = form.Kind }
        : throw new NotParkedException(RequestId);

    /// <summary>Adds an event of the turn.</summary>
    internal void Push(ServerEvent serverEvent)
    {
        lock (_gate)
        {
            if (IsOver)
            {
                return;
            }

            MakeRoom();
            _queue.AddLast(serverEvent);
            switch (serverEvent)
            {
                case EventualResponseEvent end:
                    Finish(() => _result.TrySetResult(end.Data.Data));
                    break;
                case ErrorEvent end:
                    Finish(() => _result.TrySetException(new ServerErrorException(end)));
                    break;
                case CancelledEvent:
                    Finish(() => _result.TrySetException(new TurnCancelledException(RequestId)));
                    break;
                case WriteConfirmationRequiredEvent or InteractionRequiredEvent or OtpVerificationRequiredEvent:
                    Parked = serverEvent;
                    _clock.Stop();
                    break;
                // The call that waits is shown after the question, and leaves the turn parked.
                case StreamChunkEvent { Data.State.RawResponse.ToolCall: not null } when Parked is not null:
                case UnknownEvent when Parked is not null:
                case OtpSentEvent or OtpInvalidEvent or InteractionInvalidEvent or KeepaliveEvent:
                    _clock.Heard();
                    break;
                default:
                    Parked = null;
                    _clock.Start();
                    break;
            }

            Tell();
        }
    }

    /// <summary>Lets the clock run, at the beginning and again after a verdict.</summary>
    internal void Resume()
    {
        lock (_gate)
        {
            if (!IsOver)
            {
                Parked = null;
                _clock.Start();
            }
        }
    }

    /// <summary>Ends the turn from this side.</summary>
    internal void Fail(Exception error)
    {
        lock (_gate)
        {
            if (!IsOver)
            {
                _failure = error;
                Finish(() => _result.TrySetException(error));
                Tell();
            }
        }
    }

    private bool IsOver => _result.Task.IsCompleted;

    private void Expire()
    {
        lock (_gate)
        {
            if (!IsOver && _clock.RanOut() is { } limit)
            {
                Fail(new TimeLimitException(limit, RequestId));
            }
        }
    }

    /// <summary>Ends the turn. Its id is free before anyone can see that it has ended.</summary>
    private void Finish(Func<bool> settle)
    {
        _mux.End(this);
        Parked = null;
        _clock.Stop();
        settle();
    }

    private (ServerEvent? Next, Task? News) Next()
    {
        lock (_gate)
        {
            if (_queue.First is { } first)
            {
                _queue.RemoveFirst();
                return (first.Value, null);
            }

            if (!IsOver)
            {
                _news ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                return (null, _news.Task);
            }

            return _failure is null ? (null, null) : throw _failure;
        }
    }

    private void MakeRoom()
    {
        if (_queue.Count < MostQueued)
        {
            return;
        }

        for (var node = _queue.First; node is not null; node = node.Next)
        {
            if (node.Value is StreamTokenEvent or StreamReasoningEvent or StreamPreambleEvent or StreamChunkEvent or KeepaliveEvent or UnknownEvent)
            {
                _queue.Remove(node);
                Missed++;
                return;
            }
        }
    }

    /// <summary>Wakes whoever iterates.</summary>
    private void Tell()
    {
        _news?.TrySetResult();
        _news = null;
    }

    /// <summary>The turn's id.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"turn {RequestId}");
}
