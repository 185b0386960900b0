// SPDX-License-Identifier: MIT
// The same work on a raw WebSocket, one JSON object a message: for Node with ws, for Bun with its own
// WebSocket. client_ws.cjs PORT inbound|idle SIZE COUNT
const { WebSocket } = process.versions.bun ? globalThis : require("ws");
const [port, mode, , count] = process.argv.slice(2);
const total = mode === "idle" ? Number(count) : 1;
let up = 0, n = 0, sum = 0, first;

function open(i) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/app/${process.pid}?n=${i}`);
  const done = (data) => first.send(JSON.stringify({ event: "done", data }));
  const handlers = {
    message(m) { n++; sum += m.text.length + m.n; },
    end() { done({ n, sum }); },
  };
  first ??= socket;
  socket.onmessage = (e) => {
    const m = JSON.parse(e.data);
    handlers[m.event]?.(m.data);
  };
  socket.onopen = () => {
    up++;
    if (up === total && mode === "idle") setTimeout(() => done({ n: up }), 500);
    if (i + 100 < total) open(i + 100);
  };
}
for (let i = 0; i < Math.min(100, total); i++) open(i);
