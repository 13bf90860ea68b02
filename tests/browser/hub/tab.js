// A tab: registers itself with the connection that all tabs of the profile share, and shows what it is told.
const query = new URLSearchParams(location.search);
const worker = new SharedWorker("worker.js");

worker.port.onmessage = ({ data: { kind, value } }) => {
  const line = document.createElement("li");
  line.dataset.kind = kind;
  line.dataset.value = line.textContent = JSON.stringify(value);
  document.getElementById("log").append(line);
};
window.invoke = (target, ...given) => worker.port.postMessage({ target, given });
worker.port.postMessage({ token: query.get("token") });
window.invoke("RegisterTab", query.get("tab"));
