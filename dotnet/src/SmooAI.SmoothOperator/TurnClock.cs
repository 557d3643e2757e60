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
    private ITimer? _limitTimer;
    private ITimer? _silenceTimer;
    private bool _isRunning;

    /// <summary>Lets the clock run and notes an event.</summary>
    public void Start()
    {
        if (!_isRunning)
        {
            _isRunning = true;
            _since = time.GetTimestamp();
            _limitTimer = Timer(_left);
            _silenceTimer = Timer(silence);
        }

        Heard();
    }

    /// <summary>Notes an event that does not change whether the clock runs.</summary>
    public void Heard()
    {
        _heard = time.GetTimestamp();
        _silenceTimer?.Change(silence, Timeout.InfiniteTimeSpan);
    }

    public void Stop()
    {
        if (!_isRunning)
        {
            return;
        }

        _isRunning = false;
        if (_limitTimer is not null)
        {
            _left = TimeSpan.FromTicks(Math.Max(0, (_left - time.GetElapsedTime(_since)).Ticks));
        }

        _limitTimer?.Dispose();
        _silenceTimer?.Dispose();
        (_limitTimer, _silenceTimer) = (null, null);
    }

    /// <summary>
    /// Which time has run out. A timer that fired just before it was stopped or set anew is not heeded; one that
    /// fired early, as timers may, is set again.
    /// </summary>
    public TimeLimit? RanOut()
    {
        var (isLong, isSilent) = (IsDue(_limitTimer, _left - time.GetElapsedTime(_since)), IsDue(_silenceTimer, silence - time.GetElapsedTime(_heard)));
        return isLong ? TimeLimit.Turn : isSilent ? TimeLimit.Idle : null;
    }

    private static bool IsDue(ITimer? timer, TimeSpan rest)
    {
        if (timer is not null && rest > TimeSpan.Zero)
        {
            timer.Change(rest + TimeSpan.FromMilliseconds(1), Timeout.InfiniteTimeSpan);
        }

        return timer is not null && rest <= TimeSpan.Zero;
    }

    private ITimer? Timer(TimeSpan due) =>
        due == Timeout.InfiniteTimeSpan
            ? null
            : time.CreateTimer(static state => ((Action)state!)(), expire, due, Timeout.InfiniteTimeSpan);
}
