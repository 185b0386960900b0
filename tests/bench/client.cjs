// SPDX-License-Identifier: MIT
// The same work in socket.io-client, for Node and Bun: client.cjs PORT MODE SIZE COUNT [LINES] [CERT]
// (the certificate is trusted by NODE_EXTRA_CA_CERTS). The modes are those of client.lua.
const { io } = require("socket.io-client");
const [port, mode, size, count, lines = 1] = process.argv.slice(2).map((v, i) => (i === 1 ? v : Number(v)));
const url = `${process.argv[7] ? "https" : "http"}://127.0.0.1:${port}`;
const options = { transports: ["websocket"], auth: { pid: process.pid } };

function work(socket, names) {
  let n = 0, sum = 0;
  for (const name of names) socket.on(name, (m) => { n++; sum += m.text.length + m.n; });
  socket.on("end", () => socket.emit("done", { n, sum }));
}
const text = "the quick brown fox jumps over the lazy dog ".repeat(Math.ceil(size / 44)).slice(0, Math.max(1, size - 90));

if (mode === "emit") {
  const socket = io(url, options);
  socket.on("connect", () => {
    let i = 0;
    const burst = () => {
      for (let k = 0; k < 200 && i < count; k++, i++) {
        socket.emit("message", { id: "m-" + i, room: "lobby", n: i, text, time: 1732060800 });
      }
      if (i < count) setImmediate(burst); else socket.emit("done", { n: i });
    };
    burst();
  });
} else if (mode === "rtt") {
  const socket = io(url, options);
  socket.on("connect", async () => {
    const times = [];
    for (let i = 0; i < count; i++) {
      const start = process.hrtime.bigint();
      await socket.emitWithAck("ask", i);
      times.push(Number(process.hrtime.bigint() - start));
    }
    times.sort((a, b) => a - b);
    socket.emit("done", { n: count, p50: times[count >> 1], p99: times[Math.floor(count * 0.99)] });
  });
} else if (mode === "idle" || mode === "wake") {
  let up = 0, n = 0, sum = 0;
  const total = mode === "idle" ? count : lines;
  let first;
  const open = (i) => {
    const socket = io(url, { ...options, forceNew: true, auth: i === 0 ? options.auth : {} });
    if (i === 0) first = socket;
    socket.on("message", (m) => { n++; sum += m.text.length + m.n; });
    if (mode === "wake") socket.on("end", () => first.emit("done", { n, sum }));
    socket.on("connect", () => {
      up++;
      if (up === total && mode === "idle") setTimeout(() => first.emit("done", { n: up }), 500);
      if (i + 100 < total) open(i + 100);
    });
  };
  for (let i = 0; i < Math.min(100, total); i++) open(i);
} else {
  const numbered = (k) => Array.from({ length: k }, (_, i) => `e${String(i).padStart(5, "0")}`);
  const names = mode === "names" ? numbered(lines) : ["message"];
  if (mode === "others") names.push(...numbered(lines - 1));
  work(io(url, options), names);
}
