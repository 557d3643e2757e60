using System.Threading.Channels;

namespace SmooAI.SmoothOperator.Tests;

/// <summary>A time that stands still until it is moved; timers fire when they are due, on the thread that moves it.</summary>
internal sealed class SetTime : TimeProvider
{
    private readonly Lock _gate = new();
    private readonly List<SetTimer> _timers = [];
    private readonly Channel<TimeSpan> _made = Channel.CreateUnbounded<TimeSpan>();
    private TimeSpan _now;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    /// <summary>How many timers there are that will fire.</summary>
    public int Running
    {
        get
        {
            lock (_gate)
            {
                return _timers.Count(static timer => timer.Due is not null);
            }
        }
    }

    public override long GetTimestamp()
    {
        lock (_gate)
        {
            return _now.Ticks;
        }
    }

    /// <summary>Waits for the next timer that is made to fire after that time.</summary>
    public async Task UntilTimerAsync(TimeSpan dueTime)
    {
        while (await _made.Reader.ReadAsync(TestContext.Current.CancellationToken) != dueTime)
        {
            // It is another's.
        }
    }

    /// <summary>Moves the time. A timer that is due, even more than once, fires once.</summary>
    public void Move(TimeSpan by)
    {
        List<SetTimer> due;
        lock (_gate)
        {
            _now += by;
            due = [.. _timers.Where(timer => timer.Due <= _now)];
            due.ForEach(timer => timer.Due = timer.Period is { } period ? _now + period : null);
        }

        due.ForEach(static timer => timer.Fire());
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new SetTimer(this, () => callback(state));
        timer.Change(dueTime, period);
        lock (_gate)
        {
            _timers.Add(timer);
        }

        _made.Writer.TryWrite(dueTime);
        return timer;
    }

    private sealed class SetTimer(SetTime time, Action fire) : ITimer
    {
        public TimeSpan? Due { get; set; }

        public TimeSpan? Period { get; private set; }

        public void Fire() => fire();

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (time._gate)
            {
                Due = dueTime == Timeout.InfiniteTimeSpan ? null : time._now + dueTime;
                Period = period == Timeout.InfiniteTimeSpan ? null : period;
            }

            return true;
        }

        public void Dispose()
        {
            lock (time._gate)
            {
                Due = null;
                time._timers.Remove(this);
            }
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
