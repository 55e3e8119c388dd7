// OpenTelemetry: environment variables only, the same in every language.
import type { Step, Vendor } from './types';

const address: Step = {
  kind: 'env',
  title: 'Where to send',
  variables: [
    ['OTEL_EXPORTER_OTLP_ENDPOINT', '{otlp_http}'],
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'http/protobuf'],
    ['OTEL_SERVICE_NAME', 'my-service'],
  ],
  note: 'For gRPC: protocol grpc and {otlp_grpc}. Without a service name everything is called unknown_service.',
};

export const opentelemetry: Vendor = {
  id: 'opentelemetry',
  name: 'OpenTelemetry',
  receiver: 'otlp',
  change: 'Set three environment variables. No key is needed.',
  languages: {
    python: [
      address,
      {
        kind: 'env',
        title: 'Log lines with their trace',
        variables: [
          ['OTEL_LOGS_EXPORTER', 'otlp'],
          ['OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED', 'true'],
        ],
      },
      {
        kind: 'text',
        title: 'If the app is not instrumented yet',
        text: 'pip install opentelemetry-distro opentelemetry-exporter-otlp\nopentelemetry-bootstrap -a install\nopentelemetry-instrument python app.py',
      },
    ],
    node: [
      address,
      {
        kind: 'text',
        title: 'If the app is not instrumented yet',
        text: 'npm install @opentelemetry/api @opentelemetry/auto-instrumentations-node\nnode --require @opentelemetry/auto-instrumentations-node/register app.js',
      },
    ],
    java: [
      address,
      {
        kind: 'text',
        title: 'If the app is not instrumented yet',
        text: 'java -javaagent:opentelemetry-javaagent.jar -jar app.jar',
        note: 'The agent is one file from the releases of opentelemetry-java-instrumentation. It sends log lines with their trace as well.',
      },
    ],
    go: [
      address,
      {
        kind: 'text',
        title: 'In main()',
        text: 'exporter, err := otlptracehttp.New(ctx) // reads the variables\nif err != nil {\n\tlog.Fatal(err)\n}\nprovider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter))\ndefer provider.Shutdown(ctx)\notel.SetTracerProvider(provider)',
      },
    ],
    ruby: [
      address,
      {
        kind: 'text',
        title: 'If the app is not instrumented yet',
        text: "# gems: opentelemetry-sdk, opentelemetry-exporter-otlp, opentelemetry-instrumentation-all\nrequire 'opentelemetry/sdk'\nrequire 'opentelemetry/exporter/otlp'\nrequire 'opentelemetry/instrumentation/all'\n\nOpenTelemetry::SDK.configure { |c| c.use_all }",
      },
    ],
    dotnet: [
      address,
      {
        kind: 'text',
        title: 'If the app is not instrumented yet',
        text: '// package OpenTelemetry.Exporter.OpenTelemetryProtocol, and those of the instrumentations\nbuilder.Services.AddOpenTelemetry()\n    .WithTracing(tracing => tracing.AddAspNetCoreInstrumentation().AddHttpClientInstrumentation())\n    .UseOtlpExporter();',
      },
    ],
  },
  tryIt: {
    kind: 'text',
    title: 'Send one span by hand',
    text: `curl {otlp_http}/v1/traces -H 'content-type: application/json' -d '{"resourceSpans":[{
  "resource":{"attributes":[{"key":"service.name","value":{"stringValue":"curl"}}]},
  "scopeSpans":[{"spans":[{"name":"hello","kind":2,
    "traceId":"'$(openssl rand -hex 16)'","spanId":"'$(openssl rand -hex 8)'",
    "startTimeUnixNano":"'$(date +%s)'000000000","endTimeUnixNano":"'$(date +%s)'250000000"}]}]}]}'`,
  },
};
