// SPDX-License-Identifier: MIT
// `linnet doctor` on staged faults: which step fails, with which exit code, and what it advises.
// doctor_test.mjs LINNET [PART OF A NAME]
import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import { createServer as createTls } from "node:https";
import { createServer as createTcp, connect as connectTcp } from "node:net";
import { WebSocketServer } from "ws";
import { Server } from "socket.io";
import { authority, load } from "./certs.mjs";
import { fakeReverb } from "./fake_reverb.mjs";
import { test, equal, ok, once, within, hub, main } from "./lib.mjs";
import { nginx } from "./servers.mjs";
import { linnet, env, folder, closed } from "./shell.mjs";

/** `linnet doctor ARGS`: {code, out, err, steps: {name: {verdict, text}}, advice}. */
async function doctor(args, options = {}) {
  const child = spawn(linnet, ["doctor", ...args], { stdio: ["ignore", "pipe", "pipe"], cwd: options.cwd, env: { ...env, http_proxy: "", https_proxy: "", all_proxy: "", HTTPS_PROXY: "", ALL_PROXY: "", ...options.env } });
  let out = "", err = "";
  child.stdout.on("data", (d) => (out += d));
  child.stderr.on("data", (d) => (err += d));
  const code = await within(new Promise((r) => child.on("close", (c, s) => r(c ?? s))), `doctor ${args.join(" ")}`);
  const [lines, advice = ""] = out.split(/\n\n(.*)/s);
  const steps = {};
  for (const line of lines.split("\n")) {
    const m = /^ {2}(\S+(?: \S+)?) {2,}(.*?) {2,}(ok|FAIL|skipped)(?: {2}(.*))?$/.exec(line) ?? /^ {2}(\S+(?: \S+)?) {2,}()(ok|FAIL|skipped)(?: {2}(.*))?$/.exec(line);
    if (m) steps[m[1]] = { text: m[2].trim(), verdict: m[3], time: m[4] };
  }
  return { code, out, err, steps, advice };
}
const NAMES = ["config", "dns", "proxy", "tcp", "tls", "upgrade", "handshake", "auth", "join", "round trip"];

/** The doctor must find this: the step, the exit code, words of the fault or the advice. */
async function finds(args, { step, code, says = [], options = {} }) {
  const r = await doctor(args, options), what = `doctor ${args.join(" ")}\n${r.out}${r.err}`;
  equal(Object.keys(r.steps), NAMES, `the steps of ${what}`);
  const failed = NAMES.filter((n) => r.steps[n].verdict === "FAIL");
  equal([failed, r.code], [step ? [step] : [], code], what);
  if (step) for (const after of NAMES.slice(NAMES.indexOf(step) + 1)) equal(r.steps[after].verdict, "skipped", `${after} of ${what}`);
  for (const word of says) ok(word.test(r.out), `${word} is not in ${what}`);
  equal(r.err, "", "standard error");
  ok(r.advice.trim().length > 0 && !/ $/m.test(r.advice), `no advice, or blanks at its end, in ${what}`);
  return r;
}

// --- servers with one fault each ---

const listen = (server) => new Promise((r) => server.listen(0, "127.0.0.1", () => r(server.address().port)));
const cleanup = [];
/** An HTTP server that answers everything with `fn`. */
async function web(fn, tls = null) {
  const server = tls ? createTls(tls, fn) : createServer(fn);
  server.on("upgrade", (req, socket) => { // an upgrade is a request like another to these
    const lines = [];
    const res = { writeHead(status, headers = {}) { lines.push(`HTTP/1.1 ${status} Fault`, ...Object.entries(headers).map(([k, v]) => `${k}: ${v}`)); return res; }, end(body = "") { socket.end(`${lines.join("\r\n")}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`); } };
    socket.on("error", () => {});
    fn(req, res);
  });
  const port = await listen(server);
  cleanup.push(() => { server.closeAllConnections?.(); server.close(); });
  return port;
}
async function socketio(options = {}, set = () => {}, tls = null) {
  const no = (_, res) => res.writeHead(404).end(), http = tls ? createTls(tls, no) : createServer(no), io = new Server(http, options);
  set(io);
  const port = await listen(http);
  cleanup.push(() => io.close());
  return port;
}
async function tcp(fn) {
  const sockets = new Set(), server = createTcp((s) => { sockets.add(s); s.on("error", () => {}); fn(s); });
  const port = await listen(server);
  cleanup.push(() => { sockets.forEach((s) => s.destroy()); server.close(); });
  return port;
}
async function websocket(options = {}, fn = () => {}) {
  const wss = new WebSocketServer({ port: 0, host: "127.0.0.1", ...options });
  wss.on("connection", fn);
  await new Promise((r) => wss.on("listening", r));
  cleanup.push(() => wss.close());
  return wss.address().port;
}
const staged = (name, fn) => test(name, async () => {
  try { await fn(); } finally { for (const f of cleanup.splice(0)) await f(); }
});
const jwt = (claims, secret = "s") => {
  const text = [{ alg: "HS256", typ: "JWT" }, claims].map((v) => Buffer.from(JSON.stringify(v)).toString("base64url")).join(".");
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
};
const now = () => Math.floor(Date.now() / 1000);

// --- nothing is wrong ---

staged("nothing is wrong: Socket.IO, its namespace and a room", async () => {
  const h = await hub(linnet);
  const r = await finds([h.url, "--name", "dora", "--room", "lobby"], { code: 0, says: [/All is well/] });
  equal(NAMES.filter((n) => r.steps[n].verdict === "skipped"), ["proxy", "tls"]);
  ok(/GET \/socket\.io\/\?EIO=4&transport=websocket/.test(r.steps.upgrade.text), r.out);
  ok(/pings every 25 s/.test(r.steps.handshake.text), r.out);
  ok(/\d ms/.test(r.steps["round trip"].time), r.out);
  equal(await h.end(), 0);
});

staged("nothing is wrong: over TLS with our own authority, and the JSON form", async () => {
  const a = authority("doctor's CA");
  const port = await socketio({}, () => {}, load(a.make()));
  const r = await doctor([`wss://localhost:${port}`, "--ca", a.ca, "--json"]);
  const j = JSON.parse(r.out);
  equal([r.code, j.ok, j.protocol, j.target], [0, true, "socketio", `wss://localhost:${port}`]);
  equal(j.steps.map((s) => s.name), NAMES);
  const tls = j.steps.find((s) => s.name === "tls");
  equal([tls.ok, tls.detail.version, tls.detail.issuer], [true, "TLSv1.3", "doctor's CA"]);
  const text = await doctor([`wss://localhost:${port}`, "--ca", a.ca]);
  ok(text.out.includes(`its key, for tls.pin: ${tls.detail.pin}`), text.out);
  const pinned = (pin) => [`wss://localhost:${port}`, "--ca", a.ca, "-o", `tls.pin=${pin}`];
  await finds(pinned(tls.detail.pin), { code: 0 });
  await finds(pinned(`sha256//${"A".repeat(43)}=`), { step: "tls", code: 69, says: [/tls\.pin/, /somebody in between/] });
  ok(tls.detail.days_left === 28 || tls.detail.days_left === 29, `days_left ${tls.detail.days_left}`);
  ok(typeof tls.ms === "number" && j.steps.find((s) => s.name === "proxy").ok === null, r.out);
});

staged("a certificate that ends soon is a warning, and no more", async () => {
  const a = authority();
  const port = await socketio({}, () => {}, load(a.make({ to: 5 })));
  await finds([`wss://localhost:${port}`, "--ca", a.ca], { code: 0, says: [/ends in [45] days/, /All is well/] });
});

staged("polling alone is looked at as polling", async () => {
  const port = await socketio({ transports: ["polling"] });
  const r = await finds([`http://127.0.0.1:${port}`, "--transport", "polling"], { code: 0, says: [/transport=polling/, /All is well/] });
  equal(r.steps["round trip"].verdict, "ok");
});

staged("a plain WebSocket", async () => {
  const port = await websocket();
  const r = await finds([`ws://127.0.0.1:${port}/feed`, "--protocol", "ws"], { code: 0, says: [/GET \/feed/, /All is well/] });
  equal([r.steps.handshake.verdict, r.steps.auth.verdict, r.steps["round trip"].verdict], ["skipped", "skipped", "ok"]);
});

staged("a plain WebSocket with a room: our hub's", async () => {
  const h = await hub(linnet);
  await finds([`ws://127.0.0.1:${h.port}/ws?name=dora`, "--protocol", "ws", "--room", "lobby"], { code: 0, says: [/lobby, by the event 'join'/, /All is well/] });
  equal(await h.end(), 0);
});

// --- settings, name, port ---

staged("an unknown connection", () => finds(["scool"], { step: "config", code: 78, says: [/no connection 'scool'/, /did you mean 'school'/], options: { cwd: folder({ "linnet.cfg.lua": 'connections = { school = "ws://127.0.0.1:1" }\n' }) } }));
staged("a URL that is none", () => finds(["ftp://127.0.0.1:1"], { step: "config", code: 78, says: [/ftp/] }));
staged("a name without an address", () => finds(["ws://no-such-host.invalid"], { step: "dns", code: 69, says: [/no address for 'no-such-host\.invalid'/, /resolver/] }));
staged("a Unix socket, and one that is not there", async () => {
  const dir = folder();
  const path = `${dir}/hub.sock`, http = createServer((_, res) => res.writeHead(404).end()), io = new Server(http);
  await new Promise((r) => http.listen(path, r));
  cleanup.push(() => io.close());
  const r = await finds([`ws+unix://${path}:/`], { code: 0, says: [/All is well/] });
  ok(r.steps.tcp.text.includes(path), r.out);
  await finds([`ws+unix://${dir}/none.sock:/`], { step: "tcp", code: 69, says: [/Nobody listens at .*none\.sock/] });
});
staged("a Unix socket that takes no connections of ours", async () => { // what a missing permission is to others than root
  const path = `${folder()}/log.sock`, bind = "import socket,sys;s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM);s.bind(sys.argv[1]);print('up',flush=True);sys.stdin.read()";
  const child = spawn("python3", ["-c", bind, path], { stdio: ["pipe", "pipe", "inherit"] });
  cleanup.push(() => child.kill());
  await once(child.stdout, "data", "the socket");
  await finds([`ws+unix://${path}:/`], { step: "tcp", code: 69, says: [/log\.sock does not let us in\. May this user write to it/] });
});
staged("a port on which nobody listens", async () => finds([`ws://127.0.0.1:${await closed()}`], { step: "tcp", code: 69, says: [/connection refused/i, /Nobody listens on port \d+/] }));
staged("no hub on this machine", async () => finds(["hub", "--set", `hub.port=${await closed()}`], { step: "tcp", code: 69, says: [/No hub is there: 'linnet dev'/] }));
staged("one that takes the connection and answers no TLS", async () => {
  const port = await tcp(() => {});
  await finds(["quiet"], { step: "tls", code: 69, says: [/timed out/, /does not answer TLS.*port.*Without TLS: ws:\/\//], options: { cwd: folder({ "linnet.cfg.lua": `connections = { quiet = { url = "wss://127.0.0.1:${port}", timeout = "300ms" } }\n` }) } });
});
staged("one that takes the connection and says nothing", async () => {
  const port = await tcp(() => {});
  await finds(["quiet"], { step: "upgrade", code: 69, says: [/timed out|no answer/, /says nothing/], options: { cwd: folder({ "linnet.cfg.lua": `connections = { quiet = { url = "ws://127.0.0.1:${port}", timeout = "300ms" } }\n` }) } });
});
staged("--timeout ends the whole with 124 and names the step", async () => {
  const port = await tcp(() => {});
  await finds([`ws://127.0.0.1:${port}`, "--timeout", "300ms"], { step: "upgrade", code: 124, says: [/--timeout \(300 ms\)/] });
});
staged("one that closes at once", async () => finds([`ws://127.0.0.1:${await tcp((s) => s.end())}`], { step: "upgrade", code: 69, says: [/closed by the peer before it answered/, /closes it before it answers/] }));

// --- TLS ---

staged("plain HTTP where TLS was meant", async () => finds([`wss://127.0.0.1:${await socketio()}`], { step: "tls", code: 69, says: [/does not speak TLS/, /ws:\/\/ or http:\/\//] }));
staged("TLS where plain text was meant", async () => finds([`ws://127.0.0.1:${await socketio({}, () => {}, load(authority().make()))}`], { step: "upgrade", code: 69, says: [/speaks TLS/, /wss:\/\/ or https:\/\//] }));
staged("a certificate that has expired", async () => {
  const a = authority();
  await finds([`wss://localhost:${await socketio({}, () => {}, load(a.make({ from: -40, to: -10 })))}`, "--ca", a.ca], { step: "tls", code: 69, says: [/expired/, /renewed/] });
});
staged("a certificate for another name", async () => {
  const a = authority();
  await finds([`wss://localhost:${await socketio({}, () => {}, load(a.make({ cn: "other.example", names: "DNS:other.example" })))}`, "--ca", a.ca], { step: "tls", code: 69, says: [/other\.example/, /tls\.server_name/] });
});
staged("a certificate that is signed by itself", async () => finds([`wss://localhost:${await socketio({}, () => {}, load(authority().alone()))}`], { step: "tls", code: 69, says: [/self-signed/, /tls\.ca/] }));
staged("a certificate of an authority that nobody knows", async () => finds([`wss://localhost:${await socketio({}, () => {}, load(authority("Nobody's CA").make()))}`], { step: "tls", code: 69, says: [/Nobody's CA/, /tls\.ca/] }));
staged("a server that wants a client certificate", async () => {
  const a = authority();
  const port = await socketio({}, () => {}, { ...load(a.make()), ca: a.read("ca.pem"), requestCert: true, rejectUnauthorized: true });
  await finds([`wss://localhost:${port}`, "--ca", a.ca], { step: "tls", code: 69, says: [/client certificate/, /tls\.cert/] });
  const mine = a.make({ cn: "dora" });
  await finds([`wss://localhost:${port}`, "--ca", a.ca, "-o", `tls.cert=${mine.cert}`, "-o", `tls.key=${mine.key}`], { code: 0 });
});
staged("a file of ours that is not there", async () => finds([`wss://127.0.0.1:${await tcp(() => {})}`, "--ca", "/nonexistent/ca.pem"], { step: "tls", code: 78, says: [/tls\.ca/, /no such file/i] }));

// --- proxies ---

async function httpProxy(answer) { // null: it does its work
  return tcp((s) => s.once("data", (d) => {
    const m = /^CONNECT (\S+):(\d+) /.exec(d.toString());
    if (answer) return s.end(answer);
    const to = connectTcp(Number(m[2]), "127.0.0.1", () => { s.write("HTTP/1.1 200 OK\r\n\r\n"); s.pipe(to).pipe(s); });
    to.on("error", () => s.destroy());
  }));
}
staged("a proxy that does its work", async () => {
  const port = await socketio(), proxy = await httpProxy(null);
  const r = await finds([`ws://chat.example:${port}`, "--proxy", `http://127.0.0.1:${proxy}`], { code: 0, says: [/All is well/] });
  ok(new RegExp(`http://127\\.0\\.0\\.1:${proxy}`).test(r.steps.proxy.text), r.out);
});
staged("a proxy that wants a password: 407", async () => {
  const proxy = await httpProxy("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n");
  await finds(["ws://chat.example:80"], { step: "proxy", code: 77, says: [/407/, /user and a password/, /http_proxy/], options: { env: { http_proxy: `http://127.0.0.1:${proxy}` } } });
});
staged("a proxy that does not accept the password: 407", async () => {
  const proxy = await httpProxy("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n");
  const r = await finds(["ws://chat.example:80", "--proxy", `http://me:wrong-one@127.0.0.1:${proxy}`], { step: "proxy", code: 77, says: [/does not accept the user and the password/] });
  ok(!/wrong-one/.test(r.out), "the password is not shown");
});
staged("a proxy that cannot get there: 502", async () => {
  const proxy = await httpProxy("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
  await finds(["ws://chat.example:80", "--proxy", `http://127.0.0.1:${proxy}`], { step: "proxy", code: 69, says: [/502/, /NO_PROXY/] });
});
staged("a proxy that is not there", async () => finds(["ws://chat.example:80", "--proxy", `http://127.0.0.1:${await closed()}`], { step: "proxy", code: 69, says: [/connection refused/i] }));

// --- the upgrade ---

staged("nginx without the lines for an upgrade", async () => {
  const n = await nginx("plain", { BEHIND: await socketio() });
  const r = await finds([`ws://127.0.0.1:${n.port}`], { step: "upgrade", code: 69, says: [/HTTP 400/, /no Upgrade header came back/, /polling works/i, /proxy_set_header Upgrade \$http_upgrade/, /transports = \{"polling"\}/] });
  ok(!/ProxyPass|reverse_proxy/.test(r.out), "only nginx's lines");
  await finds([`ws://127.0.0.1:${n.port}`, "--transport", "polling"], { code: 0 });
  await n.stop();
});
for (const [name, headers, line] of [["Caddy", { Via: "1.1 Caddy" }, /reverse_proxy/], ["Apache", { Server: "Apache/2.4.62 (Debian)" }, /upgrade=websocket/]])
  staged(`${name} that drops the upgrade is known by its headers`, async () => {
    const port = await web((req, res) => {
      if (/transport=polling/.test(req.url)) res.writeHead(200, headers).end('0{"sid":"x","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}');
      else res.writeHead(400, headers).end('{"code":3,"message":"Bad request"}');
    });
    const r = await finds([`ws://127.0.0.1:${port}`], { step: "upgrade", code: 69, says: [new RegExp(name), line, /polling works/i] });
    ok(!/proxy_set_header/.test(r.out), "not nginx's lines");
  });
staged("a proxy of no known kind gets the lines of all", async () => {
  const port = await web((req, res) => {
    if (/transport=polling/.test(req.url)) res.writeHead(200).end('0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000}');
    else res.writeHead(426).end("no");
  });
  await finds([`ws://127.0.0.1:${port}`], { step: "upgrade", code: 69, says: [/426/, /proxy_set_header/, /reverse_proxy/, /upgrade=websocket/] });
});
staged("nginx with nobody behind it: 502", async () => {
  const n = await nginx("plain", { BEHIND: await closed() });
  await finds([`ws://127.0.0.1:${n.port}`], { step: "upgrade", code: 69, says: [/HTTP 502/, /proxy in front \(nginx\)/, /server behind it is not/] });
  await n.stop();
});
staged("a captive portal", async () => finds([`ws://127.0.0.1:${await web((_, res) => res.writeHead(200, { "Content-Type": "text/html" }).end("<html><h1>Welcome to Hotel Wi-Fi</h1></html>"))}`], { step: "upgrade", code: 69, says: [/HTTP 200/, /web page/, /captive portal/] }));
staged("a redirect", async () => finds([`ws://127.0.0.1:${await web((_, res) => res.writeHead(301, { Location: "https://elsewhere.example/" }).end())}`], { step: "upgrade", code: 69, says: [/301/, /https:\/\/elsewhere\.example\//] }));
staged("a redirect of a plain WebSocket is followed, and told", async () => {
  const port = await websocket();
  const from = await web((_, res) => res.writeHead(307, { Location: `ws://127.0.0.1:${port}/feed` }).end());
  await finds([`ws://127.0.0.1:${from}/`, "--protocol", "ws"], { code: 0, says: [new RegExp(`sends elsewhere: ws://127\\.0\\.0\\.1:${port}`)] });
});
staged("a wrong path: 404", async () => {
  const port = await socketio({ path: "/chat/socket.io" });
  await finds([`ws://127.0.0.1:${port}`], { step: "upgrade", code: 69, says: [/path/, /\/socket\.io\//] });
  await finds([`ws://127.0.0.1:${port}`, "--path", "/chat/socket.io"], { code: 0 });
});
staged("an answer that is not HTTP", async () => finds([`ws://127.0.0.1:${await tcp((s) => s.end("220 mail.example ESMTP\r\n"))}`], { step: "upgrade", code: 69, says: [/not HTTP/] }));
staged("plain WebSocket: 401, and the token is old", async () => {
  const port = await web((_, res) => res.writeHead(401, { Date: new Date().toUTCString() }).end('{"error":"invalid token"}'));
  await finds([`ws://127.0.0.1:${port}/feed`, "--protocol", "ws"], { step: "upgrade", code: 77, says: [/HTTP 401/, /none were sent/, /headers/] });
  const old = jwt({ sub: "dora", exp: now() - 7200 });
  const r = await finds([`ws://127.0.0.1:${port}/feed`, "--protocol", "ws", "-H", `Authorization: Bearer ${old}`], { step: "upgrade", code: 77, says: [/HTTP 401/, /token has expired/, /2 h ago/] });
  ok(!r.out.includes(old.slice(0, 12)), "the token is not shown");
});
staged("plain WebSocket: no subprotocol of ours", async () => {
  const port = await websocket({ handleProtocols: () => false });
  await finds([`ws://127.0.0.1:${port}/`, "--protocol", "ws", "-o", 'subprotocols=["chat.v2"]'], { step: "upgrade", code: 69, says: [/subprotocol/] });
});
staged("plain WebSocket: refused by a close code", async () => {
  const port = await websocket({}, (ws) => ws.close(4401, "token expired"));
  await finds([`ws://127.0.0.1:${port}/`, "--protocol", "ws"], { step: "round trip", code: 77, says: [/4401/, /token expired/] });
});

// --- handshake ---

staged("Socket.IO version 2", async () => {
  const port = await websocket({}, (ws) => { ws.send('0{"sid":"kC9PkH5KzP","upgrades":[],"pingInterval":25000,"pingTimeout":5000}'); ws.send("40"); });
  await finds([`ws://127.0.0.1:${port}`], { step: "handshake", code: 69, says: [/version 2|Socket\.IO 2/, /must be updated/] });
});
staged("a Pusher server asked for Socket.IO", async () => {
  const port = await websocket({}, (ws) => ws.send('{"event":"pusher:connection_established","data":"{\\"socket_id\\":\\"1.1\\",\\"activity_timeout\\":30}"}'));
  await finds([`ws://127.0.0.1:${port}`], { step: "handshake", code: 69, says: [/Pusher server/, /protocol = "pusher"/] });
});
staged("an open line that is closed at once", async () => {
  const port = await websocket({}, (ws) => ws.close(1013, "no room"));
  await finds([`ws://127.0.0.1:${port}`], { step: "handshake", code: 69, says: [/1013/, /no room/, /let us in and then closed/] });
});
staged("an open line on which nothing is said", async () => {
  const port = await websocket();
  await finds(["mute"], { step: "handshake", code: 69, says: [/says nothing/, /protocol/], options: { cwd: folder({ "linnet.cfg.lua": `connections = { mute = { url = "ws://127.0.0.1:${port}", timeout = "300ms" } }\n` }) } });
});

// --- auth ---

staged("an unknown namespace", async () => finds([`ws://127.0.0.1:${await socketio()}/admin`], { step: "auth", code: 69, says: [/Invalid namespace/, /no namespace '\/admin'/] }));
staged("a refused token, and none at all", async () => {
  const port = await socketio({}, (io) => io.use((s, next) => { const e = new Error("not authorized"); e.data = { code: "E_AUTH" }; next(e); }));
  const r = await finds([`ws://127.0.0.1:${port}`, "--token", "secret-of-dora"], { step: "auth", code: 77, says: [/not authorized/, /E_AUTH/, /does not take these credentials/] });
  ok(!r.out.includes("secret-of-dora"), "the token is not shown");
  await finds([`ws://127.0.0.1:${port}`], { step: "auth", code: 77, says: [/none were sent/] });
});
staged("a token that has expired, and clocks that differ", async () => {
  const check = (io) => io.use((s, next) => next(new Error("jwt expired")));
  const old = jwt({ sub: "dora", exp: now() - 3600 * 5 });
  await finds([`ws://127.0.0.1:${await socketio({}, check)}`, "--token", old], { step: "auth", code: 77, says: [/jwt expired/, /token has expired/, /5 h ago/] });
  // The token is still good here, but the server lives ten minutes later.
  const http = createServer(), io = new Server(http);
  check(io);
  io.engine.on("headers", (headers) => { headers.Date = new Date(Date.now() + 600e3).toUTCString(); });
  const port = await listen(http);
  cleanup.push(() => io.close());
  await finds([`ws://127.0.0.1:${port}`, "--token", jwt({ exp: now() + 300 })], { step: "auth", code: 77, says: [/token has expired/, /clock is (10|9) m.* ahead/] });
});

// --- Pusher ---

staged("Pusher: nothing is wrong, and the three ways of a channel", async () => {
  const s = await fakeReverb();
  cleanup.push(() => s.close());
  const endpoint = ["-o", `auth_endpoint=${s.http}/broadcasting/auth`];
  const r = await finds([s.url, ...endpoint, "--room", "private-orders"], { code: 0, says: [/All is well/] });
  ok(/activity timeout 30 s/.test(r.steps.handshake.text), r.out);
  await finds([s.url, ...endpoint, "--room", "private-forbidden"], { step: "join", code: 77, says: [/403/, /private-forbidden/, /auth endpoint \(http.*\/broadcasting\/auth\)/] });
  await finds([s.url, "-o", "secret=wrong-secret", "--room", "private-orders"], { step: "join", code: 77, says: [/signature/, /'secret'/] });
  await finds([s.url, "-o", `auth_endpoint=${s.http}/nothing`, "--room", "private-orders"], { step: "join", code: 69, says: [/HTTP 404/, /'auth_endpoint'/] });
  s.token = "right";
  await finds([s.url, ...endpoint, "--room", "private-orders", "-H", "Authorization: Bearer wrong-one"], { step: "join", code: 77, says: [/401/] });
});
staged("Pusher: an unknown key", async () => {
  const s = await fakeReverb();
  cleanup.push(() => s.close());
  await finds([`pusher://no-such-key@127.0.0.1:${s.port}`], { step: "handshake", code: 77, says: [/4001/, /no app with this key/] });
});
staged("Pusher: an auth endpoint that answers with a page, or is not there", async () => {
  const s = await fakeReverb();
  cleanup.push(() => s.close());
  const page = await web((_, res) => res.writeHead(200, { "Content-Type": "text/html" }).end("<html>log in</html>"));
  await finds([s.url, "-o", `auth_endpoint=http://127.0.0.1:${page}/broadcasting/auth`, "--room", "private-orders"], { step: "join", code: 69, says: [/auth/, /web page|HTML|JSON/] });
  await finds([s.url, "-o", `auth_endpoint=http://127.0.0.1:${await closed()}/auth`, "--room", "private-orders"], { step: "join", code: 69, says: [/connection refused/i] });
});

// --- usage, secrets ---

staged("wrong use ends with 2", async () => {
  for (const args of [["ws://x", "--timeout", "soon"], ["ws://x", "--dialect", "laravel"], ["ws://x", "--auth", "nope"], ["ws://x", "--jsn"], []]) equal((await doctor(args)).code, 2, args.join(" "));
});
staged("no secret is shown, whoever repeats it", async () => {
  const token = jwt({ sub: "dora" }), secrets = ["p4ssw0rd-of-dora", token, "k3y-in-the-query"];
  const port = await web((req, res) => res.writeHead(403).end(`no: ${req.url} ${req.headers.authorization} ${req.headers["x-api-key"]}`));
  const url = `ws://dora:${secrets[0]}@127.0.0.1:${port}/?api_key=${secrets[2]}`;
  for (const args of [[url], [url, "--json"], [url, "-H", `Authorization: Bearer ${token}`], [url, "--json", "-v", "-H", `X-Api-Key: ${secrets[0]}`, "--query", `k=${secrets[2]}`]]) {
    const r = await doctor(args);
    equal(r.code, 77, r.out);
    for (const s of [...secrets, Buffer.from(`dora:${secrets[0]}`).toString("base64")]) ok(!(r.out + r.err).includes(s), `${s} in\n${r.out}${r.err}`);
  }
});

main();
