package protocol_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"time"

	"github.com/SmooAI/smooth-operator/go/protocol"
	"github.com/SmooAI/smooth-operator/go/protocol/protocoltest"
)

// example runs a program against a server that answers every message.
func example(program func(ctx context.Context, url string) error) {
	server, err := protocoltest.NewServer(protocoltest.Assistant("You have ", "17 days."))
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := errors.Join(program(ctx, server.URL), server.Close()); err != nil {
		fmt.Println(err)
	}
}

func Example() {
	example(func(ctx context.Context, url string) error {
		client, err := protocol.Dial(ctx, url, nil)
		if err != nil {
			return err
		}
		defer client.Close()

		session, err := client.CreateConversationSession(ctx, protocol.CreateConversationSessionParams{
			UserName: protocol.Ptr("Alice"),
		})
		if err != nil {
			return err
		}
		turn, err := client.SendMessage(ctx, protocol.SendMessageParams{
			SessionID: session.SessionID,
			Message:   "How long is your return window?",
		})
		if err != nil {
			return err
		}
		for event, err := range turn.Events(ctx) {
			if err != nil {
				return err
			}
			switch event := event.(type) {
			case *protocol.StreamTokenEvent:
				fmt.Print(event.Token)
			case *protocol.WriteConfirmationRequiredEvent:
				if err := turn.Confirm(ctx, true); err != nil {
					return err
				}
			}
		}
		result, err := turn.Wait(ctx)
		if err != nil {
			return err
		}
		fmt.Println("\nescalate:", result.NeedsEscalation)
		return nil
	})
	// Output:
	// You have 17 days.
	// escalate: false
}

func ExampleTurn_Text() {
	example(func(ctx context.Context, url string) error {
		client, err := protocol.Dial(ctx, url, nil)
		if err != nil {
			return err
		}
		defer client.Close()
		session, err := client.CreateConversationSession(ctx, protocol.CreateConversationSessionParams{})
		if err != nil {
			return err
		}
		ask := protocol.SendMessageParams{SessionID: session.SessionID, Message: "How long?"}
		turn, err := client.SendMessage(ctx, ask, protocol.WithTurnTimeout(time.Minute))
		if err != nil {
			return err
		}
		text, err := turn.Text(ctx)
		fmt.Println(text)
		return err
	})
	// Output: You have 17 days.
}

func ExampleError() {
	example(func(ctx context.Context, url string) error {
		client, err := protocol.Dial(ctx, url, nil)
		if err != nil {
			return err
		}
		defer client.Close()
		_, err = client.GetSession(ctx, protocol.GetSessionParams{SessionID: "unknown"})
		var failed *protocol.Error
		switch {
		case errors.Is(err, &protocol.Error{Code: protocol.ErrorCodeSessionNotFound}):
			fmt.Println("open a new session")
		case errors.Is(err, protocol.ErrConnectionLost), errors.Is(err, protocol.ErrTimeout):
			fmt.Println("it may have been done or not")
		case errors.As(err, &failed) && failed.Retryable():
			fmt.Println("try again after", failed.RetryAfter())
		case errors.As(err, &failed):
			fmt.Println(failed.Code, failed.Code.Hint())
		}
		return nil
	})
	// Output: UNSUPPORTED_ACTION Check the spelling of the action, or use a server that supports it.
}

func ExampleOptions() {
	example(func(ctx context.Context, url string) error {
		newToken := func(ctx context.Context) (string, error) { return "a fresh token", nil }
		client, err := protocol.Dial(ctx, url, &protocol.Options{
			Token:    newToken, // asked for at every connect, and once more when the server refuses one
			Settings: protocol.Settings{RequestTimeout: 5 * time.Second},
			Logger:   slog.Default(),
			OnEvent: func(event protocol.Event) {
				log.Println("the server says", event.EventTag())
			},
		})
		if err != nil {
			return err
		}
		return client.Close()
	})
	// Output:
}

func ExampleClient_testing() {
	server, err := protocoltest.NewServer(func(c *protocoltest.Conn) error {
		message, err := protocoltest.Expect[*protocol.SendMessageParams](c)
		if err != nil {
			return err
		}
		if err := c.Send(protocoltest.Accepted(message), protocoltest.Token(message, "Hel")); err != nil {
			return err
		}
		return c.Drop() // what does your program do when the connection breaks in the middle?
	})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	client, err := protocol.Dial(context.Background(), server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	turn, err := client.SendMessage(context.Background(), protocol.SendMessageParams{SessionID: "s", Message: "m"})
	if err != nil {
		log.Fatal(err)
	}
	_, err = turn.Wait(context.Background())
	fmt.Println(errors.Is(err, protocol.ErrConnectionLost))
	// Output: true
}
