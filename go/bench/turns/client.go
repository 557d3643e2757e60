package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/SmooAI/smooth-operator/go/protocol"
)

// client is package protocol, with a goroutine for each turn, as a program would have it.
type client struct {
	*protocol.Client
	session string
	held    sync.WaitGroup
}

func connectClient(ctx context.Context, url string) (side, error) {
	dialled, err := protocol.Dial(ctx, url, nil)
	if err != nil {
		return nil, err
	}
	session, err := dialled.CreateConversationSession(ctx, protocol.CreateConversationSessionParams{})
	if err != nil {
		return nil, err
	}
	return &client{Client: dialled, session: session.SessionID}, nil
}

func decodeClient(frame []byte) error {
	_, err := protocol.UnmarshalEvent(frame)
	return err
}

func (c *client) turns(message string, count, atOnce int) error {
	work, failures := make(chan struct{}), make(chan error, atOnce)
	var workers sync.WaitGroup
	for range atOnce {
		workers.Go(func() {
			for range work {
				if err := c.turn(message); err != nil {
					failures <- err
					return
				}
			}
		})
	}
	var failed error
	for range count {
		select {
		case work <- struct{}{}:
		case failed = <-failures:
		}
		if failed != nil {
			break
		}
	}
	close(work)
	workers.Wait()
	close(failures)
	return errors.Join(failed, <-failures)
}

func (c *client) turn(message string) error {
	ctx := context.Background()
	turn, err := c.SendMessage(ctx, protocol.SendMessageParams{SessionID: c.session, Message: message})
	if err != nil {
		return err
	}
	var text strings.Builder
	for event, err := range turn.Events(ctx) {
		if err != nil {
			return err
		}
		if token, ok := event.(*protocol.StreamTokenEvent); ok {
			text.WriteString(token.Token)
		}
	}
	answer, err := turn.Text(ctx)
	if err == nil && answer != text.String() {
		err = fmt.Errorf("%q is not %q", text.String(), answer)
	}
	return err
}

func (c *client) open(count int) error {
	begun := make(chan error, count)
	for n := range count {
		turn, err := c.SendMessage(context.Background(), protocol.SendMessageParams{SessionID: c.session, Message: "hold"})
		if err != nil {
			return err
		}
		c.held.Go(func() { hold(turn, begun) })
		if n >= ahead {
			if err := <-begun; err != nil {
				return err
			}
		}
	}
	for range min(count, ahead) {
		if err := <-begun; err != nil {
			return err
		}
	}
	return nil
}

// hold reads a turn up to its first token and then waits for its end.
func hold(turn *protocol.Turn, begun chan<- error) {
	for event, err := range turn.Events(context.Background()) {
		if _, ok := event.(*protocol.StreamTokenEvent); ok || err != nil {
			begun <- err
			break
		}
	}
	_, _ = turn.Wait(context.Background()) // it ends when the client is closed
}

func (c *client) close() error {
	err := c.Close()
	c.held.Wait()
	return err
}
