// The public names, for every platform with the standard `WebSocket`.
export { SmoothAgentClient } from "./client.js";
export type { CallOptions, ClientOptions, Timeouts } from "./client.js";
export {
  CancelledError,
  ClosedError,
  ConnectionError,
  ServerError,
  SmoothError,
  TimeoutError,
} from "./errors.js";
export type { ErrorDetails, TimeoutKind } from "./errors.js";
export type { Logger, OpenSocket, Token, TokenBy, WebSocketLike } from "./socket.js";
export { Turn } from "./turn.js";
export type { ParkEvent } from "./turn.js";
export * from "./generated/index.js";
