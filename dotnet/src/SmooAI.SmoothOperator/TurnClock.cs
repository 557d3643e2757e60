namespace SmooAI.SmoothOperator;

/// <summary>
/// Measures a turn: all of it, and the silence since its last event. It stands still while the turn is parked. The turn
/// that owns it holds its own lock around every call.
/// </summary>
/// <param name="limits">How long the turn and its silences may be.</param>
/// <param name="look">Called when a limit may have passed.</param>
internal sealed class TurnClock(SmoothAgentOptions limits, Action look)
{
    /// <summary>How long the clock ran before it last stood still.</summary>
    private TimeSpan _before;
    private long _since;
    private long _heard;

    /// <summary>There is one while the clock runs.</summary>
    private ITimer? _timer;

    /// <summary>Lets the clock run and notes an event.</summary>
    public void Start()
    {
        Heard();
        if (_timer is null)
        {
            _since = _heard;
            _timer = limits.TimeProvider.CreateTimer(static look => ((Action)look!)(), look, Due(Next().Left), Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>
    /// Notes an event that does not change whether the clock runs. It only moves the end away, so the timer stays.
    /// </summary>
    public void Heard() => _heard = limits.TimeProvider.GetTimestamp();

    public void Stop()
    {
        if (_timer is not null)
        {
            _before += limits.TimeProvider.GetElapsedTime(_since);
            _timer.Dispose();
            _timer = null;
        }
    }

    /// <summary>
    /// Which limit has passed. A timer that fired just before it was stopped is not heeded; one that fired before the
    /// end, as timers may, is set again.
    /// </summary>
    public TimeLimit? RanOut()
    {
        var (left, limit) = Next();
        if (_timer is not null && left <= TimeSpan.Zero)
        {
            return limit;
        }

        _timer?.Change(Due(left), Timeout.InfiniteTimeSpan);
        return null;
    }

    private (TimeSpan Left, TimeLimit Limit) Next()
    {
        var turn = Left(limits.TurnTimeout, _before + limits.TimeProvider.GetElapsedTime(_since));
        var idle = Left(limits.IdleTimeout, limits.TimeProvider.GetElapsedTime(_heard));
        return idle < turn ? (idle, TimeLimit.Idle) : (turn, TimeLimit.Turn);
    }

    private static TimeSpan Left(TimeSpan limit, TimeSpan spent) =>
        limit == Timeout.InfiniteTimeSpan ? TimeSpan.MaxValue : limit - spent;

    /// <summary>When to look: a little late rather than early, and within what a timer can take.</summary>
    private static TimeSpan Due(TimeSpan left) =>
        TimeSpan.FromMilliseconds(Math.Clamp(left.TotalMilliseconds, 0, TimeSpan.FromDays(1).TotalMilliseconds) + 1);
}
