// The one connection of a profile: every tab speaks and hears through it.
importScripts("signalr.js");

const ports = [];
let started;

const tell = (kind, value) => ports.forEach((port) => port.postMessage({ kind, value }));

function start(token) {
  const connection = new signalR.HubConnectionBuilder()
    .withUrl(`${location.origin}/hub`, { accessTokenFactory: () => token, transport: signalR.HttpTransportType.WebSockets })
    .configureLogging(signalR.LogLevel.None)
    .build();
  for (const target of ["ConnectionChanged", "Receive"]) connection.on(target, (value) => tell(target, value));
  connection.onclose((error) => tell("closed", error ? error.message : null));
  return connection.start().then(() => connection);
}

onconnect = ({ ports: [port] }) => {
  ports.push(port);
  port.onmessage = async ({ data }) => {
    if (data.token) {
      started ??= start(data.token);
      return;
    }
    try {
      const connection = await started;
      port.postMessage({ kind: data.target, value: await connection.invoke(data.target, ...data.given) });
    } catch (error) {
      port.postMessage({ kind: "failed", value: String(error) });
    }
  };
};
