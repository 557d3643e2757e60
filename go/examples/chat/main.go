// Command chat talks to an agent in a terminal.
//
//	go run github.com/SmooAI/smooth-operator/go/examples/chat -url ws://127.0.0.1:8787/ws
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/SmooAI/smooth-operator/go/protocol"
)

func main() {
	url := flag.String("url", "ws://127.0.0.1:8787/ws", "the server's endpoint")
	agent := flag.String("agent", "", "the id of the agent; the default agent if empty")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := chat(ctx, *url, *agent, os.Stdin, os.Stdout); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "chat:", err)
		os.Exit(1)
	}
}

// chat sends every line of in as a message until it ends. SMOOTH_OPERATOR_TOKEN is sent as the token when it is set.
func chat(ctx context.Context, url, agent string, in io.Reader, out io.Writer) error {
	options := &protocol.Options{}
	if token := os.Getenv("SMOOTH_OPERATOR_TOKEN"); token != "" {
		options.Token = protocol.StaticToken(token)
	}
	client, err := protocol.Dial(ctx, url, options)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }() // the conversation is over either way
	params := protocol.CreateConversationSessionParams{}
	if agent != "" {
		params.AgentID = &agent
	}
	session, err := client.CreateConversationSession(ctx, params)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	for fmt.Fprint(out, "> "); lines.Scan(); fmt.Fprint(out, "> ") {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		message := protocol.SendMessageParams{SessionID: session.SessionID, Message: lines.Text()}
		turn, err := client.SendMessage(ctx, message)
		if err != nil {
			return err
		}
		if err := show(ctx, turn, lines, out); err != nil {
			return err
		}
	}
	fmt.Fprintln(out)
	return lines.Err()
}

// show prints a turn as it comes, and asks before a tool writes.
func show(ctx context.Context, turn *protocol.Turn, lines *bufio.Scanner, out io.Writer) error {
	for event, err := range turn.Events(ctx) {
		if err != nil {
			return err
		}
		switch event := event.(type) {
		case *protocol.StreamTokenEvent:
			fmt.Fprint(out, event.Token)
		case *protocol.StreamChunkEvent:
			if tool := event.Data.State.RawResponse; tool != nil && tool.ToolCall != nil {
				fmt.Fprintf(out, "[%s]\n", tool.ToolCall.Name)
			}
		case *protocol.WriteConfirmationRequiredEvent:
			fmt.Fprintf(out, "%s Allow it? [y/n] ", event.Data.Data.ActionDescription)
			approved := lines.Scan() && strings.HasPrefix(strings.ToLower(lines.Text()), "y")
			if err := turn.Confirm(ctx, approved); err != nil {
				return err
			}
		case *protocol.InteractionRequiredEvent:
			fmt.Fprintf(out, "[%s was asked for: %s]\n", event.Data.Data.Kind, event.Data.Data.Reason)
			if err := turn.Decline(ctx); err != nil {
				return err
			}
		case *protocol.ErrorEvent:
			fmt.Fprintf(out, "error: %s", event.Error.Message)
		}
	}
	fmt.Fprintln(out)
	return nil
}
