package protocol

import (
	"encoding/json"
	"slices"
	"sync"
)

// mux knows who waits for what. It has no socket: frames are put in with deliver, and failAll says that no more will
// come.
type mux struct {
	// calls has a *pending and turns a *Turn under each requestId.
	calls, turns sync.Map
	// stray takes what nobody waits for; err is set instead of event for a frame that cannot be read.
	stray func(event Event, err error)
}

// pending is a call that waits for its answer.
type pending struct {
	// events are the types that answer it, beside an error.
	events []string
	answer chan answer
}

type answer struct {
	event Event
	frame []byte
	err   error
}

// claim lets a call or a turn wait under an id, which only one of its kind may have at a time. A verdict may go under
// the id of the turn that waits for it.
func claim(waiting *sync.Map, id string, waiter any) error {
	if _, taken := waiting.LoadOrStore(id, waiter); taken {
		return errInUse
	}
	return nil
}

// deliver takes one frame to whoever waits for it.
func (m *mux) deliver(frame []byte) {
	event, err := UnmarshalEvent(frame)
	if err != nil {
		m.deliverBroken(frame, err)
		return
	}
	id := event.GetRequestID()
	waiting, _ := m.calls.Load(id)
	running, _ := m.turns.Load(id)
	call, _ := waiting.(*pending)
	turn, _ := running.(*Turn)
	taken := call != nil && call.takes(event) && !(turn != nil && failsTurn(event)) && m.calls.CompareAndDelete(id, call)
	if taken { // at last: whoever has the answer finds the turn as it is after it
		defer func() { call.answer <- answer{event: event, frame: frame, err: refusal(event)} }()
	}
	switch _, isReply := event.(*ImmediateResponseEvent); {
	case turn == nil && !taken:
		m.stray(event, nil)
	case turn == nil || taken && event.EventTag() == "error": // it is about the call alone
	case taken && isReply: // so is this, but the turn no longer waits for the verdict
		turn.resume()
	default:
		turn.push(event)
	}
}

// takes tells whether an event answers the call.
func (p *pending) takes(event Event) bool {
	if reply, ok := event.(*ImmediateResponseEvent); ok && reply.Status == 202 {
		return false // it accepts a turn
	}
	return event.EventTag() == "error" || slices.Contains(p.events, event.EventTag())
}

// failsTurn tells whether an error is one by which a turn ends, and so no answer to a verdict under its id.
func failsTurn(event Event) bool {
	failed, ok := event.(*ErrorEvent)
	return ok && failed.Error.Code.EndsTurn()
}

// deliverBroken fails what a frame that cannot be read names, so that nobody waits in vain.
func (m *mux) deliverBroken(frame []byte, err error) {
	var id string
	if json.Valid(frame) {
		id = peek(frame, "requestId", (*reader).text)
	}
	wrong := failure(id, "reading an event", err)
	if !m.fail(id, wrong) {
		m.stray(nil, wrong)
	}
}

// fail ends the call and the turn that wait under an id, and tells whether there was one.
func (m *mux) fail(id string, err error) bool {
	call, waits := m.calls.LoadAndDelete(id)
	if waits {
		call.(*pending).answer <- answer{err: err}
	}
	turn, runs := m.turns.Load(id)
	if runs {
		turn.(*Turn).fail(err)
	}
	return waits || runs
}

// failAll ends everything that is under way. A connection that can resume its turns would keep them here and fail only
// the calls.
func (m *mux) failAll(cause error) {
	for _, waiting := range []*sync.Map{&m.calls, &m.turns} {
		for id := range waiting.Range {
			m.fail(id.(string), failure(id.(string), "waiting for an answer", cause))
		}
	}
}
