package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/SmooAI/smooth-operator/go/conformance/wire"
	"github.com/SmooAI/smooth-operator/go/protocol"
)

// follower is one turn as its caller follows it.
type follower struct {
	turn   *protocol.Turn
	gate   *gate
	cancel context.CancelFunc
	// left closes when nothing of the turn is waited for any more.
	left chan struct{}
}

// startTurn starts a turn and stays until it is over for its caller.
func (d *driver) startTurn(client *protocol.Client, start *wire.StartTurnCommand) {
	params, err := typed("send_message", start.Params)
	message, _ := params.(*protocol.SendMessageParams)
	if err != nil || message == nil {
		d.report(&wire.FailedReport{ID: start.ID, Error: seen(err)})
		return
	}
	var options []protocol.TurnOption
	if limits := start.Timeouts; limits != nil && limits.IdleMs != nil {
		options = append(options, protocol.WithIdleTimeout(milliseconds(limits.IdleMs)))
	}
	if limits := start.Timeouts; limits != nil && limits.TurnMs != nil {
		options = append(options, protocol.WithTurnTimeout(milliseconds(limits.TurnMs)))
	}
	sending, sent := limited(start.Timeouts)
	turn, err := client.SendMessage(sending, *message, options...)
	sent()
	if err != nil {
		d.report(&wire.FailedReport{ID: start.ID, Error: seen(err)})
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	f := &follower{turn: turn, gate: newGate(), cancel: cancel, left: make(chan struct{})}
	if start.Read == wire.ReadingNeither {
		f.gate.close()
	}
	d.mu.Lock()
	if d.turns != nil {
		d.turns[start.Turn] = f
	} else {
		f.gate.open() // the driver is ending
	}
	d.mu.Unlock()
	d.report(&wire.StartedReport{ID: start.ID, RequestID: turn.RequestID})
	d.report(d.follow(ctx, f, start))
	close(f.left)
}

// follow reads the turn as it was told to.
func (d *driver) follow(ctx context.Context, f *follower, start *wire.StartTurnCommand) *wire.TurnEndedReport {
	ended := &wire.TurnEndedReport{Turn: start.Turn}
	var reading sync.WaitGroup
	if start.Read != wire.ReadingAwait {
		reading.Go(func() { d.iterate(ctx, f, ended) })
	}
	if start.Read != wire.ReadingIterate {
		f.gate.wait(ctx)
		result, err := f.turn.Wait(ctx)
		if err != nil {
			ended.Error = wire.Ptr(seen(err))
		} else {
			text, _ := f.turn.Text(ctx) // it has ended: this is the same result
			ended.Text = &text
			ended.Result, _ = result.MarshalJSON() // what was read can be written
		}
	}
	reading.Wait()
	return ended
}

func (d *driver) iterate(ctx context.Context, f *follower, ended *wire.TurnEndedReport) {
	f.gate.wait(ctx)
	for event, err := range f.turn.Events(ctx) {
		if err != nil {
			ended.IterationError = wire.Ptr(seen(err))
			continue
		}
		ended.Events++
		d.report(&wire.TurnEventReport{Turn: ended.Turn, Event: object(event), Known: isKnown(event)})
		f.gate.wait(ctx)
	}
}

// order carries out what is wanted of a turn that was started.
func (d *driver) order(command wire.Command) error {
	switch command := command.(type) {
	case *wire.AnswerParkCommand:
		f, err := d.follower(command.Turn)
		if err != nil {
			return err
		}
		reply, err := answerPark(f.turn, command.Answer)
		d.answer(command.ID, reply, err)
		return nil
	case *wire.CancelTurnCommand:
		return d.told(command.ID, command.Turn, func(f *follower) error { return f.turn.Cancel(context.Background()) })
	case *wire.AbandonTurnCommand:
		return d.told(command.ID, command.Turn, func(f *follower) error {
			f.cancel()
			<-f.left
			return nil
		})
	case *wire.PauseReadingCommand:
		return d.told(command.ID, command.Turn, func(f *follower) error { f.gate.close(); return nil })
	case *wire.GoOnCommand:
		return d.told(command.ID, command.Turn, func(f *follower) error { f.gate.open(); return nil })
	}
	return fmt.Errorf("the command %s is not known", command.CommandTag())
}

// told does something with a turn and reports that it is done.
func (d *driver) told(id uint32, turn string, do func(*follower) error) error {
	f, err := d.follower(turn)
	if err != nil {
		return err
	}
	if err := do(f); err != nil {
		d.report(&wire.FailedReport{ID: id, Error: seen(err)})
		return nil
	}
	d.report(&wire.DoneReport{ID: id})
	return nil
}

func (d *driver) follower(turn string) (*follower, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, ok := d.turns[turn]
	if !ok {
		return nil, fmt.Errorf("no turn named %s", turn)
	}
	return f, nil
}

func answerPark(turn *protocol.Turn, answer wire.ParkAnswer) (any, error) {
	ctx := context.Background()
	switch answer := answer.(type) {
	case *wire.ConfirmAnswer:
		return nil, turn.Confirm(ctx, answer.Approved)
	case *wire.CodeAnswer:
		return turn.VerifyOTP(ctx, answer.Code)
	case *wire.FormAnswer:
		return nil, turn.Submit(ctx, answer.Values)
	case *wire.DeclineAnswer:
		return nil, turn.Decline(ctx)
	}
	return nil, errors.New("an answer that is not known")
}

// gate holds a reader while it is closed.
type gate struct {
	mu    sync.Mutex
	ahead chan struct{}
}

func newGate() *gate {
	g := &gate{ahead: make(chan struct{})}
	close(g.ahead)
	return g
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.ahead:
		g.ahead = make(chan struct{})
	default:
	}
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.ahead:
	default:
		close(g.ahead)
	}
}

// wait returns when the gate is open or ctx ends.
func (g *gate) wait(ctx context.Context) {
	g.mu.Lock()
	ahead := g.ahead
	g.mu.Unlock()
	select {
	case <-ahead:
	case <-ctx.Done():
	}
}
