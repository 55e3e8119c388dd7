// Every recipe renders, with nothing left open, and says the addresses that clients are known to need.
import { expect, test } from 'vitest';
import { placesOf, textOf } from './render';
import { VENDORS } from './snippets';
import { LANGUAGES } from './snippets/types';

const places = placesOf({ http: 'http://127.0.0.1:8080/', otlp_http: 'http://127.0.0.1:4318', otlp_grpc: 'http://127.0.0.1:4317', xray: '127.0.0.1:2000' }, 'us-east-1');
const all = (vendor: string, language: (typeof LANGUAGES)[number]) => {
  const found = VENDORS.find((one) => one.id === vendor);
  return found ? found.languages[language].map((step) => textOf(step, places, 'env')).join('\n') : '';
};

test('no place is left open', () => {
  for (const vendor of VENDORS) {
    for (const language of LANGUAGES) {
      expect(vendor.languages[language].length, `${vendor.id} ${language}`).toBeGreaterThan(0);
      expect(all(vendor.id, language)).not.toMatch(/\{(http|otlp_http|otlp_grpc|xray|region)/);
    }
    expect(textOf(vendor.tryIt, places, 'shell')).toContain(vendor.id === 'xray' ? '/dev/udp/127.0.0.1/2000' : '127.0.0.1');
  }
});

test.each([
  ['rollbar', 'python', "endpoint='http://127.0.0.1:8080/api/1/'"],
  ['rollbar', 'node', "endpoint: 'http://127.0.0.1:8080/api/1/item/'"],
  ['rollbar', 'dotnet', 'EndPoint = "http://127.0.0.1:8080/api/1/"'],
  ['cloudwatch', 'python', 'AWS_ENDPOINT_URL_CLOUDWATCH_LOGS=http://127.0.0.1:8080'],
  ['xray', 'python', 'AWS_XRAY_DAEMON_ADDRESS=127.0.0.1:2000'],
  ['xray', 'python', 'OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE=X-Amzn-Trace-Id'],
  ['honeycomb', 'python', 'HONEYCOMB_API_ENDPOINT=http://127.0.0.1:8080'],
  ['opentelemetry', 'go', 'OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318'],
] as const)('%s %s', (vendor, language, line) => expect(all(vendor, language)).toContain(line));

test('formats of variables', () => {
  const step = { kind: 'env' as const, title: '', variables: [['A', '{http}']] as [string, string][] };
  expect(textOf(step, places, 'shell')).toBe('export A=http://127.0.0.1:8080');
  expect(textOf(step, places, 'compose')).toBe('environment:\n  A: "http://127.0.0.1:8080"');
});
