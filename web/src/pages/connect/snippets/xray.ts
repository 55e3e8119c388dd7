// AWS X-Ray: the SDKs read the daemon's address from one variable; this server listens where the daemon would.
import type { Step, Vendor } from './types';

const address: Step = {
  kind: 'env',
  title: 'Where the daemon is',
  variables: [
    ['AWS_XRAY_DAEMON_ADDRESS', '{xray}'],
    ['AWS_XRAY_CONTEXT_MISSING', 'LOG_ERROR'],
  ],
  note: 'Segments go there over UDP and sampling rules are asked for over TCP, at the same address. The second line keeps code outside of a request from failing.',
};

const named: Step = { kind: 'env', title: 'Under which name', variables: [['AWS_XRAY_TRACING_NAME', 'my-service']] };

const inferred: Step = {
  kind: 'text',
  title: 'When OpenTelemetry runs in the same process',
  text: '# nothing to set',
  note: 'This server finds the two traces of a request by method, path, status and time, and marks the link as inferred.',
};

export const xray: Vendor = {
  id: 'xray',
  name: 'AWS X-Ray',
  receiver: 'xray',
  change: 'Set the daemon address. No daemon, no AWS account and no keys are needed.',
  languages: {
    python: [
      address,
      named,
      {
        kind: 'env',
        title: 'When OpenTelemetry runs in the same process: one line ties both traces together',
        variables: [['OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE', 'X-Amzn-Trace-Id']],
        note: 'The X-Ray middleware puts its id into every response; with this line the OpenTelemetry span keeps it, and the link is exact.',
      },
    ],
    node: [
      address,
      named,
      {
        kind: 'text',
        title: 'When OpenTelemetry runs in the same process: this ties both traces together',
        text: "getNodeAutoInstrumentations({\n  '@opentelemetry/instrumentation-http': {\n    headersToSpanAttributes: { server: { responseHeaders: ['X-Amzn-Trace-Id'] } },\n  },\n})",
        note: 'Works where the X-Ray middleware puts its id into the response; otherwise the link is inferred from method, path, status and time.',
      },
    ],
    java: [
      address,
      named,
      {
        kind: 'env',
        title: 'When the OpenTelemetry agent runs in the same process',
        variables: [['OTEL_INSTRUMENTATION_HTTP_SERVER_CAPTURE_RESPONSE_HEADERS', 'X-Amzn-Trace-Id']],
        note: 'The X-Ray filter puts its id into every response; the agent keeps it on its span.',
      },
    ],
    go: [address, named, inferred],
    ruby: [address, named, inferred],
    dotnet: [address, named, inferred],
  },
  tryIt: {
    kind: 'text',
    title: 'Send one segment by hand (bash)',
    text: `printf '{"format":"json","version":1}\\n{"name":"bash","id":"%s","trace_id":"1-%08x-%s","start_time":%s,"end_time":%s}' \\
  $(openssl rand -hex 8) $(date +%s) $(openssl rand -hex 12) $(date +%s.100) $(date +%s.350) \\
  > /dev/udp/{xray_host}/{xray_port}`,
  },
};
