// Reads exports with the tool that they are for: `node exports.mjs KIND WALKS FILE…`; what it finds in each goes to
// standard output. WALKS (JSON) are events to send to a machine.
import { readFileSync } from "node:fs";

const [kind, walks, ...paths] = process.argv.slice(2);

const readers = {
  async asyncapi(text) {
    const { Parser } = await import("@asyncapi/parser");
    const { document, diagnostics } = await new Parser().parse(text);
    const problems = diagnostics.filter(({ severity }) => severity === 0).map(({ message, path }) => `${path.join("/")}: ${message}`);
    const operations = document?.operations().all() ?? [];
    return { problems, operations: Object.fromEntries(operations.map((o) => [o.id(), o.messages().all().map((m) => m.name())])) };
  },
  async dot(text) {
    const { Graphviz } = await import("@hpcc-js/wasm-graphviz");
    const svg = (await Graphviz.load()).layout(text, "svg", "dot");
    return { problems: [], nodes: svg.match(/class="node"/g).length, edges: svg.match(/class="edge"/g).length };
  },
  async xstate(text) {
    const { createMachine, getNextSnapshot, initialTransition } = await import("xstate");
    // Guards pass where the event names the values of their facts; `in` is left to the test's own choice of events.
    const facts = ({ event }, wanted) =>
      Object.entries(wanted).every(([fact, values]) => [values].flat().includes(event[fact]));
    // A delay that nobody provides is over at once.
    const timers = (state) => [...Object.keys(state.after ?? {}), ...Object.values(state.states ?? {}).flatMap(timers)];
    const delays = Object.fromEntries(timers(JSON.parse(text)).map((name) => [name, 1e6]));
    const machine = createMachine(JSON.parse(text)).provide({ guards: { facts }, delays });
    const ends = JSON.parse(walks).map((events) => {
      let [snapshot] = initialTransition(machine);
      for (const event of events) snapshot = getNextSnapshot(machine, snapshot, event);
      return snapshot.value;
    });
    return { problems: [], ends };
  },
};

const found = [];
for (const path of paths) {
  found.push(await readers[kind](readFileSync(path, "utf8")).catch((error) => ({ problems: [String(error)] })));
}
process.stdout.write(JSON.stringify(found));
