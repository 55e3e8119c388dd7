// Honeycomb: OpenTelemetry with Honeycomb's header, its distributions, libhoney and the beelines. libhoney and the beelines
// read no variable for the address; it is one argument.
import type { Step, Vendor } from './types';

const plain: Step = {
  kind: 'env',
  title: 'OpenTelemetry set up for Honeycomb',
  variables: [
    ['OTEL_EXPORTER_OTLP_ENDPOINT', '{http}'],
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'http/protobuf'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'x-honeycomb-team=any-key'],
    ['OTEL_SERVICE_NAME', 'my-service'],
  ],
  note: 'Only the first line differs from what Honeycomb has you set; keep the key you have, any is taken.',
};

const distribution = (note: string): Step => ({
  kind: 'env',
  title: "Honeycomb's own distribution",
  variables: [
    ['HONEYCOMB_API_ENDPOINT', '{http}'],
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'http/protobuf'],
    ['HONEYCOMB_API_KEY', 'any-key'],
    ['OTEL_SERVICE_NAME', 'my-service'],
  ],
  note,
});

const noLocal = 'Leave HONEYCOMB_ENABLE_LOCAL_VISUALIZATIONS unset: it calls api.honeycomb.io whatever the endpoint says.';

export const honeycomb: Vendor = {
  id: 'honeycomb',
  name: 'Honeycomb',
  receiver: 'honeycomb',
  change: 'Change the endpoint and keep everything else. Spans sent over OTLP light the OpenTelemetry receiver, events the Honeycomb one.',
  languages: {
    python: [
      plain,
      distribution(noLocal),
      {
        kind: 'text',
        title: 'libhoney, beeline',
        text: "libhoney.init(writekey='any-key', dataset='my-service', api_host='{http}')\n\nbeeline.init(writekey='any-key', dataset='my-service', service_name='my-service', api_host='{http}')",
      },
    ],
    node: [
      plain,
      distribution(noLocal),
      {
        kind: 'text',
        title: 'libhoney, beeline',
        text: "const honey = new Libhoney({ writeKey: 'any-key', dataset: 'my-service', apiHost: '{http}' });\n\nrequire('honeycomb-beeline')({ writeKey: 'any-key', dataset: 'my-service', serviceName: 'my-service', apiHost: '{http}' });",
      },
    ],
    java: [
      plain,
      {
        kind: 'env',
        title: "Honeycomb's own agent",
        variables: [
          ['HONEYCOMB_API_ENDPOINT', '{otlp_grpc}'],
          ['HONEYCOMB_API_KEY', 'any-key'],
          ['OTEL_SERVICE_NAME', 'my-service'],
        ],
        note: 'It speaks gRPC unless told otherwise.',
      },
    ],
    go: [
      plain,
      {
        kind: 'text',
        title: 'libhoney',
        text: 'libhoney.Init(libhoney.Config{\n\tAPIKey:  "any-key",\n\tDataset: "my-service",\n\tAPIHost: "{http}",\n})',
      },
    ],
    ruby: [
      plain,
      {
        kind: 'text',
        title: 'libhoney',
        text: "honey = Libhoney::Client.new(writekey: 'any-key', dataset: 'my-service', api_host: '{http}')",
      },
    ],
    dotnet: [plain],
  },
  tryIt: {
    kind: 'text',
    title: 'Send one event by hand',
    text: `curl {http}/1/events/curl -H 'X-Honeycomb-Team: any-key' -H 'content-type: application/json' \\
  -d '{"name":"hello","service.name":"curl","greeting":"from the shell"}'`,
  },
};
