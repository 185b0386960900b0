// SPDX-License-Identifier: MIT
// The same work on a raw WebSocket, one JSON object a message: for Node with ws, for Bun with its own
// WebSocket. client_ws.cjs PORT inbound SIZE COUNT
const { WebSocket } = process.versions.bun ? globalThis : require("ws");
const socket = new WebSocket(`ws://127.0.0.1:${process.argv[2]}/app/${process.pid}`);
let n = 0, sum = 0;
const handlers = {
  message(m) { n++; sum += m.text.length + m.n; },
  end() { socket.send(JSON.stringify({ event: "done", data: { n, sum } })); },
};
socket.onmessage = (e) => {
  const m = JSON.parse(e.data);
  handlers[m.event]?.(m.data);
};
