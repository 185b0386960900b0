// SPDX-License-Identifier: MIT
// The way to a server: compression with npm's ws and socket.io, both roles; proxies; redirects; Unix
// sockets; TLS with a passphrase and a pin. way_test.mjs LINNET [PART OF A NAME]
import { createHash, X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { connect as dial, createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocketServer, WebSocket } from "ws";
import { Server } from "socket.io";
import { io } from "socket.io-client";
import { authority, load } from "./certs.mjs";
import { LIMIT, test, equal, ok, once, start, hub, main } from "./lib.mjs";

const linnet = process.argv[2];
const script = "tests/peers/way_script.lua";
const run = (url, protocol, options = [], env = {}) =>
  start(linnet, ["run", script, "--", url, protocol, ...options], null, { env: { ...process.env, http_proxy: "", https_proxy: "", all_proxy: "", ALL_PROXY: "", HTTPS_PROXY: "", ...env } });
async function passes(...args) {
  const s = await run(...args);
  const code = await s.exited;
  ok(code === 0 && (s.out() + s.err()).includes("all the same"), `exit ${code}: ${s.out()}${s.err()}`);
  return s;
}
async function fails(pattern, ...args) {
  const s = await run(...args);
  equal(await s.exited, 1, `the exit code (${s.out()}${s.err()})`);
  ok(pattern.test(s.out() + s.err()), `"${s.out()}${s.err()}" has no ${pattern}`);
}
const listening = async (server, at = 0) => { server.listen(at, at === 0 ? "127.0.0.1" : undefined); await once(server, "listening"); return server; };
const close = (server) => { server.closeAllConnections?.(); server.close(); };

/** npm's ws, which gives back what it gets; also tells what was agreed and how much came in. */
async function echo(options = {}, server = null, at = 0) {
  server ??= await listening(createServer(), at);
  const sockets = new WebSocketServer({ server, ...options });
  const seen = { extensions: [], messages: 0, bytes: 0, targets: [], headers: [] };
  sockets.on("connection", (s, req) => {
    seen.extensions.push(s.extensions);
    seen.targets.push(req.url);
    seen.headers.push(req.headers);
    s.on("message", (m, binary) => { seen.messages += m.length; seen.bytes = req.socket.bytesRead; s.send(m, { binary }); });
  });
  return { seen, server, port: server.address().port, close: () => { sockets.clients.forEach((c) => c.terminate()); close(server); } };
}
function everything(options) {
  const server = new Server(0, options);
  server.on("connection", (s) => {
    s.on("same", (x, ack) => ack(x));
    s.on("message", (x) => s.emit("message", x));
  });
  return server;
}

// --- compression ---

for (const [name, options] of Object.entries({
  "that remembers": { perMessageDeflate: { threshold: 0 } },
  "that forgets": { perMessageDeflate: { threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true } },
  "with a small window": { perMessageDeflate: { threshold: 0, serverMaxWindowBits: 9 } },
})) {
  test(`compressed messages with npm's ws, ${name}`, async () => {
    const e = await echo(options);
    await passes(`ws://127.0.0.1:${e.port}/`, "ws", ["compress=true"]);
    ok(/permessage-deflate/.test(e.seen.extensions[0]), `agreed: ${e.seen.extensions}`);
    ok(e.seen.bytes < e.seen.messages / 10, `${e.seen.bytes} bytes for ${e.seen.messages}`);
    e.close();
  });
}

test("no compression unless it is asked for, nor with a server that has none", async () => {
  for (const [options, script] of [[{ perMessageDeflate: true }, []], [{ perMessageDeflate: false }, ["compress=true"]]]) {
    const e = await echo(options);
    await passes(`ws://127.0.0.1:${e.port}/`, "ws", script);
    equal(e.seen.extensions, [""]);
    e.close();
  }
});

test("compressed messages with npm's socket.io", async () => {
  const server = everything({ perMessageDeflate: { threshold: 1024 }, transports: ["websocket"] });
  let extensions;
  server.engine.on("connection", (s) => { extensions = s.transport.socket.extensions; });
  await passes(`http://127.0.0.1:${server.httpServer.address().port}`, "socketio", ["compress=true"]);
  ok(/permessage-deflate/.test(extensions), `agreed: ${extensions}`);
  await new Promise((r) => server.close(r));
});

test("npm's clients with a hub that compresses", async () => {
  const h = await hub(linnet, ["--set=hub.compress=true", "--set=hub.max_message=2000000"]);
  const text = "the same words again and again ".repeat(1000);
  const raw = new WebSocket(`ws://127.0.0.1:${h.port}/socket.io/?EIO=4&transport=websocket`, { perMessageDeflate: { threshold: 0 } });
  await once(raw, "open");
  equal(raw.extensions, "permessage-deflate");
  raw.close();
  const [a, b] = ["ada", "bob"].map((name) => io(h.url, { transports: ["websocket"], forceNew: true, auth: { name }, perMessageDeflate: { threshold: 0 } }));
  await Promise.all([once(a, "connect"), once(b, "connect")]);
  for (const s of [a, b]) await s.timeout(LIMIT).emitWithAck("join", { room: "lobby" });
  for (let i = 0; i < 20; i++) {
    const heard = once(b, "message");
    const sent = await a.timeout(LIMIT).emitWithAck("message", { room: "lobby", text: text.slice(0, 100 + 190 * i) });
    ok(sent.ok, JSON.stringify(sent));
    equal((await heard)[0].text, text.slice(0, 100 + 190 * i));
  }
  a.close();
  b.close();
  equal(await h.end(), 0, "the hub's exit code");
});

// --- proxies ---

/** An HTTP proxy that knows one name, chat.test; every CONNECT is written down. */
async function httpProxy(targetPort, user = null) {
  const asked = [];
  const server = createServer((req, res) => res.writeHead(400).end());
  server.on("connect", (req, socket, head) => {
    asked.push(`${req.url} ${req.headers["proxy-authorization"] ?? "-"}`);
    const answer = (text) => socket.end(`HTTP/1.1 ${text}\r\n\r\n`);
    if (user && req.headers["proxy-authorization"] !== `Basic ${Buffer.from(user).toString("base64")}`)
      return answer("407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"");
    if (!req.url.startsWith("chat.test:")) return answer("403 Forbidden");
    const up = dial(targetPort, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connection Established\r\n\r\n");
      up.write(head);
      up.pipe(socket).pipe(up);
    });
    for (const s of [up, socket]) s.on("error", () => { up.destroy(); socket.destroy(); });
  });
  await listening(server);
  return { asked, port: server.address().port, close: () => close(server) };
}

test("by an HTTP proxy, from an option and from the environment", async () => {
  const e = await echo();
  const p = await httpProxy(e.port, "ada:pass word");
  const target = `ws://chat.test:${e.port}/`, url = `http://ada:pass%20word@127.0.0.1:${p.port}`;
  await passes(target, "ws", [`proxy=${url}`]);
  await passes(target, "ws", [], { http_proxy: url });
  await fails(/proxy: HTTP 407 .*it wants a user and a password.*from all_proxy/, target, "ws", [], { all_proxy: `127.0.0.1:${p.port}` });
  await fails(/proxy: HTTP 403 .*does not let us reach other\.test:80/, "ws://other.test/", "ws", [`proxy=${url}`]);
  const before = p.asked.length;
  await passes(`ws://127.0.0.1:${e.port}/`, "ws", [], { http_proxy: url }); // at home
  await fails(/DNS: no address for chat\.test/, target, "ws", [], { http_proxy: url, no_proxy: ".test" });
  equal(p.asked.length, before, "nobody else asked the proxy");
  p.close();
  e.close();
});

/** A SOCKS 5 proxy, as small as the standard lets it be, with user and password. */
async function socksProxy(targetPort) {
  const asked = [];
  const server = createTcpServer((socket) => {
    let step = 0;
    socket.on("error", () => {});
    socket.on("data", (d) => {
      if (step === 0) { step = 1; socket.write(Buffer.from([5, 2])); }
      else if (step === 1) { step = 2; const u = d.subarray(2, 2 + d[1]), pw = d.subarray(3 + d[1]); const good = `${u}:${pw}` === "ada:pw"; socket.write(Buffer.from([1, good ? 0 : 1])); if (!good) socket.end(); }
      else if (step === 2) {
        step = 3;
        asked.push(d[3] === 3 ? d.subarray(5, 5 + d[4]).toString() : d.subarray(4, 8).join("."));
        const up = dial(targetPort, "127.0.0.1", () => { socket.write(Buffer.from([5, 0, 0, 1, 127, 0, 0, 1, 0, 80])); socket.removeAllListeners("data"); up.pipe(socket).pipe(up); });
        up.on("error", () => socket.destroy());
      }
    });
  });
  await listening(server);
  return { asked, port: server.address().port, close: () => server.close() };
}

test("by a SOCKS 5 proxy, which looks the name up or does not", async () => {
  const e = await echo();
  const p = await socksProxy(e.port);
  await passes(`ws://chat.test:${e.port}/`, "ws", [`proxy=socks5h://ada:pw@127.0.0.1:${p.port}`]);
  await passes(`ws://localhost:${e.port}/`, "ws", [`proxy=socks5://ada:pw@127.0.0.1:${p.port}`]);
  equal(p.asked, ["chat.test", "127.0.0.1"]);
  await fails(/proxy: it does not accept this user and password \(socks5h:\/\/127/, "ws://chat.test/", "ws", [`proxy=socks5h://ada:no@127.0.0.1:${p.port}`]);
  p.close();
  e.close();
});

test("TLS through a proxy: the server's certificate is what counts", async () => {
  const ca = authority();
  const pair = load(ca.make());
  const server = await listening(createTlsServer(pair));
  const e = await echo({}, server);
  const p = await httpProxy(e.port);
  const target = `wss://chat.test:${e.port}/`, options = [`proxy=http://127.0.0.1:${p.port}`, `tls.ca=${ca.ca}`];
  await passes(target, "ws", [...options, "tls.server_name=localhost"]);
  await fails(/TLS: hostname mismatch: the certificate is not for chat\.test but for localhost/, target, "ws", options);
  const pin = createHash("sha256").update(new X509Certificate(pair.cert).publicKey.export({ type: "spki", format: "der" })).digest("base64");
  await passes(target, "ws", [...options, "tls.server_name=localhost", `tls.pin=sha256//${pin}`]);
  await fails(/TLS: the server's key is not the one that tls\.pin names/, target, "ws", [...options, "tls.server_name=localhost", `tls.pin=sha256//${"A".repeat(43)}=`]);
  p.close();
  e.close();
});

// --- redirects, Unix sockets ---

test("redirects of a raw line", async () => {
  const e = await echo();
  const server = createServer();
  server.on("upgrade", (req, socket) => {
    const to = req.url === "/a" ? "/b" : req.url === "/circle" ? "/circle" : `ws://127.0.0.1:${e.port}/there`;
    socket.end(`HTTP/1.1 302 Found\r\nLocation: ${to}\r\nContent-Length: 0\r\n\r\n`);
  });
  await listening(server);
  const url = `ws://127.0.0.1:${server.address().port}`;
  await passes(`${url}/a`, "ws");
  equal(e.seen.targets, ["/there"]);
  await fails(/upgrade: redirected more than 5 times, in a circle perhaps, at last to \/circle/, `${url}/circle`, "ws");
  await fails(/upgrade: HTTP 302 redirected to .* \(redirects are not followed; use that address\)/, `${url}/a`, "socketio");
  close(server);
  e.close();
});

test("a Unix socket, in the form of npm's ws", async () => {
  const dir = mkdtempSync(join(tmpdir(), "linnet-way-"));
  const path = join(dir, "x.sock");
  const server = createServer();
  server.listen(path);
  await once(server, "listening");
  const sockets = new WebSocketServer({ server });
  const targets = [];
  sockets.on("connection", (s, req) => { targets.push(`${req.headers.host} ${req.url}`); s.on("message", (m, binary) => s.send(m, { binary })); });
  await passes(`ws+unix://${path}:/chat?x=1`, "ws");
  equal(targets, ["localhost /chat?x=1"]);
  server.close();
  server.closeAllConnections();
  rmSync(dir, { recursive: true });
});

main();
