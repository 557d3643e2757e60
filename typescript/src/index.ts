// The public names, for every platform with the standard `WebSocket`.
export { SmoothAgentClient, type ClientOptions } from "./client.js";
export * from "./errors.js";
export type { Timeouts } from "./generated/settings.js";
export type { CallOptions } from "./pending.js";
export type { Logger, OpenSocket, Token, TokenBy, WebSocketLike } from "./socket.js";
export { Turn } from "./turn.js";
export * from "./generated/index.js";
