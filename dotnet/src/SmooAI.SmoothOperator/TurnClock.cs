namespace SmooAI.SmoothOperator;

/// <summary>
/// Measures a turn: all of it, and the silence since its last event. It stands still while the turn is parked. The turn
/// that owns it holds its own lock around every call.
/// </summary>
/// <param name="limits">How long the turn and its silences may be.</param>
/// <param name="ranOut">Called when a limit has passed; it may just have been too late to stop the clock.</param>
internal sealed class TurnClock(SmoothAgentOptions limits, Action<TimeLimit> ranOut) : IDisposable
{
    private readonly ITimer _idle = limits.TimeProvider.CreateTimer(_ => ranOut(TimeLimit.Idle), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    private readonly ITimer _turn = limits.TimeProvider.CreateTimer(_ => ranOut(TimeLimit.Turn), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);

    /// <summary>What is left of the turn's time when the clock begins to run.</summary>
    private TimeSpan _left = limits.TurnTimeout;

    /// <summary>Since when the clock runs; null while it stands still.</summary>
    private long? _since;

    /// <summary>Lets the clock run, that of the silence from its beginning.</summary>
    public void Run()
    {
        _idle.Change(Due(limits.IdleTimeout), Timeout.InfiniteTimeSpan);
        if (_since is null)
        {
            _since = limits.TimeProvider.GetTimestamp();
            _turn.Change(Due(_left), Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>Lets the clock stand still.</summary>
    public void Stop()
    {
        _idle.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _turn.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        if (_since is { } since && _left != Timeout.InfiniteTimeSpan)
        {
            _left = TimeSpan.FromTicks(Math.Max(0, (_left - limits.TimeProvider.GetElapsedTime(since)).Ticks));
        }

        _since = null;
    }

    public void Dispose()
    {
        _idle.Dispose();
        _turn.Dispose();
    }

    /// <summary>What a timer takes of a limit that may be none, or more than it can take.</summary>
    private static TimeSpan Due(TimeSpan limit) =>
        limit == Timeout.InfiniteTimeSpan ? limit : TimeSpan.FromMilliseconds(Math.Clamp(limit.TotalMilliseconds, 0, uint.MaxValue - 1));
}
