package protocol_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/SmooAI/smooth-operator/go/protocol"
	"github.com/SmooAI/smooth-operator/go/protocol/protocoltest"
)

// serve starts a server that plays the script, and checks at the end that the script was content.
func serve(t *testing.T, script protocoltest.Script, options ...protocoltest.Option) *protocoltest.Server {
	t.Helper()
	server, err := protocoltest.NewServer(script, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Errorf("the script: %v", err)
		}
	})
	return server
}

// dial connects, and checks at the end that nothing of the client still runs.
func dial(t *testing.T, url string, options *protocol.Options) *protocol.Client {
	t.Helper()
	client, err := protocol.Dial(t.Context(), url, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
		for start := time.Now(); ; runtime.Gosched() { // one that has just ended may still be on its way out
			stacks := make([]byte, 1<<20)
			stacks = stacks[:runtime.Stack(stacks, true)]
			if !bytes.Contains(stacks, []byte("protocol.(*socket)")) {
				return
			}
			if time.Since(start) > 5*time.Second {
				t.Fatalf("the client still runs:\n%s", stacks)
			}
		}
	})
	return client
}

// bounded is a context that ends before a test would hang.
func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func send(t *testing.T, client *protocol.Client, message string, options ...protocol.TurnOption) *protocol.Turn {
	t.Helper()
	params := protocol.SendMessageParams{SessionID: protocoltest.SessionID, Message: message}
	turn, err := client.SendMessage(bounded(t), params, options...)
	if err != nil {
		t.Fatal(err)
	}
	return turn
}

func TestAConversation(t *testing.T) {
	client := dial(t, serve(t, protocoltest.Assistant("17 ", "days.")).URL, nil)
	session, err := client.CreateConversationSession(bounded(t), protocol.CreateConversationSessionParams{UserName: protocol.Ptr("Alice")})
	if err != nil || session.SessionID != protocoltest.SessionID {
		t.Fatalf("got %v, %v", session, err)
	}
	turn := send(t, client, "How long is your return window?")
	var text strings.Builder
	for event, err := range turn.Events(bounded(t)) {
		if err != nil {
			t.Fatal(err)
		}
		if token, ok := event.(*protocol.StreamTokenEvent); ok {
			text.WriteString(token.Token)
		}
	}
	if answer, err := turn.Text(bounded(t)); err != nil || answer != "17 days." || text.String() != answer {
		t.Errorf("got %q and %q, %v", text.String(), answer, err)
	}
	if pong, err := client.Ping(bounded(t), protocol.PingParams{}); err != nil || pong.Data.Timestamp == 0 {
		t.Errorf("got %v, %v", pong, err)
	}
}

func TestWithoutLimits(t *testing.T) {
	none := &protocol.Options{Settings: protocol.Settings{
		ConnectTimeout: -1, RequestTimeout: -1, IdleTimeout: -1, TurnTimeout: -1, Heartbeat: -1,
	}}
	client := dial(t, serve(t, protocoltest.Assistant("17 days.")).URL, none)
	if text, err := send(t, client, "How long?").Text(bounded(t)); err != nil || text != "17 days." {
		t.Errorf("got %q, %v", text, err)
	}
	if _, err := client.Ping(t.Context(), protocol.PingParams{}); err != nil {
		t.Error(err)
	}
}

// TestEveryCall sends every action with a reply and reads a reply of its type.
func TestEveryCall(t *testing.T) {
	client := dial(t, serve(t, replies).URL, nil)
	ctx, id := bounded(t), protocoltest.SessionID
	calls := map[string]func() (any, error){
		"get_session":        func() (any, error) { return client.GetSession(ctx, protocol.GetSessionParams{SessionID: id}) },
		"list_conversations": func() (any, error) { return client.ListConversations(ctx, protocol.ListConversationsParams{}) },
		"rename_conversation": func() (any, error) {
			return client.RenameConversation(ctx, protocol.RenameConversationParams{ConversationID: id, Title: "t"})
		},
		"confirm_tool_action": func() (any, error) {
			return client.ConfirmToolAction(ctx, protocol.ConfirmToolActionParams{SessionID: id})
		},
		"submit_interaction": func() (any, error) {
			return client.SubmitInteraction(ctx, protocol.SubmitInteractionParams{RequestID: "r", SessionID: id, InteractionID: "i"})
		},
		"get_conversation_messages": func() (any, error) {
			return client.GetConversationMessages(ctx, protocol.GetConversationMessagesParams{SessionID: id})
		},
	}
	for name, call := range calls {
		if reply, err := call(); err != nil || reply == nil {
			t.Errorf("%s: %v, %v", name, reply, err)
		}
	}
}

func replies(c *protocoltest.Conn) error {
	for {
		action, err := c.Next()
		if err != nil {
			return err
		}
		var data any
		id := protocoltest.SessionID
		switch action := action.(type) {
		case *protocol.GetSessionParams:
			data = &protocol.GetSessionReply{SessionID: id, Status: protocol.SessionStatusIdle}
		case *protocol.ListConversationsParams:
			data = &protocol.ListConversationsReply{}
		case *protocol.RenameConversationParams:
			data = &protocol.RenameConversationReply{ConversationID: action.ConversationID, Title: action.Title}
		case *protocol.GetConversationMessagesParams:
			data = &protocol.GetConversationMessagesReply{}
		case *protocol.ConfirmToolActionParams:
			data = &protocol.ConfirmToolActionReply{SessionID: id}
		case *protocol.SubmitInteractionParams:
			data = &protocol.SubmitInteractionReply{SessionID: id, InteractionID: action.InteractionID}
		}
		event, err := protocoltest.Reply(action, data)
		if err != nil {
			return err
		}
		if err := c.Send(event); err != nil {
			return err
		}
	}
}

func TestManyTurnsAndCallsAtOnce(t *testing.T) {
	const count = 64
	server := serve(t, func(c *protocoltest.Conn) error {
		var turns []protocol.Action
		for len(turns) < count {
			action, err := protocoltest.Expect[*protocol.SendMessageParams](c)
			if err != nil {
				return err
			}
			turns = append(turns, action)
		}
		for _, step := range []func(protocol.Action) protocol.Event{
			protocoltest.Accepted,
			func(of protocol.Action) protocol.Event {
				return protocoltest.Token(of, of.(*protocol.SendMessageParams).Message)
			},
			func(of protocol.Action) protocol.Event {
				return protocoltest.Answer(of, of.(*protocol.SendMessageParams).Message)
			},
		} {
			for i := range turns {
				if err := c.Send(step(turns[count-1-i])); err != nil {
					return err
				}
			}
		}
		return protocoltest.Assistant()(c)
	})
	client := dial(t, server.URL, nil)
	var all sync.WaitGroup
	for i := range count {
		turn, message := send(t, client, fmt.Sprint(i)), fmt.Sprint(i)
		all.Go(func() {
			seen := ""
			for event, err := range turn.Events(bounded(t)) {
				if err != nil {
					t.Error(err)
				} else if token, ok := event.(*protocol.StreamTokenEvent); ok {
					seen += token.Token
				}
			}
			if text, err := turn.Text(bounded(t)); err != nil || text != message || seen != message {
				t.Errorf("turn %s got %q and %q, %v", message, seen, text, err)
			}
			if _, err := client.Ping(bounded(t), protocol.PingParams{}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestApprovalOfATool(t *testing.T) {
	server := serve(t, func(c *protocoltest.Conn) error {
		message, err := protocoltest.Expect[*protocol.SendMessageParams](c)
		if err != nil {
			return err
		}
		err = c.Send(protocoltest.Accepted(message), protocoltest.Confirmation(message, "refund_order", "Refunds order 4417."))
		if err != nil {
			return err
		}
		verdict, err := protocoltest.Expect[*protocol.ConfirmToolActionParams](c)
		if err != nil {
			return err
		}
		reply, err := protocoltest.Reply(verdict, &protocol.ConfirmToolActionReply{SessionID: verdict.SessionID, Approved: verdict.Approved})
		if err != nil {
			return err
		}
		if err := c.Send(reply, protocoltest.Answer(message, fmt.Sprint(verdict.Approved))); err != nil {
			return err
		}
		late, err := protocoltest.Expect[*protocol.ConfirmToolActionParams](c)
		if err != nil {
			return err
		}
		return errors.Join(c.Send(protocoltest.Failure(late, protocol.ErrorCodeNoPendingConfirmation, "nothing waits")), c.Wait())
	})
	client := dial(t, server.URL, nil)
	turn := send(t, client, "Refund order 4417.")
	for event, err := range turn.Events(bounded(t)) {
		if err != nil {
			t.Fatal(err)
		}
		if asked, ok := event.(*protocol.WriteConfirmationRequiredEvent); ok {
			if asked.Data.Data.ToolID != "refund_order" {
				t.Errorf("asked for %s", asked.Data.Data.ToolID)
			}
			if err := turn.Confirm(bounded(t), true); err != nil {
				t.Fatal(err)
			}
		}
	}
	if text, err := turn.Text(bounded(t)); err != nil || text != "true" {
		t.Errorf("got %q, %v", text, err)
	}
	if err := turn.Confirm(bounded(t), true); !errors.Is(err, &protocol.Error{Code: protocol.ErrorCodeNoPendingConfirmation}) {
		t.Errorf("got %v", err)
	}
}

func TestInteractionsAndCodes(t *testing.T) {
	server := serve(t, func(c *protocoltest.Conn) error {
		message, err := protocoltest.Expect[*protocol.SendMessageParams](c)
		if err != nil {
			return err
		}
		ping, err := protocoltest.Expect[*protocol.PingParams](c)
		if err != nil {
			return err
		}
		form := protocol.InteractionRequest{InteractionID: "i", Kind: protocol.InteractionKindIdentityIntake, Spec: map[string]any{}}
		required := protocol.InteractionRequiredData{RequestID: *message.RequestID, Data: form}
		pong := &protocol.PongEvent{RequestID: ping.RequestID}
		if err := c.Send(pong, &protocol.InteractionRequiredEvent{RequestID: message.RequestID, Data: required}); err != nil {
			return err
		}
		submitted, err := protocoltest.Expect[*protocol.SubmitInteractionParams](c)
		if err != nil {
			return err
		}
		invalid := protocol.InteractionRejection{
			InteractionID: submitted.InteractionID,
			Kind:          protocol.InteractionKindIdentityIntake,
			Message:       "Some fields need attention.",
			Errors:        []protocol.FieldError{{Field: "email", Message: "must be a valid email address"}},
		}
		err = c.Send(&protocol.InteractionInvalidEvent{
			RequestID: &submitted.RequestID,
			Data:      protocol.InteractionInvalidData{RequestID: submitted.RequestID, Data: invalid},
		})
		if err != nil {
			return err
		}
		declined, err := protocoltest.Expect[*protocol.SubmitInteractionParams](c)
		if err != nil {
			return err
		}
		reply, err := protocoltest.Reply(declined, &protocol.SubmitInteractionReply{SessionID: declined.SessionID, InteractionID: "i", Declined: declined.Declined})
		if err != nil {
			return err
		}
		if err := c.Send(reply); err != nil {
			return err
		}
		code, err := protocoltest.Expect[*protocol.VerifyOTPParams](c)
		if err != nil {
			return err
		}
		success := protocol.OTPVerifiedData{RequestID: code.RequestID, Data: protocol.OTPSuccess{Message: code.Code}}
		verified := &protocol.OTPVerifiedEvent{RequestID: &code.RequestID, Data: success}
		return errors.Join(c.Send(verified, protocoltest.Answer(message, "done")), c.Wait())
	})
	client := dial(t, server.URL, nil)
	turn := send(t, client, "hello")
	if err := turn.Decline(bounded(t)); !errors.Is(err, &protocol.Error{Code: protocol.ErrorCodeNoPendingInteraction}) {
		t.Fatalf("got %v", err)
	}
	if _, err := client.Ping(bounded(t), protocol.PingParams{}); err != nil { // only now the form comes
		t.Fatal(err)
	}
	seen := []string{}
	for event := range turn.Events(bounded(t)) {
		seen = append(seen, event.EventTag())
		break
	}
	var invalid *protocol.InteractionInvalidError
	if err := turn.Submit(bounded(t), map[string]any{"email": "?"}); !errors.As(err, &invalid) {
		t.Fatalf("got %v", err)
	}
	if got := invalid.Error(); got != "Some fields need attention. email: must be a valid email address." {
		t.Errorf("got %q", got)
	}
	if err := turn.Decline(bounded(t)); err != nil {
		t.Fatal(err)
	}
	event, err := turn.VerifyOTP(bounded(t), "123456")
	if verified, ok := event.(*protocol.OTPVerifiedEvent); err != nil || !ok || verified.Data.Data.Message != "123456" {
		t.Errorf("got %v, %v", event, err)
	}
	for event := range turn.Events(bounded(t)) {
		seen = append(seen, event.EventTag())
	}
	if got := strings.Join(seen, " "); got != "interaction_required interaction_invalid otp_verified eventual_response" {
		t.Errorf("the turn saw %s", got)
	}
}

func TestCancellingStopsTheWork(t *testing.T) {
	server := serve(t, func(c *protocoltest.Conn) error {
		message, err := protocoltest.Expect[*protocol.SendMessageParams](c)
		if err != nil {
			return err
		}
		if err := c.Send(protocoltest.Accepted(message)); err != nil {
			return err
		}
		cancel, err := protocoltest.Expect[*protocol.CancelParams](c)
		if err != nil {
			return err
		}
		return errors.Join(c.Send(protocoltest.Cancelled(cancel)), c.Wait())
	})
	client := dial(t, server.URL, nil)
	turn := send(t, client, "hello")
	short, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := turn.Wait(short); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := turn.Cancel(bounded(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := turn.Wait(bounded(t)); !errors.Is(err, protocol.ErrCancelled) {
		t.Errorf("got %v", err)
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	server := serve(t, func(c *protocoltest.Conn) error {
		for _, code := range []protocol.ErrorCode{protocol.ErrorCodeRateLimited, "BRAND_NEW"} {
			action, err := c.Next()
			if err != nil {
				return err
			}
			event := protocoltest.Failure(action, code, "the message")
			if code == protocol.ErrorCodeRateLimited {
				event.Data.Details.RetryAfterMs = protocol.Ptr(int64(1500))
			} else {
				event.Data.Details = nil
			}
			if err := c.Send(event); err != nil {
				return err
			}
		}
		return c.Wait()
	})
	client := dial(t, server.URL, nil)
	_, err := client.GetSession(bounded(t), protocol.GetSessionParams{SessionID: "s"})
	var failed *protocol.Error
	if !errors.As(err, &failed) || failed.Code != protocol.ErrorCodeRateLimited || !failed.Retryable() {
		t.Fatalf("got %#v", err)
	}
	if failed.RetryAfter() != 1500*time.Millisecond || err.Error() != "RATE_LIMITED: the message" || failed.RequestID == "" {
		t.Errorf("got %v, %v, %q", failed.RetryAfter(), err, failed.RequestID)
	}
	_, err = send(t, client, "hello").Wait(bounded(t))
	if !errors.As(err, &failed) || failed.Code != "BRAND_NEW" || failed.Retryable() || failed.RetryAfter() != 0 {
		t.Errorf("got %#v", err)
	}
}

func TestEventsOfNobodyAreDelivered(t *testing.T) {
	server := serve(t, func(c *protocoltest.Conn) error {
		return errors.Join(c.SendText(`{"type":"maintenance","timestamp":1,"at":"noon"}`), c.Wait())
	})
	got := make(chan protocol.Event, 1)
	dial(t, server.URL, &protocol.Options{OnEvent: func(event protocol.Event) { got <- event }})
	select {
	case event := <-got:
		if unknown, ok := event.(*protocol.UnknownEvent); !ok || unknown.Tag != "maintenance" {
			t.Errorf("got %#v", event)
		}
	case <-bounded(t).Done():
		t.Error("it did not arrive")
	}
}
