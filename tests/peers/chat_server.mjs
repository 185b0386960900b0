// SPDX-License-Identifier: MIT
// A stock npm socket.io server with a small chat on it: the events of docs/hub.md, written as anybody
// would write them. chat_server.mjs [PORT]: prints its address.
import { createServer } from "node:http";
import { Server } from "socket.io";

export function chatServer(port = 0, options = {}) {
  const http = createServer();
  const io = new Server(http, { transports: ["websocket"], ...options });
  const rooms = new Map(); // name -> history
  let ids = 0, guests = 0;
  io.on("connection", (socket) => {
    const name = socket.handshake.auth.name ?? `guest-${++guests}`;
    const user = { id: socket.handshake.auth.id ?? socket.id, name };
    socket.data.member = { ...user, status: "online", connections: 1 };
    const bad = (message) => ({ ok: false, error: { code: "invalid", message } });
    socket.emit("session", { id: socket.id, user, server: { name: "chat_server", version: "1" } });
    socket.on("join", async ({ room }, ack) => {
      const created = !rooms.has(room);
      if (created) rooms.set(room, []);
      await socket.join(room);
      const members = (await io.in(room).fetchSockets()).map((s) => s.data.member);
      socket.to(room).emit("presence", { kind: "join", room, member: socket.data.member });
      ack?.({ ok: true, room, members, history: rooms.get(room), created });
    });
    socket.on("leave", async ({ room }, ack) => {
      await socket.leave(room);
      socket.to(room).emit("presence", { kind: "leave", room, member: socket.data.member, reason: "left" });
      ack?.({ ok: true });
    });
    socket.on("message", (m, ack) => {
      if (!socket.rooms.has(m.room)) return ack?.(bad("you are not in that room"));
      const message = { type: "text", ...m, id: `m${++ids}`, time: Date.now() / 1000, sender: user };
      rooms.get(m.room).push(message);
      socket.to(m.room).emit("message", message);
      ack?.({ ok: true, id: message.id, time: message.time });
    });
    socket.on("typing", ({ room, on }) => socket.to(room).emit("typing", { room, user, on }));
  });
  return new Promise((resolve) => {
    http.listen(port, "127.0.0.1", () =>
      resolve({ io, http, url: `http://127.0.0.1:${http.address().port}`, close: () => new Promise((r) => io.close(r)) }));
  });
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  console.log((await chatServer(Number(process.argv[2] ?? 0))).url);
}
