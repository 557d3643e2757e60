// Package protocol is the client of smooth-operator, and the types of everything that it and a server say.
//
// [Dial] connects; the methods of [Client] are the protocol's actions. A message of the user is a [Turn], whose events
// are iterated, whose answer is waited for, or both:
//
//	turn, err := client.SendMessage(ctx, protocol.SendMessageParams{SessionID: id, Message: "Hello"})
//	for event, err := range turn.Events(ctx) { … }
//	result, err := turn.Wait(ctx)
//
// Events are told apart by a type switch; one that this version does not know is an [*UnknownEvent]. Optional fields
// are pointers, for which there is [Ptr], or slices and maps, where nil is absent and empty is not. Numbers in free
// objects (map[string]any) are json.Number, so that none loses a digit. Validate tells whether a value keeps the
// limits of the protocol before it is sent; the server checks them in any case.
//
// Failures are an [*Error]; see there and at [ErrTimeout] and its neighbours. Package protocoltest has a scripted
// server for tests.
package protocol
