using System.Text.Json;

namespace SmooAI.SmoothOperator.Conformance;

/// <summary>One turn as its caller follows it.</summary>
internal sealed class Follower(Driver driver, Turn turn, StartTurnCommand start)
{
    private readonly CancellationTokenSource _abandoned = new();
    private readonly TaskCompletionSource _left = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile TaskCompletionSource _ahead = Gate(open: start.Read != Reading.Neither);
    private uint _events;

    /// <summary>Reads the turn as it was told to, and reports its end.</summary>
    public async Task FollowAsync()
    {
        var iterating = start.Read == Reading.Await ? Task.FromResult<ErrorSeen?>(null) : IterateAsync();
        var (result, error) = start.Read == Reading.Iterate ? (null, null) : await AwaitAsync().ConfigureAwait(false);
        driver.Report(new TurnEndedReport
        {
            Turn = start.Turn,
            IterationError = await iterating.ConfigureAwait(false),
            Events = _events,
            Error = error,
            Result = result is null ? null : Calls.Encoded(result),
            Text = result is null ? null : await turn.GetTextAsync().ConfigureAwait(false),
        });
        _left.SetResult();
    }

    /// <summary>The turn's own method for an answer.</summary>
    public async Task<JsonElement> AnswerAsync(ParkAnswer answer) => answer switch
    {
        ConfirmAnswer confirm => Calls.Encoded(await turn.ConfirmAsync(confirm.Approved).ConfigureAwait(false)),
        CodeAnswer code => Calls.Encoded(await turn.VerifyOtpAsync(code.Code).ConfigureAwait(false)),
        FormAnswer form => Calls.Encoded(await turn.SubmitAsync(form.Values).ConfigureAwait(false)),
        _ => Calls.Encoded(await turn.DeclineAsync().ConfigureAwait(false)),
    };

    public Task CancelAsync() => turn.CancelAsync();

    /// <summary>Ends the waiting, not the work.</summary>
    public async Task AbandonAsync()
    {
        await _abandoned.CancelAsync().ConfigureAwait(false);
        await _left.Task.ConfigureAwait(false);
    }

    public Task Pause()
    {
        if (_ahead.Task.IsCompleted)
        {
            _ahead = Gate(open: false);
        }

        return Task.CompletedTask;
    }

    public Task GoOn()
    {
        _ahead.TrySetResult();
        return Task.CompletedTask;
    }

    private static TaskCompletionSource Gate(bool open)
    {
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        if (open)
        {
            gate.SetResult();
        }

        return gate;
    }

    private async Task<ErrorSeen?> IterateAsync()
    {
        try
        {
            await _ahead.Task.WaitAsync(_abandoned.Token).ConfigureAwait(false);
            await foreach (var it in turn.WithCancellation(_abandoned.Token).ConfigureAwait(false))
            {
                _events++;
                driver.Report(new TurnEventReport { Turn = start.Turn, Event = Driver.Encoded(it), Known = it is not UnknownEvent });
                await _ahead.Task.WaitAsync(_abandoned.Token).ConfigureAwait(false);
            }

            return null;
        }
        catch (Exception error) when (error is SmoothOperatorException or OperationCanceledException)
        {
            return Errors.Seen(error);
        }
    }

    private async Task<(TurnResult? Result, ErrorSeen? Error)> AwaitAsync()
    {
        try
        {
            await _ahead.Task.WaitAsync(_abandoned.Token).ConfigureAwait(false);
            return (await turn.WaitAsync(_abandoned.Token).ConfigureAwait(false), null);
        }
        catch (Exception error) when (error is SmoothOperatorException or OperationCanceledException)
        {
            return (null, Errors.Seen(error));
        }
    }
}
