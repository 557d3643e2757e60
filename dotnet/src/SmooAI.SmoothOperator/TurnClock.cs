namespace SmooAI.SmoothOperator;

/// <summary>
/// Measures a turn: all of it, and the silence since its last event. It stands still while the turn is parked. The turn
/// that owns it holds its own lock around every call.
/// </summary>
internal sealed class TurnClock(TimeProvider time, TimeSpan limit, TimeSpan silence, Action expire)
{
    private TimeSpan _left = limit;
    private long _since;
    private long _heard;
    private ITimer? _timer;
    private bool _isRunning;

    /// <summary>Lets the clock run and notes an event.</summary>
    public void Start()
    {
        Heard();
        if (!_isRunning)
        {
            (_isRunning, _since) = (true, _heard);
            _timer = time.CreateTimer(static state => ((Action)state!)(), expire, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            Set(Rest().Left);
        }
    }

    /// <summary>
    /// Notes an event that does not change whether the clock runs. It only moves the end away, so the timer stays.
    /// </summary>
    public void Heard() => _heard = time.GetTimestamp();

    public void Stop()
    {
        if (_isRunning)
        {
            _isRunning = false;
            _left = _left == Timeout.InfiniteTimeSpan ? _left : TimeSpan.FromTicks(Math.Max(0, Rest(_left, _since).Ticks));
            _timer?.Dispose();
        }
    }

    /// <summary>
    /// Which time has run out. A timer that fired just before it was stopped is not heeded; one that fired before the
    /// end, as timers may, is set again.
    /// </summary>
    public TimeLimit? RanOut()
    {
        if (!_isRunning)
        {
            return null;
        }

        var (left, which) = Rest();
        if (left <= TimeSpan.Zero)
        {
            return which;
        }

        Set(left);
        return null;
    }

    private (TimeSpan Left, TimeLimit Which) Rest()
    {
        var (turn, idle) = (Rest(_left, _since), Rest(silence, _heard));
        return idle < turn ? (idle, TimeLimit.Idle) : (turn, TimeLimit.Turn);
    }

    private TimeSpan Rest(TimeSpan all, long from) =>
        all == Timeout.InfiniteTimeSpan ? TimeSpan.MaxValue : all - time.GetElapsedTime(from);

    private void Set(TimeSpan left)
    {
        if (left < TimeSpan.MaxValue)
        {
            // Rounded up, so that it does not fire just before the end.
            _timer?.Change(TimeSpan.FromMilliseconds(Math.Ceiling(Math.Max(0, left.TotalMilliseconds))), Timeout.InfiniteTimeSpan);
        }
    }
}
