package main

import (
	"context"
	"fmt"
	"log"

	"github.com/SmooAI/smooth-operator/go/protocol"
)

func main() {
	if err := ask(context.Background(), "ws://127.0.0.1:8787/ws"); err != nil {
		log.Fatal(err)
	}
}

func ask(ctx context.Context, url string) error {
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
			fmt.Println(event.Data.Data.ActionDescription)
			if err := turn.Confirm(ctx, true); err != nil {
				return err
			}
		}
	}
	result, err := turn.Wait(ctx)
	if err != nil {
		return err
	}
	fmt.Println()
	for _, citation := range result.Citations {
		fmt.Println("-", citation.Title)
	}
	return nil
}
