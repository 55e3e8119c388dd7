// libhoney for Node: events with a trace id and a duration, and plain ones.
const { randomBytes } = require("node:crypto");
const Libhoney = require("libhoney");

const dataset = process.env.E2E_SERVICE;
const honey = new Libhoney({
  writeKey: "hcaik_" + "0".repeat(58),
  dataset,
  apiHost: process.env.HONEYCOMB_API,
  responseCallback: (responses) => responses.forEach((response) => answers.push(response.status_code)),
});
const answers = [];
const traces = {};
for (let number = 0; number < 4; number += 1) {
  const trace = randomBytes(16).toString("hex");
  let parent;
  for (const name of ["request", "handler"]) {
    const event = honey.newEvent();
    const id = randomBytes(8).toString("hex");
    event.add({ "trace.trace_id": trace, "trace.span_id": id, name, "service.name": dataset, duration_ms: 2.5, number });
    if (parent) event.addField("trace.parent_id", parent);
    event.send();
    parent = id;
  }
  traces[trace] = 2;
}
const event = honey.newEvent();
event.sampleRate = 8;
event.add({ message: "one of eight", "service.name": dataset, nested: { list: [1, "two"] }, nothing: null });
event.sendPresampled();
honey.flush().then(() => console.log(JSON.stringify({ traces, answers, stand_for: 8 + 8 })));
