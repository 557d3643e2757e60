// A fake server behind a real socket on a free port.
import { createServer } from "node:http";
import { WebSocketServer } from "ws";
import type { FakeServer } from "../src/testing.js";

/** Where a fake server listens. */
export interface Listening {
  /** The host with the port. */
  host: string;
  url: string;
  /** The subprotocols that each connection has offered. */
  offered: string[][];
  close(): void;
}

export async function listen(fake: FakeServer): Promise<Listening> {
  const offered: string[][] = [];
  const http = createServer((_, response) =>
    response.setHeader("content-type", "text/html").end("<!doctype html>"),
  );
  const sockets = new WebSocketServer({
    server: http,
    handleProtocols: (protocols) => {
      offered.push([...protocols]);
      return "smooth-operator";
    },
  });
  sockets.on("connection", (socket, request) => {
    const inner = fake.openSocket("", request.headers.authorization?.replace("Bearer ", ""));
    inner.onmessage = ({ data }: { data: unknown }) => socket.send(String(data));
    inner.onclose = ({ code }: { code: number }) => socket.close(code === 1006 ? 1011 : code);
    socket.on("message", (data) => inner.send(data.toString()));
    socket.on("close", () => inner.close());
  });
  await new Promise<void>((listening) => http.listen(0, "127.0.0.1", listening));
  const address = http.address();
  if (typeof address !== "object" || address === null) throw new Error("there is no port");
  const host = `127.0.0.1:${address.port}`;
  const close = (): void => {
    for (const socket of sockets.clients) socket.terminate();
    sockets.close();
    http.closeAllConnections();
    http.close();
  };
  return { host, url: `ws://${host}/ws`, offered, close };
}
